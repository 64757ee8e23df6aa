//! One queue, with one thread in it at a time.
//!
//! A burst enters with one exchange of a flag that no other thread writes while all is well, and leaves with a store.
//! Taking a queue away, or putting the next link's in, enters in the same way and so waits for the burst
//! that runs, which never waits itself.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Looks at the flag before the processor is left to others.
const SPINS: u32 = 128;

/// A queue that may be there.
#[repr(align(64))]
pub(crate) struct Cell<T> {
    busy: AtomicBool,
    /// The thread that is in a callback of the caller from within this cell, or 0.
    calling: AtomicUsize,
    content: UnsafeCell<Option<T>>,
}

// SAFETY: the content is reached through a `Guard` alone, and only one exists at a time: `enter` makes one when it
// changed `busy` from false to true, with acquire order, and its drop stores false with release order.
unsafe impl<T: Send> Sync for Cell<T> {}

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self { busy: AtomicBool::new(false), calling: AtomicUsize::new(0), content: UnsafeCell::new(None) }
    }
}

impl<T> Cell<T> {
    /// Enters. `None` when this thread is in already, from a callback.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Guard<'_, T>> {
        if self.busy.swap(true, Ordering::Acquire) { self.wait() } else { Some(Guard(self)) }
    }

    /// Whether this thread is in a callback of the caller from within this cell.
    pub(crate) fn is_calling(&self) -> bool {
        self.calling.load(Ordering::Relaxed) == this_thread()
    }

    #[cold]
    fn wait(&self) -> Option<Guard<'_, T>> {
        let mut spins = 0;
        loop {
            if !self.busy.load(Ordering::Relaxed) && !self.busy.swap(true, Ordering::Acquire) {
                return Some(Guard(self));
            }
            if self.is_calling() {
                return None;
            }
            spins += 1;
            if spins < SPINS {
                spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// The cells of one direction of an interface by number. Made when first needed, and kept for the next interface that
/// has this place: a burst that comes too late finds an empty cell.
pub(crate) struct Cells<T: 'static>([AtomicPtr<Cell<T>>; 256]);

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self([const { AtomicPtr::new(std::ptr::null_mut()) }; 256])
    }
}

impl<T: 'static> Cells<T> {
    /// The cell of a queue that some interface had here.
    #[inline]
    pub(crate) fn get(&self, queue: u16) -> Option<&'static Cell<T>> {
        let cell = self.0.get(usize::from(queue))?.load(Ordering::Acquire);
        // SAFETY: null or published by `make`, and never freed.
        unsafe { cell.as_ref() }
    }

    /// As [`get`](Self::get), made where it is not there. For the thread alone that makes links.
    pub(crate) fn make(&self, queue: u8) -> Option<&'static Cell<T>> {
        let place = self.0.get(usize::from(queue))?;
        if place.load(Ordering::Acquire).is_null() {
            let new = Box::into_raw(Box::new(Cell::default()));
            let null = std::ptr::null_mut();
            if place.compare_exchange(null, new, Ordering::Release, Ordering::Relaxed).is_err() {
                // SAFETY: from `into_raw` above, and given to nobody.
                drop(unsafe { Box::from_raw(new) });
            }
        }
        self.get(u16::from(queue))
    }

    /// Every cell there is.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Cell<T>> {
        (0..256).filter_map(|queue| self.get(queue))
    }
}

/// The content of a cell, for one thread.
pub(crate) struct Guard<'a, T>(&'a Cell<T>);

impl<'a, T> Guard<'a, T> {
    /// To be called before a callback of the caller runs, and undone by dropping what it gives.
    pub(crate) fn calling(&self) -> Calling<'a> {
        self.0.calling.store(this_thread(), Ordering::Relaxed);
        Calling(&self.0.calling)
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = Option<T>;

    #[inline]
    fn deref(&self) -> &Option<T> {
        // SAFETY: this is the only guard, see `Cell`.
        unsafe { &*self.0.content.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<T> {
        // SAFETY: this is the only guard, see `Cell`, and it is borrowed mutably.
        unsafe { &mut *self.0.content.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// While a callback runs.
pub(crate) struct Calling<'a>(&'a AtomicUsize);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that no other running thread has; never 0.
pub(crate) fn this_thread() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time() {
        let cell = Cell::<u64>::default();
        *cell.enter().unwrap() = Some(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let mut guard = cell.enter().unwrap();
                        let value = guard.unwrap();
                        *guard = Some(value + 1);
                    }
                });
            }
        });
        assert_eq!(*cell.enter().unwrap(), Some(40_000));
    }

    #[test]
    fn a_callback_that_comes_back_is_told_so() {
        let cell = Cell::<u64>::default();
        let guard = cell.enter().unwrap();
        {
            let _calling = guard.calling();
            assert!(cell.enter().is_none());
        }
        drop(guard);
        assert!(cell.enter().is_some());
    }
}
