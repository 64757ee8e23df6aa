//! Locks that a panic elsewhere does not make useless, and one that is waited for with a limit.
//!
//! Those of the standard library have no state but their own, so a child of a fork finds none of them in the hands of
//! another lock's thread. `parking_lot` has a table for all of a process.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

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

/// A lock that may be held for long. Whoever takes and leaves it while nobody waits makes no system call, and three
/// steps that other processors see: packet by packet these count.
#[derive(Debug, Default)]
pub(crate) struct Turn<T> {
    value: Lock<T>,
    waiting: AtomicUsize,
    /// Held from the last look at the value until the sleep, so that nobody is woken between the two.
    sleep: Lock<()>,
    free: Condvar,
}

impl<T> Turn<T> {
    /// Takes it where nobody has it. Waits for nothing.
    pub(crate) fn try_lock(&self) -> Option<TurnGuard<'_, T>> {
        let value = match self.value.0.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(TurnGuard { value, _next: Next { waiting: &self.waiting, sleep: &self.sleep, free: &self.free } })
    }

    /// Takes it, or gives up after so long.
    pub(crate) fn try_lock_for(&self, time: Duration) -> Option<TurnGuard<'_, T>> {
        let at_once = self.try_lock();
        if at_once.is_some() || time.is_zero() {
            return at_once;
        }
        let until = Instant::now() + time;
        let mut sleep = self.sleep.lock();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence of whoever leaves it: either it is seen free here, or the wait is seen there.
        fence(Ordering::SeqCst);
        let taken = loop {
            let taken = self.try_lock();
            let left = until.saturating_duration_since(Instant::now());
            if taken.is_some() || left.is_zero() {
                break taken;
            }
            sleep = wait(&self.free, sleep, left);
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        taken
    }
}

/// Gives the turn to the next when it is dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard<'t, T> {
    value: MutexGuard<'t, T>,
    /// Dropped after the value was left.
    _next: Next<'t>,
}

#[derive(Debug)]
struct Next<'t> {
    waiting: &'t AtomicUsize,
    sleep: &'t Lock<()>,
    free: &'t Condvar,
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            let _nobody_falls_asleep = self.sleep.lock();
            self.free.notify_one();
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
