//! An interface that is answered for, over all its links.

use std::collections::BTreeMap;
use std::net::IpAddr;

use memif::{Link, RxMode};

use super::engine::Responder;
use super::tally::Tally;
use super::worker::{Leaving, Order, Worker};
use crate::endpoint::metrics::{Counting, Direction};
use crate::endpoint::record::Tap;
use crate::error::Error;
use crate::packet::{Addresses, Encapsulation, Mac};

/// An interface that is answered for. Nothing here waits for a thread but [`finish`](Self::finish).
#[derive(Debug)]
pub(crate) struct Served {
    mac: Mac,
    addresses: Addresses,
    encapsulation: Encapsulation,
    /// Receive modes that differ from the setting of the interface, by queue.
    modes: BTreeMap<u8, RxMode>,
    worker: Option<Worker>,
    /// Threads of links that went down, which are about to end.
    ending: Vec<Leaving>,
    /// Counts of threads that have ended.
    past: Tally,
    counting: Counting,
}

impl Served {
    /// An interface without a link.
    pub(crate) fn new(mac: Mac, addresses: Addresses, encapsulation: Encapsulation, counting: Counting) -> Self {
        let (modes, past) = (BTreeMap::new(), Tally::default());
        Self { mac, addresses, encapsulation, modes, worker: None, ending: Vec::new(), past, counting }
    }

    /// The ethernet address.
    pub(crate) fn mac(&self) -> Mac {
        self.mac
    }

    /// The IP addresses.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Puts an IP address in the place of all others of its family.
    pub(crate) fn set_ip(&mut self, ip: IpAddr) {
        self.addresses.replace(ip);
        self.tell(Order::Addresses(self.addresses.clone()));
    }

    /// Changes how a receive queue learns of packets, on this link and on later ones.
    pub(crate) fn set_rx_mode(&mut self, queue: u8, mode: RxMode) {
        self.modes.insert(queue, mode);
        self.tell(Order::RxMode(queue, mode));
    }

    /// How a receive queue learns of packets, where that was changed.
    pub(crate) fn rx_mode(&self, queue: u8) -> Option<RxMode> {
        self.modes.get(&queue).copied()
    }

    /// Starts to serve a link, whose queues it takes. With `tap`, its packets are recorded.
    pub(crate) fn link_up(&mut self, link: &mut Link, tap: Option<Tap>) -> Result<(), Error> {
        self.link_down();
        for (queue, mode) in &self.modes {
            if let Some(rx) = link.rx.get_mut(usize::from(*queue)) {
                rx.set_mode(*mode);
            }
        }
        let responder = Responder::new(self.mac, self.addresses.clone(), self.encapsulation);
        let worker = Worker::start(link, responder, tap)?;
        self.counting.add(Direction::Rx, worker.board());
        self.worker = Some(worker);
        Ok(())
    }

    /// Notes that the link is down, which ends its thread.
    pub(crate) fn link_down(&mut self) {
        self.ending.extend(self.worker.take().map(Worker::leave));
        self.settle();
    }

    /// Counts over all links so far.
    pub(crate) fn tally(&mut self) -> Tally {
        self.settle();
        let mut sum = self.past;
        for worker in &self.ending {
            sum += worker.tally();
        }
        if let Some(worker) = &self.worker {
            sum += worker.tally();
        }
        sum
    }

    /// Waits for all threads, which the end of their links ends, and gives the last counts.
    pub(crate) fn finish(mut self) -> Tally {
        self.link_down();
        self.ending.into_iter().fold(self.past, |mut sum, worker| {
            sum += worker.join();
            sum
        })
    }

    fn settle(&mut self) {
        for worker in self.ending.extract_if(.., |worker| worker.is_finished()) {
            self.past += worker.join();
        }
    }

    fn tell(&mut self, order: Order) {
        if let Some(worker) = &mut self.worker {
            worker.tell(order);
        }
    }
}
