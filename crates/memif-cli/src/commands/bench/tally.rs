//! What a sink knows of the packets of a generator that sends on several queues, and gets on several queues.
//!
//! The packets of one queue of a generator are a stream, with numbers of its own. Without anything between the two ends
//! a queue of the sink gets one stream; a switch may spread it over queues, and put several into one.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::numbers::{Came, Numbers};
use crate::packet::numbered::{Kind, kind, tag};

/// One queue of a sink.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// The stream of the last packet, how its packets are marked, and the number that comes next on this queue.
    stream: u8,
    pub(crate) tag: u64,
    pub(crate) next: u64,
    /// The number that comes next on this queue, of each stream, but for that one.
    others: Vec<u64>,
    pub(crate) count: LaneCount,
}

/// What came on one queue.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LaneCount {
    pub(crate) packets: u64,
    /// Packets that came after a later one of their stream on this queue.
    pub(crate) reordered: u64,
    /// Packets that had come before, on whatever queue.
    pub(crate) duplicates: u64,
}

impl Default for Lane {
    fn default() -> Self {
        Self { stream: 0, tag: tag(0), next: 0, others: Vec::new(), count: LaneCount::default() }
    }
}

impl Lane {
    /// Goes over to that stream.
    fn turn_to(&mut self, stream: u8) {
        let needed = usize::from(stream.max(self.stream)) + 1;
        if self.others.len() < needed {
            self.others.resize(needed, 0);
        }
        if let Some(other) = self.others.get_mut(usize::from(self.stream)) {
            *other = self.next;
        }
        self.next = self.others.get(usize::from(stream)).copied().unwrap_or(0);
        (self.stream, self.tag) = (stream, tag(stream));
    }
}

/// What is known over all queues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// As many as the highest stream that came; a peer chooses of 256.
    streams: Vec<Numbers>,
    /// Packets that came after a later one which another queue had.
    pub(crate) reordered_over_queues: u64,
    /// Packets that are not ours, or were changed on their way.
    pub(crate) strange: u64,
    /// What the generator says that it sent and should have sent, on all its queues, if it came to say so.
    pub(crate) end: Option<(u64, u64)>,
}

impl Tally {
    /// Packets of the lane's stream came one after the other, and no later one before on that queue.
    #[inline]
    pub(crate) fn take_run(&mut self, lane: &mut Lane, run: Range<u64>) {
        if let Some(numbers) = self.streams.get_mut(usize::from(lane.stream))
            && numbers.take_run(run.clone())
        {
            return;
        }
        for number in run {
            self.take(lane, number, false);
        }
    }

    /// Looks what a packet is that is not the next of its queue. Says whether it counts.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_odd(&mut self, lane: &mut Lane, packet: &[u8]) -> bool {
        match kind(packet) {
            Kind::Data { stream, number } => {
                if stream != lane.stream {
                    lane.turn_to(stream);
                }
                self.take(lane, number, number < lane.next);
                lane.next = lane.next.max(number.saturating_add(1));
            }
            // Every queue of the generator says it, and a switch may double it.
            Kind::End { sent, offered } => {
                self.end = Some((sent, offered));
                return false;
            }
            Kind::Other => self.strange += 1,
        }
        true
    }

    /// A packet of the lane's stream came; `behind` a later one on the same queue or not.
    fn take(&mut self, lane: &mut Lane, number: u64, behind: bool) {
        let stream = usize::from(lane.stream);
        if self.streams.len() <= stream {
            self.streams.resize_with(stream + 1, Numbers::default);
        }
        let came = self.streams.get_mut(stream).map(|numbers| numbers.take(number));
        match came {
            Some(Came::Twice) => lane.count.duplicates += 1,
            Some(Came::Late) if behind => lane.count.reordered += 1,
            Some(Came::Late) => self.reordered_over_queues += 1,
            Some(Came::Ahead) | None => {}
        }
    }

    /// Numbers that came, each counted once.
    pub(crate) fn came(&self) -> u64 {
        self.streams.iter().map(Numbers::came).fold(0, u64::saturating_add)
    }

    /// Of each stream the number after the highest that came, and how many came.
    pub(crate) fn streams(&self) -> Vec<(u64, u64)> {
        self.streams.iter().map(|numbers| (numbers.next(), numbers.came())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Framing;
    use crate::packet::numbered::{Packets, Sizes, last};

    fn missing(tally: &Tally) -> u64 {
        tally.streams().iter().map(|(next, came)| next - came).sum()
    }

    /// The packet of a stream with that number.
    fn packet(stream: u8, number: u64) -> Vec<u8> {
        Packets::new(Framing::Ethernet, Sizes::Fixed(64), stream, number).next().to_vec()
    }

    #[test]
    fn a_stream_over_two_queues_is_no_loss() {
        let mut tally = Tally::default();
        let mut lanes = [Lane::default(), Lane::default()];
        // The second queue is read before the first.
        for number in [1, 3, 5] {
            tally.take_odd(&mut lanes[1], &packet(0, number));
        }
        for number in [0, 2, 4] {
            tally.take_odd(&mut lanes[0], &packet(0, number));
        }
        assert_eq!((tally.came(), missing(&tally), tally.reordered_over_queues), (6, 0, 3));
        assert_eq!(lanes.map(|lane| lane.count.reordered + lane.count.duplicates), [0, 0]);
    }

    #[test]
    fn streams_in_one_queue_have_numbers_of_their_own() {
        let mut tally = Tally::default();
        let mut lane = Lane::default();
        for number in 0..3 {
            for stream in [0, 200, 3] {
                tally.take_odd(&mut lane, &packet(stream, number));
            }
        }
        tally.take_run(&mut lane, 3..10);
        assert_eq!((tally.came(), missing(&tally)), (16, 0));
        assert_eq!((lane.count.reordered, lane.count.duplicates), (0, 0));
        assert_eq!(tally.reordered_over_queues, 0);
    }

    #[test]
    fn order_and_copies_are_of_a_queue() {
        let mut tally = Tally::default();
        let mut lanes = [Lane::default(), Lane::default()];
        for (lane, number) in [(0, 0), (0, 2), (0, 1), (1, 2), (1, 1), (0, 1), (1, 5)] {
            tally.take_odd(&mut lanes[lane], &packet(0, number));
        }
        assert_eq!(lanes.map(|lane| (lane.count.reordered, lane.count.duplicates)), [(1, 1), (0, 2)]);
        assert_eq!((tally.came(), missing(&tally)), (4, 2));
        assert_eq!(tally.end, None);
    }

    #[test]
    fn the_end_comes_on_any_queue_for_all() {
        let mut tally = Tally::default();
        let mut lane = Lane::default();
        tally.take_run(&mut lane, 0..5);
        let last = last(Framing::Ethernet, 6, 9);
        assert!(!tally.take_odd(&mut lane, &last));
        assert_eq!(tally.end, Some((6, 9)));
        assert_eq!(tally.came(), 5);
    }
}
