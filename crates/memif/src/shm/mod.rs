//! Memory that the peer can rewrite at any moment: the only module with `unsafe` code.
//!
//! Nothing here hands out a reference to shared bytes. [`SharedSlice`] copies in and out, [`MappedRing`] goes
//! through atomics, and both hold or borrow the [`Mapping`] that keeps the addresses valid.

#![allow(unsafe_code)]

mod copy;
mod guard;
pub(crate) mod layout;
mod mapping;
mod ring;
mod slice;

pub(crate) use guard::fault_count;
pub use mapping::Mapping;
pub(crate) use mapping::Regions;
pub(crate) use ring::MappedRing;
pub use slice::SharedSlice;
