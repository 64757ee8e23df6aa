//! Handles that can be checked.
//!
//! What a handle points to lies in slabs that are never freed, only used again. So a handle of any kind, stale or made
//! up, can be looked up without touching memory that is not ours. A place is used again only when several others were
//! free before it, so that a handle which is used after its deletion is refused rather than taken for another one.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::lock::lock;

/// Places of the first slab. The second has as many, and each one after it twice as many as the one before: a look-up
/// compares few addresses, however many handles there are.
const PLACES: usize = 16;
/// Slabs, hence 65,536 handles of a kind at most.
const SLABS: usize = 13;
/// Free places that are kept back, so that the one that was freed last is not the next to be used.
const IDLE: usize = 8;

/// The places of one kind of handle.
pub(crate) struct Places<T: 'static> {
    /// First places.
    slabs: [AtomicPtr<T>; SLABS],
    free: Mutex<VecDeque<&'static T>>,
}

impl<T: Default + Sync + 'static> Places<T> {
    pub(crate) const fn new() -> Self {
        Self { slabs: [const { AtomicPtr::new(std::ptr::null_mut()) }; SLABS], free: Mutex::new(VecDeque::new()) }
    }

    /// A place to use. `None` when there are too many.
    pub(crate) fn take(&self) -> Option<&'static T> {
        let mut free = lock(&self.free);
        if free.len() <= IDLE {
            let empty = |(_, slab): &(usize, &AtomicPtr<T>)| slab.load(Ordering::Acquire).is_null();
            if let Some((at, slab)) = self.slabs.iter().enumerate().find(empty) {
                // One by one: a slab is larger than some stacks.
                let new: Vec<T> = (0..places(at)).map(|_| T::default()).collect();
                let new: &'static [T] = Vec::leak(new);
                slab.store(new.as_ptr().cast_mut(), Ordering::Release);
                free.extend(new);
            }
        }
        free.pop_front()
    }

    /// Gives a place back.
    pub(crate) fn give_back(&self, place: &'static T) {
        lock(&self.free).push_back(place);
    }

    /// The place that a handle of the caller points to. `None` for every other pointer.
    #[inline]
    pub(crate) fn find(&self, handle: *const c_void) -> Option<&'static T> {
        for (at, slab) in self.slabs.iter().enumerate() {
            let start = slab.load(Ordering::Acquire);
            if start.is_null() {
                return None;
            }
            let offset = handle.addr().wrapping_sub(start.addr());
            let places = places(at);
            if offset < places * size_of::<T>() {
                if !offset.is_multiple_of(size_of::<T>()) {
                    return None;
                }
                // SAFETY: published by `take`, which made as many, and never freed.
                let slab: &'static [T] = unsafe { std::slice::from_raw_parts(start, places) };
                return slab.get(offset / size_of::<T>());
            }
        }
        None
    }
}

/// Places of the slab of that number.
const fn places(slab: usize) -> usize {
    PLACES << slab.saturating_sub(1)
}

/// The handle of a place, as the caller gets it.
pub(crate) fn handle<T>(place: &'static T) -> *mut c_void {
    std::ptr::from_ref(place).cast_mut().cast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn only_handles_are_found() {
        static PLACES: Places<AtomicU64> = Places::new();
        assert!(PLACES.find(std::ptr::null()).is_none());
        let many: Vec<_> = (0..100).map(|_| PLACES.take().unwrap()).collect();
        for place in &many {
            let handle = handle(*place);
            assert!(std::ptr::eq(PLACES.find(handle).unwrap(), *place));
            assert!(PLACES.find(handle.wrapping_byte_add(1)).is_none());
            assert!(PLACES.find(handle.wrapping_byte_add(4)).is_none());
        }
        let local = 0u64;
        assert!(PLACES.find((&raw const local).cast()).is_none());
        assert!(PLACES.find(std::ptr::without_provenance(usize::MAX)).is_none());
    }

    #[test]
    fn a_place_is_not_used_again_at_once() {
        static PLACES: Places<AtomicU64> = Places::new();
        let first = PLACES.take().unwrap();
        PLACES.give_back(first);
        for _ in 0..IDLE {
            let next = PLACES.take().unwrap();
            assert!(!std::ptr::eq(first, next));
            PLACES.give_back(next);
        }
    }
}
