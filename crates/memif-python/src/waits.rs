//! Waiting as Python does: other threads run meanwhile, and so do handlers of signals, so that Ctrl-C ends it.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::Failure;
use crate::exit::Call;

/// The longest that a signal is waited with. The waits of the library are not ended by signals, and no descriptor tells
/// of them that an event loop does not have already.
const SLICE: Duration = Duration::from_millis(50);

/// Seconds that a call may take, or no limit. Asks no clock and counts nothing, so that a call that need not wait does
/// neither.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout(Option<f64>);

impl Timeout {
    /// So many seconds, without limit for `None`.
    ///
    /// # Errors
    /// `ValueError` for what is no number.
    pub(crate) fn new(seconds: Option<f64>) -> PyResult<Self> {
        if seconds.is_some_and(f64::is_nan) {
            return Err(PyValueError::new_err("a time-out is a number of seconds, or None for no limit"));
        }
        Ok(Self(seconds))
    }
}

/// A moment, or never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// That time from now. What is too far away for the clock is no limit.
    pub(crate) fn after(time: Timeout) -> Self {
        let time = time.0.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        Self(time.and_then(|time| Instant::now().checked_add(time)))
    }

    fn left(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// Calls `step`, which waits for as long as it is told at most, until it has something or fails. `None` when the time
/// is over. Detached from the interpreter but for a look at signals now and then.
pub(crate) fn patiently<T: Send>(
    py: Python<'_>,
    until: Deadline,
    mut step: impl FnMut(Duration) -> Result<Option<T>, Failure> + Send,
) -> PyResult<Option<Result<T, Failure>>> {
    let call = Call::begin(py);
    loop {
        let slice = until.left().unwrap_or(SLICE).min(SLICE);
        match call.detached(py, || step(slice)) {
            Ok(None) => {}
            Ok(Some(found)) => return Ok(Some(Ok(found))),
            Err(failure) => return Ok(Some(Err(failure))),
        }
        py.check_signals()?;
        // However long that was: a step may end early, for a packet that was dropped.
        if until.left().is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
    }
}
