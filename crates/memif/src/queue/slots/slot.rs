//! A slot as its user has it.

/// One buffer of a ring as it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Free-running number of its slot.
    pub index: u16,
    /// Its first byte of data, or of room. The peer can change all of it at any moment.
    pub data: *mut u8,
    /// Bytes of data, or of room.
    pub len: u32,
    /// Whether the packet goes on in the next slot.
    pub next: bool,
}
