//! Cursor arithmetic of the two rings, generic over the memory they lie in.
//!
//! The slave writes `head`, the master writes `tail`, whichever way packets flow. A cursor here keeps everything
//! that this side wrote in private fields and never reads it back; the other side's cursor is loaded, checked and
//! cached. All arithmetic is modulo 65536.
//!
//! The memory is a trait so that the same code runs on mapped memory, under loom, and on memory that answers
//! differently on every load.

mod deferred;
mod memory;
mod rx;
mod tx;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use deferred::DeferredSignal;
pub(crate) use memory::{Descriptors, OutOfRange, RingMemory};
pub(crate) use rx::RxCursor;
pub(crate) use tx::TxCursor;
