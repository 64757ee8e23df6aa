//! Receiving, slot by slot.

mod back;
mod chains;
mod leftovers;
mod receive;

pub use back::RefillError;
pub use receive::{Received, RxSlots};
