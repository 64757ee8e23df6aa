//! Sending, slot by slot.

mod allocate;
mod send;

pub use send::{Allocated, BadBuffer, Enqueue, Part, TxSlots};
