//! Packets as bytes: what a frame holds, and how the few that this command sends are made.
//!
//! All functions here are pure. They take any bytes without a panic, and `etherparse` does the parsing.

pub(crate) mod arp;
pub(crate) mod checksum;
pub(crate) mod echo;
pub(crate) mod fragments;
pub(crate) mod frame;
pub(crate) mod icmp6;
pub(crate) mod icmp_error;
pub(crate) mod mac;
#[cfg(test)]
pub(crate) mod mutations;
pub(crate) mod numbered;
pub(crate) mod reassembly;
pub(crate) mod station;

pub(crate) use frame::{Encapsulation, Framing};
pub(crate) use mac::Mac;
pub(crate) use station::{Addresses, Ends, Station};
