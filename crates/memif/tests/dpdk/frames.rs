//! Frames for testpmd and of testpmd, built and judged by hand.

use testkit::traffic::packet;

/// Address of this end.
pub(crate) const OUR_MAC: [u8; 6] = [0x02, 0xfe, 0, 0, 0, 0x01];
/// Address of this end.
pub(crate) const OUR_IP: [u8; 4] = [192, 168, 1, 2];
/// Address that is asked for: testpmd answers for every one.
pub(crate) const THEIR_IP: [u8; 4] = [192, 168, 1, 1];
/// Where txonly sends to unless told otherwise.
pub(crate) const TXONLY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0];
/// Where flowgen sends to, and from.
pub(crate) const FLOWGEN_MACS: ([u8; 6], [u8; 6]) = ([0, 1, 2, 3, 4, 1], [0, 1, 2, 3, 4, 0]);
/// Bytes in front of what an echo request carries: ethernet, IPv4 and ICMP headers.
const ECHO_HEADERS: usize = 14 + 20 + 8;

/// The frame `sequence` of `stream`, `len` bytes long (30 or more), and the same with its addresses exchanged.
pub(crate) fn swapped(stream: u32, sequence: u64, len: usize) -> (Vec<u8>, Vec<u8>) {
    let low = sequence.to_be_bytes()[7];
    let (to, from) = ([0x02, 1, 1, 1, 1, low], [0x02, 2, 2, 2, low, 2]);
    let body = packet(stream, sequence, len - 14);
    let frame = |to: [u8; 6], from: [u8; 6]| [&to, &from, &[0x88, 0xb5][..], &body].concat();
    (frame(to, from), frame(from, to))
}

/// Who has `THEIR_IP`?
pub(crate) fn arp_request() -> Vec<u8> {
    arp([0xff; 6], OUR_MAC, 1, (OUR_MAC, OUR_IP), ([0; 6], THEIR_IP))
}

/// `mac` has it.
pub(crate) fn arp_reply(mac: [u8; 6]) -> Vec<u8> {
    arp(OUR_MAC, mac, 2, (mac, THEIR_IP), (OUR_MAC, OUR_IP))
}

fn arp(to: [u8; 6], from: [u8; 6], operation: u8, sender: ([u8; 6], [u8; 4]), target: ([u8; 6], [u8; 4])) -> Vec<u8> {
    let head = [0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, operation];
    [&to, &from, &head[..], &sender.0, &sender.1, &target.0, &target.1].concat()
}

/// The echo request `sequence` to `mac` in a frame of `len` bytes, and the reply to it.
pub(crate) fn echo(mac: [u8; 6], sequence: u64, len: usize) -> (Vec<u8>, Vec<u8>) {
    let body = packet(8, sequence, len - ECHO_HEADERS);
    let number = u16::try_from(sequence & 0xffff).expect("16 bits");
    let frame = |to: [u8; 6], from: [u8; 6], source: [u8; 4], target: [u8; 4], kind: u8| {
        let mut icmp = [&[kind, 0, 0, 0, 0xbe, 0xef][..], &number.to_be_bytes(), &body].concat();
        let sum = checksum(&icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let total = u16::try_from(len - 14).expect("a length").to_be_bytes();
        let ip = [&[0x45, 0][..], &total, &number.to_be_bytes(), &[0x40, 0, 64, 1, 0, 0], &source, &target];
        let mut ip = ip.concat();
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        [&to, &from, &[0x08, 0x00][..], &ip, &icmp].concat()
    };
    let request = frame(mac, OUR_MAC, OUR_IP, THEIR_IP, 8);
    (request, frame(OUR_MAC, mac, THEIR_IP, OUR_IP, 0))
}

/// The sum of RFC 1071; 0 over bytes that hold a right one.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

/// Checks a UDP packet of testpmd with those ethernet addresses; its source and destination IP addresses.
pub(crate) fn udp_of_testpmd(
    frame: &[u8],
    (to, from): ([u8; 6], [u8; 6]),
    len: usize,
) -> Result<([u8; 4], [u8; 4]), String> {
    let is = |what: &str, right: bool| {
        let start = &frame[..frame.len().min(64)];
        if right { Ok(()) } else { Err(format!("{what} of {} bytes: {start:02x?}", frame.len())) }
    };
    is("length", frame.len() == len)?;
    is("destination address", frame[..6] == to)?;
    is("source address", frame[6..12] == from)?;
    is("ethernet type", frame[12..14] == [0x08, 0x00])?;
    is("IPv4 header without options", frame[14] == 0x45)?;
    is("protocol UDP", frame[23] == 17)?;
    is("IP checksum", checksum(&frame[14..34]) == 0)?;
    let number = |at: usize| usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
    is("IP length", number(16) == len - 14)?;
    is("UDP length", number(38) == len - 34)?;
    let address = |at: usize| [frame[at], frame[at + 1], frame[at + 2], frame[at + 3]];
    Ok((address(26), address(30)))
}
