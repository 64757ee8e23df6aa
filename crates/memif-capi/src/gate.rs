//! One thread at a time in the callbacks of an interface, and none of them after its deletion.

use std::sync::{Condvar, Mutex};

use crate::cell::this_thread;
use crate::lock::lock;

/// Whoever calls back enters, and so does whoever deletes. Who waits, sleeps.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread inside, or 0.
    owner: usize,
    /// The interface is being deleted: nobody else comes in.
    closing: bool,
    closed: bool,
    /// Threads that wait for a change: to tell nobody costs a system call, too, and there is one for every packet that
    /// is slept for.
    waiting: usize,
}

impl Gate {
    /// To call back. A thread that is inside comes in again. `None` when the interface is being deleted, by whomever.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let me = this_thread();
        let mut state = lock(&self.state);
        loop {
            match state.owner {
                _ if state.closing => return None,
                0 => {
                    state.owner = me;
                    return Some(Inside { gate: self, outermost: true });
                }
                owner if owner == me => return Some(Inside { gate: self, outermost: false }),
                _ => state = self.wait(state),
            }
        }
    }

    /// To delete: waits for the callback that runs, unless it runs in this thread. `None` when that was done already,
    /// or is done by a call that this one comes from.
    pub(crate) fn close(&self) -> Option<Inside<'_>> {
        let me = this_thread();
        let mut state = lock(&self.state);
        if state.closing {
            while !state.closed && state.owner != me {
                state = self.wait(state);
            }
            return None;
        }
        state.closing = true;
        while state.owner != 0 && state.owner != me {
            state = self.wait(state);
        }
        let outermost = state.owner == 0;
        state.owner = me;
        Some(Inside { gate: self, outermost })
    }

    /// Whether the interface is being deleted.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }

    /// The deletion is done.
    pub(crate) fn closed(&self) {
        self.change(|state| state.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        change(&mut state);
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.changed.notify_all();
        }
    }

    fn wait<'a>(&self, mut state: std::sync::MutexGuard<'a, State>) -> std::sync::MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        state.waiting -= 1;
        state
    }
}

/// This thread is inside.
pub(crate) struct Inside<'a> {
    gate: &'a Gate,
    outermost: bool,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.outermost {
            self.gate.change(|state| state.owner = 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_deletion_waits_for_other_threads_and_not_for_its_own() {
        let gate = Gate::default();
        let inside = gate.enter().unwrap();
        assert!(gate.enter().is_some());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let deletion = scope.spawn(|| {
                let _inside = gate.close().unwrap();
                assert!(over.load(Ordering::Acquire));
                gate.closed();
            });
            while !gate.is_closing() {
                std::thread::yield_now();
            }
            // Nobody else, and the callback that runs may delete, too.
            assert!(gate.enter().is_none() && gate.close().is_none());
            over.store(true, Ordering::Release);
            drop(inside);
            deletion.join().unwrap();
        });
        assert!(gate.enter().is_none() && gate.close().is_none());

        let gate = Gate::default();
        let _callback = gate.enter().unwrap();
        assert!(gate.close().is_some());
    }
}
