//! Frames that came: copied out of the ring, where a peer could change them while they are parsed.

use std::ops::Range;

use crate::error::RecvError;
use crate::queue::RxQueue;

/// Frames that are copied at once, and whose slots go back with one store. As many as fit a first-level cache.
const BURST: usize = 32;

/// The receive queue of a device, and the frames that were copied and not yet taken.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) rx: RxQueue,
    bytes: Vec<u8>,
    /// Where each frame lies in the bytes.
    frames: Vec<Range<usize>>,
    next: usize,
    /// Frames that were taken, ever.
    pub(super) taken: u64,
    /// Why no more will come.
    pub(super) end: Option<RecvError>,
}

impl Inbox {
    pub(super) fn new(rx: RxQueue) -> Self {
        Self { rx, bytes: Vec::new(), frames: Vec::with_capacity(BURST), next: 0, taken: 0, end: None }
    }

    /// Goes on with another queue. Frames of the one before that were copied stay.
    pub(super) fn attach(&mut self, rx: RxQueue) {
        self.rx = rx;
        self.end = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == self.frames.len()
    }

    /// Copies what came, where nothing is left of what was copied before. Returns whether there is a frame.
    pub(super) fn fill(&mut self) -> bool {
        if self.is_empty() && self.end.is_none() {
            self.bytes.clear();
            self.frames.clear();
            self.next = 0;
            match self.rx.recv(BURST) {
                Ok(mut batch) => {
                    for packet in &mut batch {
                        let start = self.bytes.len();
                        packet.append_to(&mut self.bytes);
                        self.frames.push(start..self.bytes.len());
                    }
                }
                Err(end) => self.end = Some(end),
            }
        }
        !self.is_empty()
    }

    /// The next frame; of no bytes where there is none.
    pub(super) fn take(&mut self) -> &[u8] {
        let frame = self.frames.get(self.next).cloned().unwrap_or_default();
        if !self.is_empty() {
            self.next += 1;
            self.taken += 1;
        }
        self.bytes.get(frame).unwrap_or_default()
    }
}
