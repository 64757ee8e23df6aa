//! The queues of a link as interfaces of what is recorded.

use memif_capture::write::{Batch, Direction, Interface, Recorder};

use super::clock::Clock;

/// Records packets of one link, from any of its threads.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    recorder: Recorder,
    clock: Clock,
    inbound: Vec<u32>,
    outbound: Vec<u32>,
}

impl Tap {
    /// For a link of so many receive and transmit queues.
    pub(super) fn new(recorder: Recorder, clock: Clock, link: &Named<'_>, (rx, tx): (usize, usize)) -> Self {
        let known =
            |queues, direction| (0..queues).map(|queue| recorder.interface(link.queue(queue, direction))).collect();
        let (inbound, outbound) = (known(rx, Direction::Inbound), known(tx, Direction::Outbound));
        Self { recorder, clock, inbound, outbound }
    }

    /// Packets that came by that queue, until what is returned is dropped; other threads wait for that.
    #[inline]
    pub(crate) fn received(&self, queue: usize) -> Lane<'_> {
        self.lane(&self.inbound, queue, self.now())
    }

    /// Packets that go by that queue.
    #[inline]
    pub(crate) fn sent(&self, queue: usize) -> Lane<'_> {
        self.sent_at(self.now(), queue)
    }

    /// Packets that went by that queue at that time. Where others were recorded since, they get the time of those.
    #[inline]
    pub(crate) fn sent_at(&self, time: u64, queue: usize) -> Lane<'_> {
        self.lane(&self.outbound, queue, time)
    }

    /// The time now, as packets get it.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    #[inline]
    fn lane(&self, interfaces: &[u32], queue: usize, time: u64) -> Lane<'_> {
        // A number that no interface has records nothing.
        let interface = interfaces.get(queue).copied().unwrap_or(u32::MAX);
        Lane::new(&self.recorder, interface, time)
    }
}

/// Packets of one queue that come at one time.
#[derive(Debug)]
pub(crate) struct Lane<'t> {
    batch: Batch<'t>,
    interface: u32,
}

impl<'t> Lane<'t> {
    /// Packets of that interface.
    pub(super) fn new(recorder: &'t Recorder, interface: u32, time: u64) -> Self {
        Self { batch: recorder.batch(time), interface }
    }

    /// Records a packet of `length` bytes, with a comment unless that is empty; `copy` as for
    /// [`copied`](Self::copied).
    #[inline]
    pub(crate) fn commented(&mut self, length: usize, comment: &str, copy: impl Fn(&mut [u8]) -> usize) {
        self.batch.commented(self.interface, length, comment, copy);
    }

    /// Counts packets that passed and were not seen.
    pub(crate) fn unseen(&mut self, packets: u64) {
        self.batch.unseen(self.interface, packets);
    }

    /// Records a packet of `length` bytes, of which `copy` copies the first ones and says how many.
    #[inline]
    pub(crate) fn copied(&mut self, length: usize, copy: impl Fn(&mut [u8]) -> usize) {
        self.batch.packet(self.interface, length, copy);
    }

    /// Records a packet.
    pub(crate) fn packet(&mut self, bytes: &[u8]) {
        self.parts([bytes, &[]]);
    }

    /// Records a packet that lies in two parts.
    pub(crate) fn parts(&mut self, parts: [&[u8]; 2]) {
        self.copied(parts.iter().map(|part| part.len()).sum(), |room| {
            let mut rest = room;
            let mut copied = 0;
            for part in parts {
                let len = part.len().min(rest.len());
                let (to, behind) = rest.split_at_mut(len);
                to.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
                copied += len;
                rest = behind;
            }
            copied
        });
    }

    /// Counts packets that the queue dropped.
    pub(crate) fn dropped(&mut self, packets: u64) {
        self.batch.dropped(self.interface, packets);
    }
}

/// How a link is called in a file.
#[derive(Clone, Debug)]
pub(crate) struct Named<'n> {
    /// Its interface here: short.
    pub(crate) name: &'n str,
    /// What that is.
    pub(crate) description: &'n str,
}

impl Named<'_> {
    /// A queue of it.
    pub(super) fn queue(&self, queue: usize, direction: Direction) -> Interface {
        let (short, long) = match direction {
            Direction::Inbound => ("rx", "received by"),
            Direction::Outbound => ("tx", "sent by"),
        };
        Interface {
            name: format!("{}-{short}{queue}", self.name),
            description: format!("{}: {long} queue {queue}", self.description),
            direction,
            queue: u32::try_from(queue).unwrap_or(u32::MAX),
        }
    }
}
