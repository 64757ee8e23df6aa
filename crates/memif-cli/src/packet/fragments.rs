//! An IP packet cut into fragments (RFC 791, RFC 8200).

use etherparse::{
    IpFragOffset, IpNumber, Ipv4HeaderSlice, Ipv4Options, Ipv6FragmentHeader, Ipv6Header, Ipv6HeaderSlice,
};

/// Every fragment but the last holds a multiple of so many bytes of what was cut.
const UNIT: usize = 8;

/// Hands each fragment of an IP packet to `each`, none longer than `longest`, in order. A packet that is short enough
/// is handed over as it is. IPv6 packets get that `identification`, those of IPv4 have their own.
///
/// `None` when it is no packet, or nothing fits beside the headers.
pub(crate) fn cut(packet: &[u8], longest: usize, identification: u32, mut each: impl FnMut(&[u8])) -> Option<()> {
    if packet.len() <= longest {
        each(packet);
        return Some(());
    }
    match packet.first()? >> 4 {
        4 => cut4(packet, longest, each),
        6 => cut6(packet, longest, identification, each),
        _ => None,
    }
}

fn cut4(packet: &[u8], longest: usize, mut each: impl FnMut(&[u8])) -> Option<()> {
    let mut header = Ipv4HeaderSlice::from_slice(packet).ok()?.to_header();
    let payload = packet.get(header.header_len()..)?;
    // With the options of whoever asks in each, few fragments would be answered by many.
    header.options = Ipv4Options::new();
    let head = header.header_len();
    for (offset, more, part) in parts(payload, longest.checked_sub(head)?)? {
        header.total_len = u16::try_from(head + part.len()).ok()?;
        header.dont_fragment = false;
        header.fragment_offset = offset;
        header.more_fragments = more;
        header.header_checksum = header.calc_header_checksum();
        each(&[&header.to_bytes()[..], part].concat());
    }
    Some(())
}

fn cut6(packet: &[u8], longest: usize, identification: u32, mut each: impl FnMut(&[u8])) -> Option<()> {
    let mut header = Ipv6HeaderSlice::from_slice(packet).ok()?.to_header();
    let next_header = header.next_header;
    header.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
    let head = Ipv6Header::LEN + Ipv6FragmentHeader::LEN;
    for (fragment_offset, more_fragments, part) in parts(packet.get(Ipv6Header::LEN..)?, longest.checked_sub(head)?)? {
        header.payload_length = u16::try_from(Ipv6FragmentHeader::LEN + part.len()).ok()?;
        let fragment = Ipv6FragmentHeader { next_header, fragment_offset, more_fragments, identification };
        each(&[&header.to_bytes()[..], &fragment.to_bytes(), part].concat());
    }
    Some(())
}

/// The parts of a payload, each with its place and whether more follow.
fn parts(payload: &[u8], most: usize) -> Option<impl Iterator<Item = (IpFragOffset, bool, &[u8])>> {
    let most = most / UNIT * UNIT;
    if most == 0 {
        return None;
    }
    let last = payload.len().saturating_sub(1) / most;
    let parts = payload.chunks(most).enumerate();
    Some(parts.map_while(move |(at, part)| {
        let offset = u16::try_from(at * most / UNIT).ok()?;
        Some((IpFragOffset::try_new(offset).ok()?, at < last, part))
    }))
}
