//! What is known of the links at one time: plain values, which are shown, printed and tested.

use std::time::Duration;

use memif_watch::{Cursors, Process, RingDirection, Role};

/// Both directions, that to the master first.
pub(super) const DIRECTIONS: [RingDirection; 2] = [RingDirection::S2m, RingDirection::M2s];

/// All links of the host, over one period.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// How long the period was.
    pub(super) period: Duration,
    pub(super) links: Vec<LinkFigures>,
    /// What was not looked into, and what would be needed.
    pub(super) unseen: Vec<NotSeen>,
}

impl Snapshot {
    /// Processes that have links.
    pub(super) fn processes(&self) -> usize {
        let ends = self.links.iter().flat_map(|link| &link.ends);
        let mut pids: Vec<u32> = ends.map(|end| end.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.len()
    }

    /// What all links carried in that direction, in packets per second.
    pub(super) fn rate(&self, direction: RingDirection) -> f64 {
        self.links.iter().filter_map(|link| link.flow(direction).packets_per_second).sum()
    }
}

/// Things that were not looked into, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotSeen {
    /// What, and how many of it.
    pub(super) what: String,
    pub(super) why: String,
}

/// A process at an end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndFigures {
    pub(super) pid: u32,
    /// Printable ASCII.
    pub(super) name: String,
    /// `None` where it is both ends, or cannot be told.
    pub(super) role: Option<Role>,
    /// Whether it is both.
    pub(super) is_both: bool,
}

impl EndFigures {
    pub(super) fn new(process: &Process, role: Option<Role>, is_both: bool) -> Self {
        Self { pid: process.pid, name: process.name.clone(), role, is_both }
    }
}

/// A link over one period.
#[derive(Clone, Debug)]
pub(super) struct LinkFigures {
    /// As `memif links` shows it.
    pub(super) id: String,
    pub(super) ends: Vec<EndFigures>,
    /// `there`, `missing` or `not seen`.
    pub(super) other_end: &'static str,
    pub(super) socket: Option<String>,
    pub(super) memory_bytes: u64,
    /// Whether it is certain which rings are of which direction.
    pub(super) directions_known: bool,
    /// Those to the master first, by index.
    pub(super) rings: Vec<RingFigures>,
    /// Why there are no figures.
    pub(super) problem: Option<String>,
}

impl LinkFigures {
    /// The queues of a direction together.
    pub(super) fn flow(&self, direction: RingDirection) -> Flow {
        let rings = || self.rings.iter().filter(|ring| ring.direction == direction);
        let sum = |part: fn(&RingFigures) -> Option<f64>| rings().filter_map(part).reduce(|one, other| one + other);
        let most = |part: fn(&RingFigures) -> Option<f64>| rings().filter_map(part).reduce(f64::max);
        Flow {
            packets_per_second: sum(RingFigures::packets_per_second),
            at_least: rings().any(|ring| ring.at_least),
            chained: rings().any(RingFigures::is_chained),
            bytes_per_second: sum(RingFigures::bytes_per_second),
            fill: most(|ring| ring.fill),
            peak: most(|ring| Some(ring.share(ring.peak))),
            peak_ever: most(|ring| Some(ring.share(ring.peak_ever))),
            full: most(|ring| ring.full),
            empty: rings().filter_map(|ring| ring.empty).reduce(f64::min),
            problem: rings().find_map(|ring| ring.problem.clone()),
        }
    }

    /// The process that sends in that direction, where it can be told.
    pub(super) fn sender(&self, direction: RingDirection) -> Option<&EndFigures> {
        let role = sender_role(direction);
        self.ends.iter().find(|end| end.role == Some(role)).or_else(|| self.ends.iter().find(|end| end.is_both))
    }

    /// What both directions carried, in packets per second.
    pub(super) fn rate(&self) -> f64 {
        DIRECTIONS.iter().filter_map(|direction| self.flow(*direction).packets_per_second).sum()
    }
}

/// The role of who sends in that direction.
pub(super) const fn sender_role(direction: RingDirection) -> Role {
    match direction {
        RingDirection::S2m => Role::Slave,
        RingDirection::M2s => Role::Master,
    }
}

/// The queues of one direction: sums of what they carry, and how the one stands that stands worst.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Flow {
    pub(super) packets_per_second: Option<f64>,
    /// A turn of a cursor may have been missed, so there may have been more.
    pub(super) at_least: bool,
    /// Packets are fewer than slots, by what was seen of chains.
    pub(super) chained: bool,
    pub(super) bytes_per_second: Option<f64>,
    /// Shares of the fullest ring: on average, at most in the period, at most ever.
    pub(super) fill: Option<f64>,
    pub(super) peak: Option<f64>,
    pub(super) peak_ever: Option<f64>,
    /// Shares of the looks that found the ring full (of the one that is so most often), or empty (least often).
    pub(super) full: Option<f64>,
    pub(super) empty: Option<f64>,
    pub(super) problem: Option<String>,
}

/// A ring over one period.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RingFigures {
    pub(super) direction: RingDirection,
    pub(super) index: u16,
    /// Slots.
    pub(super) size: u16,
    /// Slots that were sent in a second; `None` before there were two looks.
    pub(super) slots_per_second: Option<f64>,
    /// A turn of the cursor may have been missed, so there may have been more.
    pub(super) at_least: bool,
    /// Slots that were sent since it is watched, and whether there may have been more.
    pub(super) slots: u64,
    pub(super) slots_at_least: bool,
    /// What the slots hold, as far as it was seen.
    pub(super) contents: Contents,
    /// Slots between the two ends at the last look; `None` where the cursors cannot be.
    pub(super) in_flight: Option<u16>,
    /// Share of the ring between the two ends, on average over the looks.
    pub(super) fill: Option<f64>,
    /// The most slots between the two ends, in the period and ever.
    pub(super) peak: u16,
    pub(super) peak_ever: u16,
    /// Shares of the looks that found no room, or nothing.
    pub(super) full: Option<f64>,
    pub(super) empty: Option<f64>,
    /// Looks in the period.
    pub(super) looks: u32,
    pub(super) cursors: Option<Cursors>,
    /// Why there are no figures, or why they cannot be right.
    pub(super) problem: Option<String>,
}

/// What sampled slots held.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Contents {
    /// Bytes of a slot; `None` where no length could be read.
    pub(super) bytes_per_slot: Option<f64>,
    /// Packets that end in a slot: 1 without chains; `None` where it was not seen.
    pub(super) packets_per_slot: Option<f64>,
}

impl RingFigures {
    /// Packets in a second. Where it was not seen whether there are chains: slots.
    pub(super) fn packets_per_second(&self) -> Option<f64> {
        Some(self.slots_per_second? * self.contents.packets_per_slot.unwrap_or(1.0))
    }

    /// Bytes in a second, by the lengths of some slots.
    pub(super) fn bytes_per_second(&self) -> Option<f64> {
        match self.slots_per_second? {
            0.0 => Some(0.0),
            rate => Some(rate * self.contents.bytes_per_slot?),
        }
    }

    /// Whether chains were seen.
    pub(super) fn is_chained(&self) -> bool {
        self.contents.packets_per_slot.is_some_and(|packets| packets < 1.0)
    }

    /// So many slots as a share of the ring.
    pub(super) fn share(&self, slots: u16) -> f64 {
        f64::from(slots) / f64::from(self.size.max(1))
    }

    /// Whether its receiver polls, and does not sleep until it is signalled.
    pub(super) fn is_polled(&self) -> Option<bool> {
        self.cursors.map(|cursors| cursors.is_masked())
    }
}
