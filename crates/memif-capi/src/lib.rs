//! The interface of libmemif 4.0 on top of the crate `memif`. Nothing here is for Rust programs; what C programs
//! see is `include/libmemif.h`.
//!
//! - `abi`, `strings`: types, constants, texts. `ffi`: the functions, each a thin layer that checks pointers.
//!   `callbacks`: those of the caller.
//! - `slab`, `cell`, `lock`: handles that can be checked, and queues that one thread at a time is in.
//! - `socket`, `interface`, `socket_core`, `regions`, `gate`, `waited`, `codes`, `details`: the control side. A socket
//!   knows its interfaces, and they the core that they share.
//! - `data`: bursts, on the `queues` of a link.
//!
//! Three rules hold everywhere. A handle or a pointer of the caller is checked before it is used, and of the pointers
//! that a buffer carries none is followed. No lock is held while a callback of the caller runs, so it may call
//! anything; but for those that allocate and map regions, who are told `MEMIF_ERR_AGAIN`. Nothing unwinds into C: a
//! panic, which would be a mistake of this library, ends at the border as an error code.

#![allow(unsafe_code, reason = "the border to C; each block argues, see CONTRIBUTING.md")]
#![allow(missing_docs, unreachable_pub, reason = "documented in, and reached through, include/libmemif.h")]
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::indexing_slicing))]
// A number that does not fit is an error, not another number.
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss))]

mod abi;
mod callbacks;
mod cell;
mod codes;
mod data;
mod details;
mod ffi;
mod gate;
mod interface;
mod lock;
mod queues;
mod regions;
mod slab;
mod socket;
mod socket_core;
mod strings;
mod waited;
