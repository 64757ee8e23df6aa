//! TCP, UDP, what they carry that is looked into, and all else that IP carries.

use std::fmt;

use etherparse::{IpNumber, TcpHeaderSlice, TcpOptionElement, UdpHeaderSlice};

use super::part::{Ends, Next, Part};
use super::{icmp, tunnel};

/// Bytes of a header of TCP without options.
const TCP_HEADER: usize = 20;
/// Bytes of a header of UDP.
const UDP_HEADER: usize = 8;

/// What IP carries, with the addresses.
pub(super) fn protocol<'a>(
    f: &mut fmt::Formatter<'_>,
    ends: Ends,
    number: u8,
    part: Part<'a>,
) -> Result<Next<'a>, fmt::Error> {
    let number = IpNumber(number);
    if ends.fragment.is_some_and(|fragment| fragment.offset > 0) {
        ends.write(f, None)?;
        return name(f, number).map(|()| Next::Nothing);
    }
    match number {
        IpNumber::TCP => tcp(f, ends, part)?,
        IpNumber::UDP => return udp(f, ends, part),
        IpNumber::ICMP => {
            ends.write(f, None)?;
            icmp::icmp(f, part)?;
        }
        IpNumber::IPV6_ICMP => {
            ends.write(f, None)?;
            icmp::icmp6(f, part)?;
        }
        IpNumber::IPV4 | IpNumber::IPV6 => {
            ends.write(f, None)?;
            return Ok(Next::Ip(part));
        }
        other => {
            ends.write(f, None)?;
            name(f, other)?;
            write!(f, ", length {}", part.length)?;
        }
    }
    Ok(Next::Nothing)
}

fn name(f: &mut fmt::Formatter<'_>, number: IpNumber) -> fmt::Result {
    let name = match number {
        IpNumber::TCP => "tcp",
        IpNumber::UDP => "udp",
        IpNumber::ICMP => "icmp",
        IpNumber::IPV6_ICMP => "icmp6",
        IpNumber::IGMP => "igmp",
        IpNumber::GRE => "GREv0",
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD => "ESP",
        IpNumber::AUTHENTICATION_HEADER => "AH",
        IpNumber::SCTP => "sctp",
        IpNumber::PIM => "PIM",
        IpNumber::VRRP => "VRRP",
        IpNumber::OSPFIGP => "OSPF",
        IpNumber(other) => return write!(f, "ip-proto-{other}"),
    };
    f.write_str(name)
}

fn tcp(f: &mut fmt::Formatter<'_>, ends: Ends, part: Part<'_>) -> fmt::Result {
    let Some(mut fixed) = part.bytes::<TCP_HEADER>(0) else {
        ends.write(f, None)?;
        return f.write_str("[|tcp]");
    };
    let header_length = usize::from(fixed[12] >> 4) * 4;
    // Without options, which may be cut.
    fixed[12] = 0x50 | fixed[12] & 0xf;
    let Ok(header) = TcpHeaderSlice::from_slice(&fixed) else {
        ends.write(f, None)?;
        return f.write_str("[|tcp]");
    };
    ends.write(f, Some((header.source_port(), header.destination_port())))?;
    f.write_str("Flags [")?;
    let flags = [
        (header.fin(), 'F'),
        (header.syn(), 'S'),
        (header.rst(), 'R'),
        (header.psh(), 'P'),
        (header.ack(), '.'),
        (header.urg(), 'U'),
        (header.ece(), 'E'),
        (header.cwr(), 'W'),
    ];
    for (_, letter) in flags.iter().filter(|(set, _)| *set) {
        write!(f, "{letter}")?;
    }
    f.write_str(if flags.iter().any(|(set, _)| *set) { "]" } else { "none]" })?;
    if header_length < TCP_HEADER {
        return write!(f, ", bad header length {header_length}");
    }
    let payload = part.after(header_length).length;
    let sequence = header.sequence_number();
    write!(f, ", seq {sequence}")?;
    if let Some(end) = u32::try_from(payload).ok().filter(|payload| *payload > 0) {
        write!(f, ":{}", sequence.wrapping_add(end))?;
    }
    if header.ack() {
        write!(f, ", ack {}", header.acknowledgment_number())?;
    }
    write!(f, ", win {}", header.window_size())?;
    if header.urg() {
        write!(f, ", urg {}", header.urgent_pointer())?;
    }
    if header_length > TCP_HEADER {
        tcp_options(f, part, header_length)?;
    }
    write!(f, ", length {payload}")
}

fn tcp_options(f: &mut fmt::Formatter<'_>, part: Part<'_>, header_length: usize) -> fmt::Result {
    let Some(header) = part.data.get(..header_length).and_then(|whole| TcpHeaderSlice::from_slice(whole).ok()) else {
        return f.write_str(", options [|tcp]");
    };
    f.write_str(", options [")?;
    for (at, option) in header.options_iterator().enumerate() {
        if at > 0 {
            f.write_str(",")?;
        }
        match option {
            Ok(TcpOptionElement::Noop) => f.write_str("nop")?,
            Ok(TcpOptionElement::MaximumSegmentSize(size)) => write!(f, "mss {size}")?,
            Ok(TcpOptionElement::WindowScale(shift)) => write!(f, "wscale {shift}")?,
            Ok(TcpOptionElement::SelectiveAcknowledgementPermitted) => f.write_str("sackOK")?,
            Ok(TcpOptionElement::SelectiveAcknowledgement(first, more)) => {
                f.write_str("sack ")?;
                for (left, right) in std::iter::once(first).chain(more.into_iter().flatten()) {
                    write!(f, "{{{left}:{right}}}")?;
                }
            }
            Ok(TcpOptionElement::Timestamp(value, echoed)) => write!(f, "TS val {value} ecr {echoed}")?,
            Err(_) => f.write_str("unknown")?,
        }
    }
    f.write_str("]")
}

fn udp<'a>(f: &mut fmt::Formatter<'_>, ends: Ends, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    let Ok(header) = UdpHeaderSlice::from_slice(part.data) else {
        ends.write(f, None)?;
        return f.write_str("[|udp]").map(|()| Next::Nothing);
    };
    let (from, to) = (header.source_port(), header.destination_port());
    ends.write(f, Some((from, to)))?;
    let length = usize::from(header.length());
    if length != 0 && length < UDP_HEADER {
        return write!(f, "UDP, bad length {length}").map(|()| Next::Nothing);
    }
    let payload = part.limited(if length == 0 { part.length } else { length }).after(UDP_HEADER);
    match to {
        tunnel::VXLAN_PORT => tunnel::vxlan(f, payload),
        tunnel::GTPU_PORT => tunnel::gtpu(f, payload),
        // The length that it says, which a fragment has only the beginning of.
        _ => write!(f, "UDP, length {}", length.max(UDP_HEADER) - UDP_HEADER).map(|()| Next::Nothing),
    }
}
