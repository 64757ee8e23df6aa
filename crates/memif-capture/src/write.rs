//! pcapng files, written packet by packet.
