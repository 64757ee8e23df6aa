//! A packet of a file becomes one that is ready to be sent, or is left out.

use std::cmp::Ordering;

use memif_capture::LinkType;
use memif_capture::read::{Misfit, Packet, carried, name_of};

use super::chunk::Chunk;
use super::flow;
use super::pace::Schedule;
use super::plan::{Recipe, Truncated};
use super::tally::{Read, Reason};
use crate::output::warn;
use crate::packet::{Framing, Mac};

/// Link types that are told of, each once.
const TOLD: usize = 16;
/// Bytes of the longest packet of a memif.
const LONGEST: usize = memif::MAX_PACKET_SIZE as usize;

/// Prepares the packets of one pass.
#[derive(Debug)]
pub(super) struct Preparation<'a> {
    recipe: &'a Recipe,
    schedule: Schedule,
    /// From when to before when, once a packet has told when the file begins.
    window: Option<(i128, i128)>,
    /// Of the last packet that has one.
    time: Option<i128>,
    /// Link types that were told of.
    told: &'a mut Vec<u16>,
    pub(super) read: Read,
}

impl<'a> Preparation<'a> {
    pub(super) fn new(recipe: &'a Recipe, schedule: Schedule, told: &'a mut Vec<u16>) -> Self {
        Self { recipe, schedule, window: None, time: None, told, read: Read::default() }
    }

    /// How long the packets take together that were prepared.
    pub(super) fn length(&self) -> u64 {
        self.schedule.length()
    }

    /// Adds a packet to a chunk, or counts why not.
    pub(super) fn add(&mut self, packet: &Packet<'_>, chunk: &mut Chunk) {
        self.read.packets += 1;
        self.time = packet.time.or(self.time);
        if !self.is_inside() {
            self.read.outside += 1;
            return;
        }
        let data = match carried(packet.link_type, packet.data, self.recipe.link_type()) {
            Ok(data) => data,
            Err(Misfit::NotIp) => return self.read.left_out.add(Reason::NotIp, 1),
            Err(Misfit::LinkType) => {
                self.tell(packet.link_type);
                return self.read.left_out.add(Reason::LinkType, 1);
            }
        };
        // Without the header that was taken off.
        let missing = packet.original_length as usize - packet.data.len();
        let original = data.len() + missing;
        if self.recipe.filter.as_ref().is_some_and(|filter| !filter.matches(data, original)) {
            self.read.unmatched += 1;
            return;
        }
        let padding = match self.recipe.truncated {
            _ if missing == 0 => 0,
            Truncated::Pad => missing,
            Truncated::AsIs => 0,
            Truncated::Skip => return self.read.left_out.add(Reason::Truncated, 1),
        };
        let length = data.len() + padding;
        if length == 0 {
            return self.read.left_out.add(Reason::Empty, 1);
        }
        if length > LONGEST {
            self.read.longest = self.read.longest.max(u32::try_from(length).unwrap_or(u32::MAX));
            return self.read.left_out.add(Reason::TooLong, 1);
        }
        self.read.padded += u64::from(padding > 0);
        let bytes = chunk.add(data, padding);
        set(bytes, 0, self.recipe.set_dst);
        set(bytes, 6, self.recipe.set_src);
        let flow = if self.recipe.several_queues { flow::number_of(self.recipe.framing, bytes) } else { 0 };
        let (due, earlier) = self.schedule.next(packet.time, length);
        self.read.out_of_order += u64::from(earlier);
        chunk.finish(due, flow);
    }

    /// Whether the time of the packet is one of those asked for. One without a time is as the one before it; the first
    /// ones without any are not.
    fn is_inside(&mut self) -> bool {
        let Some((from, to)) = self.recipe.between else { return true };
        let Some(time) = self.time else { return false };
        let (from, to) = *self.window.get_or_insert_with(|| (from.since_1970(time), to.since_1970(time)));
        time.cmp(&from) != Ordering::Less && time < to
    }

    /// Says of a link type that it does not fit, and what to do.
    #[cold]
    fn tell(&mut self, link_type: u16) {
        if self.told.contains(&link_type) || self.told.len() >= TOLD {
            return;
        }
        self.told.push(link_type);
        warn(format_args!("packets are left out: {}", misfit(link_type, self.recipe.framing)));
    }
}

/// Writes an address over one of a frame, as much as there is of it.
fn set(bytes: &mut [u8], at: usize, address: Option<Mac>) {
    if let (Some(Mac(address)), Some(place)) = (address, bytes.get_mut(at..at + 6)) {
        place.copy_from_slice(&address);
    }
}

/// Why packets of a link type do not fit an interface, and what to do.
pub(super) fn misfit(link_type: u16, framing: Framing) -> String {
    let name = name_of(link_type);
    // Whether an interface for IP packets would carry them: one has to look at a packet.
    let fits_ip = !matches!(carried(link_type, &[], LinkType::RawIp), Err(Misfit::LinkType));
    match framing {
        Framing::Ethernet if fits_ip => {
            format!("an interface in ethernet mode does not carry {name}: give --mode ip, at both ends")
        }
        _ => format!("no memif carries {name}"),
    }
}

