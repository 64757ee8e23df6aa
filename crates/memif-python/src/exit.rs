//! The end of the interpreter, with threads of it that wait here.
//!
//! Up to Python 3.13 a thread that comes back to an interpreter that ends is ended where it is, by unwinding its stack.
//! Frames of Rust do not stand that: with the unwinder that a wheel for old systems is linked with it is a crash. So
//! the interpreter ends only when no call is on its way back, and a call that comes later sleeps for good, as does one
//! that begins meanwhile. From 3.14 on the interpreter has them sleep itself.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long the end waits for calls that do something else than to wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far apart the looks are.
const LOOK: Duration = Duration::from_millis(1);

/// Threads in calls that may let go of the interpreter, and do not sleep for good.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// The thread that ends the interpreter, once one does.
static ENDING: OnceLock<ThreadId> = OnceLock::new();

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
            if is_over() {
                py.detach(sleep_for_good);
            }
        }
        DEPTH.set(DEPTH.get() + 1);
        Self(())
    }

    /// Does that detached from the interpreter. Does not return where that ends meanwhile.
    pub(crate) fn detached<T: Send>(&self, py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
        py.detach(|| {
            let result = work();
            if is_over() {
                sleep_for_good();
            }
            result
        })
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

/// Whether the interpreter ends, for all threads but the one that ends it.
fn is_over() -> bool {
    ENDING.get().is_some_and(|ending| *ending != thread::current().id())
}

/// For a thread in a call, which nobody waits for then.
fn sleep_for_good() {
    CALLS.fetch_sub(1, Ordering::SeqCst);
    loop {
        thread::park();
    }
}

/// The interpreter ends from now on: `close` ends what is waited for, and calls on their way back are waited for.
pub(crate) fn end(py: Python<'_>, close: impl FnOnce() + Send) {
    // A second time there is nobody left.
    let _ = ENDING.set(thread::current().id());
    py.detach(|| {
        close();
        let until = Instant::now() + PATIENCE;
        while CALLS.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            thread::sleep(LOOK);
        }
    });
}

/// For a child of a fork, which has none of the other threads.
pub(crate) fn forget_others() {
    CALLS.store(usize::from(DEPTH.get() > 0), Ordering::SeqCst);
}
