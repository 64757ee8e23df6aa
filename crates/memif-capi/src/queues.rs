//! The queues of a link, and what its buffers are known by.

use std::ffi::c_void;

use memif::raw::{RxSlots, TxSlots};

use crate::abi::memif_buffer_t;
use crate::callbacks::ChooseOffset;

/// What `memif_buffer_t::queue` holds: which link, direction and queue a buffer is of, as an odd number, so that it is
/// no address of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(usize);

const TX_BIT: usize = 1 << 9;

impl Token {
    fn new(serial: u64, tx: bool, queue: u8) -> Self {
        // Serial numbers of links do not come near the end of a word.
        let serial = usize::try_from(serial).unwrap_or(usize::MAX);
        let direction = if tx { TX_BIT } else { 0 };
        Self((serial << 10) | direction | (usize::from(queue) << 1) | 1)
    }

    pub(crate) fn of(buffer: &memif_buffer_t) -> Self {
        Self(buffer.queue.addr())
    }

    pub(crate) fn pointer(self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.0)
    }

    pub(crate) fn is_tx(self) -> bool {
        self.0 & TX_BIT != 0
    }

    pub(crate) fn queue(self) -> u16 {
        u16::try_from((self.0 >> 1) & 0xff).unwrap_or(0)
    }
}

/// A receive queue of a link.
pub(crate) struct Rx {
    pub(crate) slots: RxSlots,
    pub(crate) token: Token,
    pub(crate) place: Option<ChooseOffset>,
}

/// A transmit queue of a link.
pub(crate) struct Tx {
    pub(crate) slots: TxSlots,
    pub(crate) token: Token,
    pub(crate) place: Option<ChooseOffset>,
}

impl Rx {
    pub(crate) fn new(slots: RxSlots, serial: u64, queue: u8, place: Option<ChooseOffset>) -> Self {
        Self { slots, token: Token::new(serial, false, queue), place }
    }

    /// Slots that a peer which left has filled and nobody has taken.
    pub(crate) fn leftovers(&mut self) -> u16 {
        self.slots.leftovers()
    }
}

impl Tx {
    pub(crate) fn new(slots: TxSlots, serial: u64, queue: u8, place: Option<ChooseOffset>) -> Self {
        Self { slots, token: Token::new(serial, true, queue), place }
    }
}
