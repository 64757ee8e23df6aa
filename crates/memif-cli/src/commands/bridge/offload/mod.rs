//! The kernel's large packets: cut into frames of the interface's MTU, and put together from such frames.
//!
//! With its offloads taken, the kernel gives a whole run of a TCP or UDP flow as one packet, behind a header
//! ([`VirtioNetHdr`](tun_rs::VirtioNetHdr)) that says how to cut it, and leaves checksums out. The peer of a memif link
//! knows nothing of either, so both are done here, as a network card would: [`cut`] makes frames with right checksums,
//! [`join`] makes one packet of frames that [`cut`] would make of it again, byte for byte. Everything here is pure and
//! takes any bytes.

pub(super) mod cut;
pub(super) mod join;
mod layers;
mod parts;
#[cfg(test)]
mod tests;

pub(super) use parts::{HEADER, MAX_PACKET, Offloads, Room};
