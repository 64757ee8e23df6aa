//! The picture of a capture in README and manual.

use std::io;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Ethernet2Header, IcmpEchoHeader, Icmpv4Type, PacketBuilder,
    VlanId,
};
use memif_capture::LinkType;
use memif_capture::write::{Chunk, Counts, Direction, Interface, Limits, Recorder, Refused, Sink};

use super::{Lines, Way};

/// Prints packets for a test.
struct Printed(Lines, Sender<Vec<u8>>);

impl Sink for Printed {
    fn write(&mut self, interfaces: &[Interface], _: &[Counts], packets: &Chunk) -> Result<(), Refused> {
        let mut text = Vec::new();
        for packet in packets.recorded() {
            self.0.print(&mut text, &interfaces[packet.interface()], &packet).unwrap();
        }
        self.1.send(text).unwrap();
        Ok(())
    }

    fn finish(&mut self, _: &[Interface], _: &[Counts], _: &str) -> io::Result<()> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

const SLAVE: [u8; 6] = [2, 0xfe, 10, 0, 0, 1];
const MASTER: [u8; 6] = [2, 0xfe, 10, 0, 0, 2];
const OWN: [u8; 4] = [10, 0, 0, 1];
const THEIRS: [u8; 4] = [10, 0, 0, 2];

/// An address of IPv6 for documents.
fn documentation(last: u8) -> [u8; 16] {
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

/// Packets of a link: the number of the ring that each goes by, its time in microseconds, its bytes.
fn packets() -> Vec<(usize, u64, Vec<u8>)> {
    let ways = [(SLAVE, MASTER, OWN, THEIRS), (MASTER, SLAVE, THEIRS, OWN)];
    let ip = |way: usize| {
        let (from, to, own, other) = ways[way];
        PacketBuilder::ethernet2(from, to).ipv4(own, other, 64)
    };
    let arp = |way: usize, operation| {
        let (from, _, own, other) = ways[way];
        let target = if way == 0 { [0; 6] } else { SLAVE };
        let header = ArpPacket::new(ArpHardwareId::ETHERNET, EtherType::IPV4, operation, &from, &own, &target, &other);
        let to = if way == 0 { [0xff; 6] } else { SLAVE };
        let frame = Ethernet2Header { source: from, destination: to, ether_type: EtherType::ARP };
        [&frame.to_bytes()[..], &header.unwrap().to_bytes()].concat()
    };
    let echo = |way: usize, seq| {
        let header = IcmpEchoHeader { id: 4711, seq };
        let kind = if way == 0 { Icmpv4Type::EchoRequest(header) } else { Icmpv4Type::EchoReply(header) };
        let mut packet = Vec::new();
        ip(way).icmpv4(kind).write(&mut packet, &[0x5a; 56]).unwrap();
        packet
    };
    let tcp = |way: usize, flags: &str, length: usize| {
        let step = if way == 0 { ip(0).tcp(40_312, 443, 7, 64_240) } else { ip(1).tcp(443, 40_312, 90, 65_160) };
        let step = match flags {
            "S" => step.syn(),
            "S." => step.syn().ack(8),
            _ => step.psh().ack(91),
        };
        let mut packet = Vec::new();
        step.write(&mut packet, &vec![1; length]).unwrap();
        packet
    };
    let mut name = Vec::new();
    ip(1).udp(53, 52_801).write(&mut name, &[0; 86]).unwrap();
    let mut tagged = Vec::new();
    PacketBuilder::ethernet2(SLAVE, MASTER)
        .single_vlan(VlanId::try_new(30).unwrap())
        .ipv6(documentation(1), documentation(2), 64)
        .udp(5004, 5004)
        .write(&mut tagged, &[0; 172])
        .unwrap();
    vec![
        (0, 0, arp(0, ArpOperation::REQUEST)),
        (1, 71, arp(1, ArpOperation::REPLY)),
        (0, 143, echo(0, 1)),
        (1, 215, echo(1, 1)),
        (0, 310_482, tcp(0, "S", 0)),
        (1, 310_553, tcp(1, "S.", 0)),
        (0, 310_626, tcp(0, "P.", 517)),
        (0, 402_917, tagged),
        (1, 777_004, name),
    ]
}

#[test]
fn the_picture_in_the_documents_is_what_is_printed() {
    // 2026-03-14, 15:09:26.535 in UTC.
    const BEGIN: u64 = 1_773_500_966_535_000_000;
    let (sender, printed) = channel();
    let lines = Printed(Lines::new(LinkType::Ethernet, Way::Named), sender);
    let limits = Limits { snap_length: 262_144, ..Limits::default() };
    let (recorder, writer) = Recorder::start(lines, limits, |_| {}).unwrap();
    let rings = [("s2m0", Direction::Outbound), ("m2s0", Direction::Inbound)].map(|(name, direction)| {
        let (name, description) = (name.to_owned(), String::new());
        recorder.interface(Interface { name, description, direction, queue: 0 })
    });
    for (ring, micros, packet) in packets() {
        recorder.batch(BEGIN + micros * 1000).packet(rings[ring], packet.len(), |room| {
            room[..packet.len()].copy_from_slice(&packet);
            packet.len()
        });
    }
    writer.finish(Duration::from_secs(60)).1.unwrap();
    let printed: Vec<u8> = printed.try_iter().flatten().collect();
    let text = format!("$ memif capture --attach 40733\n{}", String::from_utf8(printed).unwrap());
    let size = |number: usize| NonZeroU16::new(u16::try_from(number).unwrap()).unwrap();
    let columns = text.lines().map(str::len).max().unwrap();
    let mut screen = vt100::Parser::new(size(text.lines().count()), size(columns), 0);
    for (number, line) in text.lines().enumerate() {
        // What was typed is in bold letters.
        let (next, bold) = if number == 0 { ("", "1") } else { ("\r\n", "0") };
        screen.process(format!("{next}\x1b[{bold}m{line}").as_bytes());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plots/capture.svg");
    testkit::picture::assert_current(&path, screen.screen());
}
