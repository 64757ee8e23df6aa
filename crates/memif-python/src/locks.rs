//! Locks that a panic elsewhere does not make useless, and one that is waited for with a limit.
//!
//! Those of the standard library have no state but their own, so a child of a fork finds none of them in the hands of
//! another lock's thread. `parking_lot` has a table for all of a process.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A lock that is held for moments.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits to be notified, at most so long.
pub(crate) fn wait<'g, T>(for_change: &Condvar, guard: MutexGuard<'g, T>, time: Duration) -> MutexGuard<'g, T> {
    for_change.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}

/// A lock that may be held for long. Whoever takes and leaves it while nobody waits makes no system call.
#[derive(Debug, Default)]
pub(crate) struct Turn<T> {
    state: Lock<TurnState>,
    free: Condvar,
    value: Lock<T>,
}

#[derive(Debug, Default)]
struct TurnState {
    is_taken: bool,
    waiting: usize,
}

impl<T> Turn<T> {
    /// Takes it where nobody has it. Waits for nothing.
    pub(crate) fn try_lock(&self) -> Option<TurnGuard<'_, T>> {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.is_taken, true) {
            return None;
        }
        drop(state);
        Some(TurnGuard { turn: self, value: self.value.lock() })
    }

    /// Takes it, or gives up after so long.
    pub(crate) fn try_lock_for(&self, time: Duration) -> Option<TurnGuard<'_, T>> {
        let mut state = self.state.lock();
        if state.is_taken {
            state.waiting += 1;
            let waited = self.free.wait_timeout_while(state, time, |state| state.is_taken);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
            if state.is_taken {
                return None;
            }
        }
        state.is_taken = true;
        drop(state);
        Some(TurnGuard { turn: self, value: self.value.lock() })
    }
}

/// Gives the turn to the next when it is dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard<'t, T> {
    turn: &'t Turn<T>,
    value: MutexGuard<'t, T>,
}

impl<T> Drop for TurnGuard<'_, T> {
    fn drop(&mut self) {
        let mut state = self.turn.state.lock();
        state.is_taken = false;
        if state.waiting > 0 {
            self.turn.free.notify_one();
        }
    }
}

impl<T> Deref for TurnGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for TurnGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
