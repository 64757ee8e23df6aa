//! Rings as slots: the lower interface that bindings to other languages stand on.
//!
//! [`RxQueue`](crate::RxQueue) and [`TxQueue`](crate::TxQueue) tie packets to a borrow, which the languages on the
//! other side of a binding do not have. Here a buffer is handed out as an address, stays the caller's over any number
//! of calls, and goes back by count or by slot. All that the core promises still holds: descriptors are read once and
//! checked, cursors are checked, what is handed out lies inside a region, and a peer that breaks the rules loses its
//! link.
//!
//! What the types cannot hold is the lifetime of an address: it is good while the [`RxSlots`] or [`TxSlots`] that gave
//! it lives. Nothing in here follows an address that a caller passes; it is compared with what the slot may hold.

mod held;
mod keeper;
mod rx;
mod slot;
#[cfg(all(test, not(loom)))]
mod tests;
mod tx;

pub use held::{Held, swap};
pub use keeper::Keeper;
pub use rx::{Received, RefillError, RxSlots};
pub use slot::Slot;
pub use tx::{Allocated, BadBuffer, Enqueue, Part, TxSlots};