/// Whether packets of that link type cannot go over that interface, whatever they are.
pub(super) fn is_misfit(link_type: u16, recipe: &Recipe) -> bool {
    matches!(carried(link_type, &[], recipe.link_type()), Err(Misfit::LinkType))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::replay::moment::Moment;
    use crate::commands::replay::pace::Pace;

    fn recipe() -> Recipe {
        Recipe {
            framing: Framing::Ethernet,
            filter: None,
            between: None,
            truncated: Truncated::Pad,
            set_src: None,
            set_dst: None,
            several_queues: false,
        }
    }

    fn packet(time: impl Into<Option<i128>>, data: &[u8], original_length: u32) -> Packet<'_> {
        Packet { time: time.into(), interface: 0, link_type: 1, data, original_length }
    }

    fn prepared(recipe: &Recipe, packets: &[Packet<'_>]) -> (Vec<Vec<u8>>, Read) {
        let (mut told, mut chunk) = (vec![], Chunk::default());
        let mut preparation = Preparation::new(recipe, Schedule::new(Pace::Top), &mut told);
        packets.iter().for_each(|packet| preparation.add(packet, &mut chunk));
        let read = preparation.read;
        let bytes = (0..).map_while(|at| chunk.get(at)).map(|ready| ready.bytes.to_vec()).collect();
        (bytes, read)
    }

    #[test]
    fn truncated_packets_are_treated_as_asked() {
        let packets = [packet(0, &[7; 20], 24), packet(0, &[8; 20], 20), packet(0, &[9; 4], 70_000), packet(0, &[], 0)];
        let padded = [&[7; 20][..], &[0; 4]].concat();
        for (truncated, expected, left_out, padded_packets) in [
            (Truncated::Pad, vec![padded, vec![8; 20]], [0, 0, 1, 0, 1, 0], 1),
            (Truncated::Skip, vec![vec![8; 20]], [0, 0, 1, 2, 0, 0], 0),
            (Truncated::AsIs, vec![vec![7; 20], vec![8; 20], vec![9; 4]], [0, 0, 1, 0, 0, 0], 0),
        ] {
            let (bytes, read) = prepared(&Recipe { truncated, ..recipe() }, &packets);
            assert_eq!(bytes, expected);
            assert_eq!((read.left_out.counts(), read.padded), (left_out, padded_packets), "{truncated:?}");
            assert_eq!(read.longest, if truncated == Truncated::Pad { 70_000 } else { 0 });
        }
    }

    #[test]
    fn addresses_are_written_over_as_far_as_they_reach() {
        let macs = Recipe { set_src: Some(Mac([2; 6])), set_dst: Some(Mac([4; 6])), ..recipe() };
        let (bytes, _) = prepared(&macs, &[packet(0, &[0; 14], 14), packet(0, &[0; 7], 7)]);
        assert_eq!(bytes[0], [4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 0, 0]);
        assert_eq!(bytes[1], [4, 4, 4, 4, 4, 4, 0]);
    }

    #[test]
    fn packets_between_two_moments_are_sent() {
        let packets = [100, 105, 109, 110, 104].map(|time| packet(time, &[1; 14], 14));
        let packets = [&[packet(None, &[1; 14], 14)], &packets[..], &[packet(None, &[1; 14], 14)]].concat();
        for (from, to, sent) in [
            (Moment::After(5), Moment::After(10), 2),
            (Moment::At(104), Moment::At(105), 2),
            (Moment::After(0), Moment::At(1000), 6),
            (Moment::After(5), Moment::After(5), 0),
        ] {
            let (bytes, read) = prepared(&Recipe { between: Some((from, to)), ..recipe() }, &packets);
            assert_eq!((bytes.len(), read.outside), (sent, 7 - sent as u64), "{from:?} {to:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_to_do() {
        assert!(misfit(101, Framing::Ethernet).ends_with("raw IP, link type 101: give --mode ip, at both ends"));
        assert_eq!(misfit(105, Framing::Ip), "no memif carries wireless, link type 105");
        assert_eq!(misfit(189, Framing::Ethernet), "no memif carries USB, link type 189");
        let mut other = packet(0, &[0x45; 20], 20);
        other.link_type = 101;
        let (bytes, read) = prepared(&recipe(), &[other, packet(0, &[1; 14], 14)]);
        assert_eq!((bytes.len(), read.left_out.of(Reason::LinkType)), (1, 1));
        let ip = Recipe { framing: Framing::Ip, ..recipe() };
        let (bytes, read) = prepared(&ip, &[other, packet(0, &[1; 14], 14)]);
        assert_eq!((bytes.len(), read.left_out.of(Reason::NotIp)), (1, 1));
        assert!(is_misfit(101, &recipe()) && !is_misfit(1, &recipe()) && !is_misfit(1, &ip));
    }
}
