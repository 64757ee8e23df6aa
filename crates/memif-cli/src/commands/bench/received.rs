//! What a sink received.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outages::Outages;
use super::tally::LaneCount;
use crate::counts::real;

/// What was received.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) packets: u64,
    /// Of that, what came between the two looks at the clock that are `time` apart.
    pub(crate) measured_packets: u64,
    pub(crate) measured_bytes: u64,
    /// When the first of these was, from when its threads were started.
    pub(crate) begin: Duration,
    pub(crate) time: Duration,
    /// Of each stream the number after the highest that came, and how many came.
    pub(crate) streams: Vec<(u64, u64)>,
    /// Packets that came before.
    pub(crate) duplicates: u64,
    /// Packets that came after a later one on the same queue.
    pub(crate) reordered: u64,
    /// Packets that came after a later one which another queue had; not known where each has a thread of its own.
    pub(crate) reordered_over_queues: u64,
    /// Packets that were changed on their way.
    pub(crate) corrupted: u64,
    /// Whether the packets have numbers.
    pub(crate) numbered: bool,
    pub(crate) queues: Vec<LaneCount>,
    /// What the generator says that it sent and should have sent, if it came to say so.
    pub(crate) sent: Option<(u64, u64)>,
    /// Nothing came for so long that the end was not waited for.
    pub(crate) silent: Option<Duration>,
    /// Times without a link.
    pub(crate) outages: Outages,
    /// Whether the last link went down before the end, and no other came.
    pub(crate) cut: bool,
}

impl Received {
    /// What several threads received together, each on a queue of its own.
    pub(crate) fn join(parts: Vec<Self>) -> Self {
        let measured = || parts.iter().filter(|part| part.measured_packets > 0);
        let begin = measured().map(|part| part.begin).min().unwrap_or_default();
        let end = measured().map(|part| part.begin + part.time).max().unwrap_or_default();
        let mut all = Self { begin, time: end.saturating_sub(begin), ..Self::default() };
        for part in parts {
            all.packets += part.packets;
            all.measured_packets += part.measured_packets;
            all.measured_bytes += part.measured_bytes;
            all.duplicates += part.duplicates;
            all.reordered += part.reordered;
            all.corrupted += part.corrupted;
            all.numbered |= part.numbered;
            all.queues.extend(part.queues);
            all.sent = all.sent.or(part.sent);
            all.silent = all.silent.or(part.silent);
            all.cut |= part.cut;
            all.streams.resize(all.streams.len().max(part.streams.len()), (0, 0));
            for (stream, (next, came)) in all.streams.iter_mut().zip(part.streams) {
                *stream = (stream.0.max(next), stream.1.saturating_add(came));
            }
        }
        all
    }

    /// Numbers that never came, though later ones did.
    pub(crate) fn missing(&self) -> u64 {
        let missing = self.streams.iter().map(|(next, came)| next.saturating_sub(*came));
        missing.fold(0, u64::saturating_add)
    }

    /// Packets and bits per second; `None` where nothing was measured.
    pub(crate) fn rates(&self) -> Option<(f64, f64)> {
        let seconds = self.time.as_secs_f64();
        let rate = |count: u64| real(count) / seconds;
        (self.measured_packets > 0 && seconds > 0.0)
            .then(|| (rate(self.measured_packets), 8.0 * rate(self.measured_bytes)))
    }

    /// Packets that should have been sent and did not come.
    pub(crate) fn lost(&self) -> Option<u64> {
        let arrived = self.packets.saturating_sub(self.duplicates);
        self.sent.map(|(_, offered)| offered.saturating_sub(arrived))
    }

    /// Packets that were due and not sent; none are known where the generator does not say.
    pub(crate) fn unsent(&self) -> u64 {
        self.sent.map_or(0, |(sent, offered)| offered.saturating_sub(sent))
    }

    /// Whether every packet came that should have been sent: once, unchanged, and in order on its queue.
    pub(crate) fn is_complete(&self) -> bool {
        let wrong = self.corrupted + self.duplicates + self.reordered;
        let lost = self.missing() > 0 || self.lost().is_some_and(|lost| lost > 0);
        wrong == 0 && !lost && self.silent.is_none() && !self.outages.for_good && !self.cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_together() {
        let millis = Duration::from_millis;
        let part = |begin, time, streams: &[(u64, u64)]| Received {
            packets: 10,
            measured_packets: 8,
            measured_bytes: 800,
            begin: millis(begin),
            time: millis(time),
            streams: streams.to_vec(),
            numbered: true,
            queues: vec![LaneCount::default()],
            ..Received::default()
        };
        // A stream that a switch spread over both queues, and one of which a packet is missing.
        let idle = Received { queues: vec![LaneCount::default()], ..Received::default() };
        let parts = vec![part(5, 100, &[(10, 4)]), part(15, 120, &[(9, 6), (3, 2)]), idle];
        let all = Received::join(parts);
        assert_eq!((all.packets, all.measured_packets, all.queues.len()), (20, 16, 3));
        // From the first of them to the last: their rates are not added up, as if each had had all the time.
        assert_eq!((all.begin, all.time), (millis(5), millis(130)));
        assert_eq!(all.missing(), 1);
    }
}
