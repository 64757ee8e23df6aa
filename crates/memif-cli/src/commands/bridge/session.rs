//! The threads of a bridge: up to one per processor and direction, or a single one while there is no link.

use std::mem;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use memif::Link;

use super::device::Device;
use super::live::Live;
use super::stop::{Failure, Order};
use super::tally::{Flow, Tally};
use super::{from_memif, idle, ready, to_memif};
use crate::endpoint::metrics::{Counting, Direction};
use crate::endpoint::record::Tap;
use crate::error::Error;

/// Threads, which run once they are let. Each ends by itself when its link goes down or its device is gone.
#[derive(Debug)]
pub(super) struct Session {
    order: Order,
    threads: Vec<JoinHandle<Tally>>,
    /// The counts of each thread so far: of those that send to the peer, and of those that receive.
    live: (Vec<Arc<Live>>, Vec<Arc<Live>>),
    /// One for each thread that was not let run yet.
    gates: Vec<Sender<()>>,
    linked: bool,
}

impl Session {
    /// Passes packets both ways, once it [begins](Self::begin): with a thread for each queue of the link, or for
    /// several of them where there are more than processors.
    ///
    /// Transmit queue `i` of `n` takes from queues `i`, `i + n`, `i + 2n` and so on of the device, and receive queue
    /// `i` gives to queue `i` of the device, modulo their number. The kernel sends the packets of a flow through the
    /// queue that the flow came in by, so a flow stays on one pair.
    ///
    /// Takes the queues of the link. What is left of that keeps it up until the caller has said why it is given up.
    pub(super) fn linked(
        device: &Arc<Device>,
        link: &mut Link,
        failure: &Failure,
        tap: Option<&Tap>,
        counting: &Counting,
    ) -> Result<Self, Error> {
        let mut session = Self::new(true)?;
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let transmit_queues = link.tx.len();
        let fed = mem::take(&mut link.tx).into_iter().enumerate().map(|(at, queue)| {
            let from: Vec<_> = (at..device.queues().len()).step_by(transmit_queues).collect();
            (from, queue)
        });
        // A transmit queue that no queue of the device feeds has nothing to send.
        let fed = fed.filter(|(from, _)| !from.is_empty());
        for (number, mine) in spread(fed, threads).into_iter().enumerate() {
            let (device, failure) = (Arc::clone(device), failure.clone());
            let (order, live) = (session.order.clone(), session.counts(Direction::Tx, counting));
            let tap = tap.cloned();
            session.start(format!("to-memif-{number}"), move || {
                let to_memif = to_memif::run(&device, mine, &order, &failure, &live, tap.as_ref());
                Tally { to_memif, ..Tally::default() }
            })?;
        }
        for (number, mine) in spread(mem::take(&mut link.rx).into_iter(), threads).into_iter().enumerate() {
            let (device, failure) = (Arc::clone(device), failure.clone());
            let (order, live) = (session.order.clone(), session.counts(Direction::Rx, counting));
            let tap = tap.cloned();
            session.start(format!("from-memif-{number}"), move || {
                ready::wait(&device, &order);
                let from_memif = from_memif::run(&device, mine, &failure, &live, tap);
                Tally { from_memif, ..Tally::default() }
            })?;
        }
        Ok(session)
    }

    /// Watches the device while there is no link.
    pub(super) fn idle(device: &Arc<Device>, failure: &Failure, counting: &Counting) -> Result<Self, Error> {
        let mut session = Self::new(false)?;
        let (device, failure) = (Arc::clone(device), failure.clone());
        let (order, live) = (session.order.clone(), session.counts(Direction::Tx, counting));
        session.start("no-link".to_owned(), move || {
            let to_memif = idle::run(&device, &order, &failure, &live);
            Tally { to_memif, ..Tally::default() }
        })?;
        session.begin();
        Ok(session)
    }

    fn new(linked: bool) -> Result<Self, Error> {
        let (threads, gates) = (Vec::new(), Vec::new());
        Ok(Self { order: Order::new()?, threads, live: Default::default(), gates, linked })
    }

    /// Room for the counts of one more thread.
    fn counts(&mut self, direction: Direction, counting: &Counting) -> Arc<Live> {
        let live = match direction {
            Direction::Tx => &mut self.live.0,
            Direction::Rx => &mut self.live.1,
        };
        let new = Arc::<Live>::default();
        live.push(Arc::clone(&new));
        counting.add(direction, &new);
        new
    }

    /// What the threads have counted until now.
    pub(super) fn so_far(&self) -> Tally {
        let sum = |live: &[Arc<Live>]| {
            live.iter().fold(Flow::default(), |mut sum, live| {
                sum += live.flow();
                sum
            })
        };
        Tally { to_memif: sum(&self.live.0), from_memif: sum(&self.live.1) }
    }

    /// Whether it passes packets of a link.
    pub(super) fn is_linked(&self) -> bool {
        self.linked
    }

    /// Lets the threads run.
    pub(super) fn begin(&mut self) {
        for gate in self.gates.drain(..) {
            // A thread is there until it was let run.
            let _ = gate.send(());
        }
    }

    fn start(&mut self, name: String, run: impl FnOnce() -> Tally + Send + 'static) -> Result<(), Error> {
        let (gate, opened) = mpsc::channel();
        // Where the gate is dropped, the thread is not wanted any more.
        let run = move || opened.recv().map_or_else(|_| Tally::default(), |()| run());
        let thread = thread::Builder::new().name(name).spawn(run).map_err(|source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limit of processes (ulimit -u), or give fewer --queues",
            source,
        })?;
        self.threads.push(thread);
        self.gates.push(gate);
        Ok(())
    }

    /// Ends the threads and gives their counts. Those of a link must be ended by its end, too.
    pub(super) fn end(&mut self) -> Tally {
        self.order.give();
        self.gates.clear();
        let mut tally = Tally::default();
        self.live = Default::default();
        for thread in self.threads.drain(..) {
            // A panic there was reported by the thread itself; its counts are lost with it.
            tally += thread.join().unwrap_or_default();
        }
        tally
    }
}

/// Deals queues out to at most so many threads, each of which gets one at least.
fn spread<Q>(queues: impl Iterator<Item = Q>, threads: usize) -> Vec<Vec<Q>> {
    let mut dealt: Vec<Vec<Q>> = Vec::new();
    for (number, queue) in queues.enumerate() {
        match dealt.get_mut(number % threads.max(1)) {
            Some(mine) => mine.push(queue),
            None => dealt.push(vec![queue]),
        }
    }
    dealt
}

impl Drop for Session {
    fn drop(&mut self) {
        // Threads that nobody waits for end when they can.
        self.order.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_dealt_out_to_no_more_threads_than_there_are_processors() {
        assert_eq!(spread(0..0, 4), Vec::<Vec<i32>>::new());
        assert_eq!(spread(0..2, 4), [vec![0], vec![1]]);
        assert_eq!(spread(0..5, 2), [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(spread(0..3, 0), [vec![0, 1, 2]]);
    }
}
