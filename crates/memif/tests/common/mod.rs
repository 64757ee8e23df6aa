//! What all test programs of the library share: the library in a thread of its own, and rigs that put it opposite a
//! scripted peer, prove that packets cross, and count what is left over.

#![allow(dead_code, reason = "no program uses all of it")]
#![allow(unused_imports, reason = "no program uses all of it")]
#![allow(clippy::result_large_err, reason = "events are handed back by value")]

mod crossing;
mod descriptors;
mod driver;
mod master_rig;
mod rig;
mod slave_rig;

pub(crate) use crossing::{LENGTHS, PeerEnd, cross, cross_lengths, receive, receive_all, send};
pub(crate) use descriptors::fill;
pub(crate) use driver::{Driver, socket_address};
pub(crate) use master_rig::MasterRig;
pub(crate) use rig::{Parts, Rig, assert_queues_down};
pub(crate) use slave_rig::SlaveRig;
