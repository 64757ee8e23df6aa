//! IPv4 and IPv6.

use std::fmt;

use etherparse::{IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice};

use super::part::{Addresses, Ends, Fragment, Next, Part};

/// Headers between IPv6's own and what it carries that are looked through.
const MOST_EXTENSIONS: usize = 8;
/// Bytes of a header of IPv4 without options.
const IPV4_HEADER: usize = 20;
/// Bytes of a header of IPv6.
const IPV6_HEADER: usize = 40;

/// A packet of either version.
pub(super) fn ip<'a>(f: &mut fmt::Formatter<'_>, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    match part.byte(0).map(|first| first >> 4) {
        None => f.write_str("[|ip]")?,
        Some(4) => return ipv4(f, part),
        Some(6) => return ipv6(f, part),
        Some(version) => write!(f, "IP version {version}, length {}", part.length)?,
    }
    Ok(Next::Nothing)
}

fn ipv4<'a>(f: &mut fmt::Formatter<'_>, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    let nothing = |written: fmt::Result| written.map(|()| Next::Nothing);
    let Some(mut fixed) = part.bytes::<IPV4_HEADER>(0) else { return nothing(f.write_str("IP [|ip]")) };
    let header_length = usize::from(fixed[0] & 0xf) * 4;
    if header_length < IPV4_HEADER {
        return nothing(write!(f, "IP bad header length {header_length}"));
    }
    // Options are not told, so they need not be there: a packet that is cut within them still has its addresses.
    fixed[0] = 0x45;
    let Ok(header) = Ipv4HeaderSlice::from_slice(&fixed) else { return nothing(f.write_str("IP [|ip]")) };
    let total = usize::from(header.total_len());
    let addresses = Addresses::V4(header.source_addr(), header.destination_addr());
    let mut ends = Ends { addresses, fragment: None };
    // A network card that cuts up packets leaves the length to be filled in.
    let whole = if total == 0 { part } else { part.limited(total) };
    if total != 0 && total < header_length {
        ends.write(f, None)?;
        return nothing(write!(f, "bad length {total}"));
    }
    let inner = whole.after(header_length);
    if header.is_fragmenting_payload() {
        ends.fragment = Some(Fragment {
            id: header.identification().into(),
            offset: usize::from(header.fragments_offset().value()) * 8,
            length: inner.length,
            more: header.more_fragments(),
        });
    }
    Ok(Next::Protocol(ends, header.protocol().0, inner))
}

fn ipv6<'a>(f: &mut fmt::Formatter<'_>, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(part.data) else {
        return f.write_str("IP6 [|ip6]").map(|()| Next::Nothing);
    };
    let mut ends = Ends { addresses: Addresses::V6(header.source_addr(), header.destination_addr()), fragment: None };
    let mut inner = part.after(IPV6_HEADER);
    // Zero is that of a jumbogram, or left to the network card.
    if header.payload_length() != 0 {
        inner = inner.limited(header.payload_length().into());
    }
    let mut number = header.next_header();
    for _ in 0..MOST_EXTENSIONS {
        let (next, length) = match number {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let Ok(extension) = Ipv6FragmentHeaderSlice::from_slice(inner.data) else { break };
                let length = extension.slice().len();
                let fragment = Fragment {
                    id: extension.identification(),
                    offset: usize::from(extension.fragment_offset().value()) * 8,
                    length: inner.after(length).length,
                    more: extension.more_fragments(),
                };
                ends.fragment = Some(fragment);
                (extension.next_header(), length)
            }
            IpNumber::IPV6_HEADER_HOP_BY_HOP | IpNumber::IPV6_ROUTE_HEADER | IpNumber::IPV6_DESTINATION_OPTIONS => {
                let Ok(extension) = Ipv6RawExtHeaderSlice::from_slice(inner.data) else { break };
                (extension.next_header(), extension.slice().len())
            }
            _ => break,
        };
        number = next;
        inner = inner.after(length);
        if ends.fragment.is_some_and(|fragment| fragment.offset > 0) {
            break;
        }
    }
    Ok(Next::Protocol(ends, number.0, inner))
}
