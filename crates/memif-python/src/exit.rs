//! The end of the interpreter, with threads of it that wait here.
//!
//! Up to Python 3.13 a thread that comes back to an interpreter that ends is ended where it is, by unwinding its stack.
//! Frames of Rust do not stand that: with the unwinder that a wheel for old systems is linked with it is a crash. So
//! the interpreter ends only when the calls that may let go of it are over, which all links being closed makes short;
//! a call that takes longer sleeps for good instead of coming back, and so does one that begins meanwhile. From 3.14 on
//! the interpreter has them sleep itself.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long the end waits for a call.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far apart the looks are.
const LOOK: Duration = Duration::from_millis(1);

/// Threads in calls that may let go of the interpreter, and those that are about to come back to it.
static CALLS: AtomicUsize = AtomicUsize::new(0);
static COMING: AtomicUsize = AtomicUsize::new(0);
/// The thread that ends the interpreter, once one does.
static ENDING: OnceLock<ThreadId> = OnceLock::new();
/// Nobody is waited for any more.
static IS_LATE: OnceLock<()> = OnceLock::new();

thread_local! {
    /// Calls of this thread, of which each may be within another.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A call that may let go of the interpreter: that waits, or has it run something.
#[derive(Debug)]
pub(crate) struct Call(());

impl Call {
    /// To be made before anything else. Does not return where the interpreter ends and another thread ends it.
    pub(crate) fn begin(py: Python<'_>) -> Self {
        if DEPTH.get() == 0 {
            // The one that ends the interpreter says so and then counts: one of the two sees the other.
            CALLS.fetch_add(1, Ordering::SeqCst);
            if ENDING.get().is_some_and(|ending| *ending != thread::current().id()) {
                CALLS.fetch_sub(1, Ordering::SeqCst);
                py.detach(sleep_for_good);
            }
        }
        DEPTH.set(DEPTH.get() + 1);
        Self(())
    }

    /// Does that detached from the interpreter.
    pub(crate) fn detached<T: Send>(&self, py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
        let result = py.detach(|| {
            let result = work();
            COMING.fetch_add(1, Ordering::SeqCst);
            if IS_LATE.get().is_some() {
                COMING.fetch_sub(1, Ordering::SeqCst);
                sleep_for_good();
            }
            result
        });
        COMING.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 {
            CALLS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn sleep_for_good() {
    loop {
        thread::park();
    }
}

/// The interpreter ends from now on: `close` ends what is waited for, and the calls of other threads are waited for.
pub(crate) fn end(py: Python<'_>, close: impl FnOnce() + Send) {
    // A second time there is nobody left.
    let _ = ENDING.set(thread::current().id());
    py.detach(|| {
        close();
        let until = Instant::now() + PATIENCE;
        while CALLS.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            thread::sleep(LOOK);
        }
        let _ = IS_LATE.set(());
        while COMING.load(Ordering::SeqCst) > 0 && Instant::now() < until + PATIENCE {
            thread::sleep(LOOK);
        }
    });
}

/// For a child of a fork, which has none of the other threads. Who forks is in no call.
pub(crate) fn forget_others() {
    CALLS.store(0, Ordering::SeqCst);
    COMING.store(0, Ordering::SeqCst);
}
