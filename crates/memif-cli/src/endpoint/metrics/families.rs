//! The families of samples: their names, what they mean, and where their numbers come from.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>: what only grows ends in `_total`, and what is constant
//! is in labels of a sample whose value is 1 and whose name ends in `_info`.

use memif::Counters;

use super::counting::Direction;
use super::interface::{Change, QueueState, State};
use super::text::{Kind, Labels, Text};

/// Packets that a command dropped itself.
#[derive(Clone, Debug)]
pub(super) struct Dropped {
    pub(super) labels: Labels,
    pub(super) direction: Direction,
    pub(super) reason: String,
    pub(super) count: u64,
}

/// What became of recorded packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) received: u64,
    pub(crate) accepted: u64,
    pub(crate) written: u64,
    pub(crate) missed: u64,
}

/// A counter of queues.
struct OfQueues {
    name: &'static str,
    help: &'static str,
    /// Those that have it.
    of: &'static [Direction],
    count: fn(&Counters) -> u64,
}

const BOTH: &[Direction] = &[Direction::Rx, Direction::Tx];
const RX: &[Direction] = &[Direction::Rx];
const TX: &[Direction] = &[Direction::Tx];

const OF_QUEUES: &[OfQueues] = &[
    OfQueues {
        name: "memif_packets_total",
        help: "Whole packets that were taken from the ring (rx) or given to the peer (tx).",
        of: BOTH,
        count: |counters| counters.packets,
    },
    OfQueues { name: "memif_bytes_total", help: "Bytes of those packets.", of: BOTH, count: |counters| counters.bytes },
    OfQueues {
        name: "memif_bad_descriptors_total",
        help: "Descriptors of the peer that name no memory of the link, have no length or a wrong one.",
        of: BOTH,
        count: |counters| counters.bad_descriptors,
    },
    OfQueues {
        name: "memif_resyncs_total",
        help: "Times that the peer overran the ring, and what was in it was lost.",
        of: RX,
        count: |counters| counters.resyncs,
    },
    OfQueues {
        name: "memif_wake_ups_total",
        help: "Times that a signal of the peer ended a sleep.",
        of: RX,
        count: |counters| counters.wake_ups,
    },
    OfQueues {
        name: "memif_ring_full_total",
        help: "Packets that found too few free slots; one that is tried again counts again.",
        of: TX,
        count: |counters| counters.ring_full,
    },
    OfQueues {
        name: "memif_signals_total",
        help: "Signals that were written for a peer that sleeps.",
        of: TX,
        count: |counters| counters.signals,
    },
];

/// Why a queue drops packets.
const MALFORMED: &str = "malformed";

/// All families, as text.
pub(super) fn tell(
    command: &str,
    interfaces: &[(Labels, State)],
    dropped: &[Dropped],
    recorded: Option<Recorded>,
) -> String {
    let mut text = Text::default();
    of_process(&mut text, command);
    of_links(&mut text, interfaces);
    of_queues(&mut text, interfaces);
    of_command(&mut text, dropped);
    if let Some(recorded) = recorded {
        of_recording(&mut text, recorded);
    }
    text.finish()
}

fn of_process(text: &mut Text, command: &str) {
    let name = "memif_build_info";
    text.family(name, Kind::Gauge, "The program: its version, that of the protocol, and its command.");
    let [major, minor] = memif::PROTOCOL_VERSION.to_be_bytes();
    let labels = Labels::default().with("version", env!("CARGO_PKG_VERSION"));
    let labels = labels.with("protocol", format_args!("{major}.{minor}")).with("command", command);
    text.sample(name, &labels, 1);
}

fn of_links(text: &mut Text, interfaces: &[(Labels, State)]) {
    let name = "memif_up";
    text.family(name, Kind::Gauge, "Whether the interface has a link: 1 or 0.");
    for (labels, state) in interfaces {
        text.sample(name, labels, u64::from(state.peer.is_some()));
    }
    let name = "memif_peer_info";
    text.family(name, Kind::Gauge, "The other end of the link, by the names that it gave itself.");
    for (labels, state) in interfaces {
        if let Some(peer) = &state.peer {
            let labels = labels.with("peer_app", &peer.app).with("peer_interface", &peer.interface);
            text.sample(name, &labels, 1);
        }
    }
    let name = "memif_link_changes_total";
    let help = "Times that a link came up or went down: ended here (local), ended here for a breach of the protocol \
                (breach), ended by the peer (peer), closed by the peer without a word (hangup).";
    text.family(name, Kind::Counter, help);
    for (labels, state) in interfaces {
        for (change, count) in Change::ALL.into_iter().zip(state.changes) {
            let (to, reason) = change.labels();
            text.sample(name, &labels.with("to", to).with("reason", reason), count);
        }
    }
}

fn of_queues(text: &mut Text, interfaces: &[(Labels, State)]) {
    let queues: Vec<(Labels, &QueueState)> = interfaces
        .iter()
        .flat_map(|(labels, state)| state.queues.iter().map(move |queue| (labels, queue)))
        .map(|(labels, queue)| (labels.with("queue", queue.index).with("direction", queue.direction), queue))
        .collect();
    for counter in OF_QUEUES {
        text.family(counter.name, Kind::Counter, counter.help);
        for (labels, queue) in queues.iter().filter(|(_, queue)| counter.of.contains(&queue.direction)) {
            text.sample(counter.name, labels, (counter.count)(&queue.counters));
        }
    }
    let name = "memif_dropped_packets_total";
    text.family(name, Kind::Counter, "Packets that a queue dropped whole: described wrongly by the peer, or too long.");
    for (labels, queue) in queues.iter().filter(|(_, queue)| queue.direction == Direction::Rx) {
        text.sample(name, &labels.with("reason", MALFORMED), queue.counters.dropped);
    }
    let name = "memif_ring_slots";
    text.family(name, Kind::Gauge, "Slots of the ring, while there is a link.");
    for (labels, queue) in &queues {
        queue.ring.into_iter().for_each(|(slots, _)| text.sample(name, labels, slots.into()));
    }
    let name = "memif_ring_used_slots";
    text.family(name, Kind::Gauge, "Slots that the sender has filled and the receiver has not given back.");
    for (labels, queue) in &queues {
        queue.ring.into_iter().for_each(|(_, used)| text.sample(name, labels, used.into()));
    }
}

fn of_command(text: &mut Text, dropped: &[Dropped]) {
    if dropped.is_empty() {
        return;
    }
    let name = "memif_command_dropped_packets_total";
    text.family(name, Kind::Counter, "Packets that the command did not answer, pass on or send, by its reason.");
    for Dropped { labels, direction, reason, count } in dropped {
        text.sample(name, &labels.with("direction", direction).with("reason", reason), *count);
    }
}

fn of_recording(text: &mut Text, recorded: Recorded) {
    for (name, help, count) in [
        ("memif_recorder_received_packets_total", "Packets that came to be recorded.", recorded.received),
        ("memif_recorder_accepted_packets_total", "Those that the filter chose.", recorded.accepted),
        ("memif_recorder_written_packets_total", "Those that were written, or told of.", recorded.written),
        (
            "memif_recorder_missed_packets_total",
            "Those that were not, as what they are written to was too slow or takes nothing more.",
            recorded.missed,
        ),
    ] {
        text.family(name, Kind::Counter, help);
        text.sample(name, &Labels::default(), count);
    }
}
