//! How peers differ, as far as the description tells: one value per known implementation.

/// What a master says to an INIT with an id that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownId {
    /// DISCONNECT with this text, then close.
    Disconnect(&'static str),
    /// One ACK, then close (libmemif).
    AckThenClose,
}

/// The habits of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// For messages of tests.
    pub name: &'static str,
    /// The highest ring and region index in HELLO (256 in VPP, an off-by-one).
    pub highest_index: u16,
    /// Bytes after the fields of a message are what the memory held before.
    pub garbage: bool,
    /// Answers DISCONNECT with DISCONNECT and this text (VPP).
    pub answers_disconnect: Option<&'static str>,
    /// As master: what an unknown id gets.
    pub unknown_id: UnknownId,
    /// As master: no word for a wrong version or a wrong first message (VPP).
    pub closes_silently: bool,
    /// Writes zero into head and tail of every ring at CONNECT (master) and at CONNECTED (slave).
    pub zeroes_cursors: bool,
    /// What it stores in the flags of rings that it receives from, if anything.
    pub rx_flags: Option<u16>,
    /// As receiver: most packets taken per signal, with no second look (VPP in interrupt mode).
    pub packets_per_signal: Option<u16>,
    /// As slave: posts buffers only when this many slots are free ...
    pub refill_from: u16,
    /// ... and in multiples of this.
    pub refill_step: u16,
    /// As slave: takes sent slots back in batches of this many.
    pub free_step: u16,
    /// As receiver: a longer descriptor is bad.
    pub longest_descriptor: u32,
    /// As sender: leaves NEXT in the first slot of a packet when it stands there from before (DPDK 22.11).
    pub stale_next: bool,
    /// As master: clears NEXT in a descriptor it has read (libmemif).
    pub clears_next: bool,
    /// As slave: posts in its receive call only (DPDK).
    pub posts_late: bool,
    /// Signals once per call even when nothing was sent.
    pub signals_nothing: bool,
    /// As slave: bytes by which the first part of a packet may be longer than a buffer, since headers lie in front
    /// (VPP).
    pub in_front: usize,
}

impl Dialect {
    /// A peer that does everything as the description asks.
    pub const PLAIN: Self = Self {
        name: "plain",
        highest_index: 255,
        garbage: false,
        answers_disconnect: None,
        unknown_id: UnknownId::Disconnect("no such interface"),
        closes_silently: false,
        zeroes_cursors: false,
        rx_flags: None,
        packets_per_signal: None,
        refill_from: 1,
        refill_step: 1,
        free_step: 1,
        longest_descriptor: 65_535,
        stale_next: false,
        clears_next: false,
        posts_late: false,
        signals_nothing: false,
        in_front: 0,
    };

    /// VPP with its zero-copy slave (its default), in polling mode.
    pub const VPP: Self = Self {
        name: "VPP",
        highest_index: 256,
        garbage: true,
        answers_disconnect: Some("disconnect received"),
        unknown_id: UnknownId::Disconnect("unmatched interface id"),
        closes_silently: true,
        rx_flags: Some(1),
        refill_from: 32,
        refill_step: 8,
        free_step: 16,
        longest_descriptor: 9216,
        signals_nothing: true,
        ..Self::PLAIN
    };

    /// VPP with its copying slave, in interrupt mode.
    pub const VPP_INTERRUPT: Self = Self {
        name: "VPP in interrupt mode",
        rx_flags: Some(0),
        packets_per_signal: Some(256),
        refill_from: 1,
        refill_step: 1,
        free_step: 1,
        ..Self::VPP
    };

    /// The C library.
    pub const LIBMEMIF: Self = Self {
        name: "libmemif",
        garbage: true,
        unknown_id: UnknownId::AckThenClose,
        zeroes_cursors: true,
        clears_next: true,
        ..Self::PLAIN
    };

    /// DPDK 22.11.
    pub const DPDK: Self = Self {
        name: "DPDK",
        unknown_id: UnknownId::Disconnect("ID not found"),
        zeroes_cursors: true,
        rx_flags: Some(1),
        stale_next: true,
        posts_late: true,
        signals_nothing: true,
        ..Self::PLAIN
    };
}

impl Default for Dialect {
    fn default() -> Self {
        Self::PLAIN
    }
}
