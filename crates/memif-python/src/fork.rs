//! A child of `fork` inherits sockets whose thread it does not have: whoever uses one there is told so.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::errors::Failure;
use crate::exit;

/// How many forks lie between this process and the one that loaded the module.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// The process that something was made in. Told apart by a count of forks: to ask for its number is a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u64);

impl Process {
    /// This one.
    pub(crate) fn current() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is still the same one.
    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }

    /// An error where it is not.
    pub(crate) fn check(self) -> Result<(), Failure> {
        if self.is_current() { Ok(()) } else { Err(Failure::Forked) }
    }
}

#[pyfunction]
fn note_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    exit::forget_others();
}

/// Has the interpreter tell of forks.
pub(crate) fn watch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let note = wrap_pyfunction!(note_fork, module)?;
    let kwargs = pyo3::types::PyDict::new(module.py());
    kwargs.set_item("after_in_child", note)?;
    module.py().import("os")?.call_method("register_at_fork", (), Some(&kwargs))?;
    Ok(())
}
