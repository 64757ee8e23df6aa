//! Packets of memif interfaces in files: pcapng [written](mod@write), pcap and pcapng [read], chosen by
//! [filters](filter) in a subset of pcap-filter(7), and [told](decode) in a line each.
//!
//! Nothing here knows of links: packets are bytes with a time and a [`LinkType`]. All of it may be foreign: whatever a
//! packet, a file or a filter holds, the outcome is a value or an error, and the work is bounded by its length.

// A number that does not fit is an error, not another number.
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss))]

pub mod decode;
pub mod filter;
pub mod read;
pub mod write;

mod link_type;

pub use link_type::LinkType;
