//! ICMP and ICMPv6.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::IpNumber;

use super::part::Part;

/// Bytes in front of what an error quotes.
const QUOTED_AT: usize = 8;

pub(super) fn icmp(f: &mut fmt::Formatter<'_>, part: Part<'_>) -> fmt::Result {
    let (Some(kind), Some(code)) = (part.byte(0), part.byte(1)) else { return f.write_str("ICMP [|icmp]") };
    f.write_str("ICMP ")?;
    match (kind, code) {
        (0, _) => echo(f, part, "echo reply")?,
        (8, _) => echo(f, part, "echo request")?,
        (3, _) => unreachable(f, part, code)?,
        (4, _) => f.write_str("source quench")?,
        (5, _) => redirect(f, part, code)?,
        (9, _) => f.write_str("router advertisement")?,
        (10, _) => f.write_str("router solicitation")?,
        (11, 0) => f.write_str("time exceeded in-transit")?,
        (11, 1) => f.write_str("ip reassembly time exceeded")?,
        (12, _) => f.write_str("parameter problem")?,
        (13, _) => f.write_str("time stamp query")?,
        (14, _) => f.write_str("time stamp reply")?,
        _ => write!(f, "type {kind}, code {code}")?,
    }
    write!(f, ", length {}", part.length)
}

fn echo(f: &mut fmt::Formatter<'_>, part: Part<'_>, name: &str) -> fmt::Result {
    match (part.two(4), part.two(6)) {
        (Some(id), Some(sequence)) => write!(f, "{name}, id {id}, seq {sequence}"),
        _ => write!(f, "{name} [|icmp]"),
    }
}

fn unreachable(f: &mut fmt::Formatter<'_>, part: Part<'_>, code: u8) -> fmt::Result {
    let quoted = part.after(QUOTED_AT);
    let Some(to) = quoted.bytes(16).map(|to: [u8; 4]| Ipv4Addr::from(to)) else {
        return write!(f, "unreachable, code {code} [|icmp]");
    };
    match code {
        0 => write!(f, "net {to} unreachable"),
        1 => write!(f, "host {to} unreachable"),
        2 => write!(f, "{to} protocol {} unreachable", quoted.byte(9).unwrap_or_default()),
        3 => {
            let header = usize::from(quoted.byte(0).unwrap_or_default() & 0xf) * 4;
            let name = match quoted.byte(9).map(IpNumber) {
                Some(IpNumber::TCP) => "tcp ",
                Some(IpNumber::UDP) => "udp ",
                _ => "",
            };
            match quoted.two(header + 2) {
                Some(port) => write!(f, "{to} {name}port {port} unreachable"),
                None => write!(f, "{to} {name}port unreachable [|icmp]"),
            }
        }
        4 => write!(f, "{to} unreachable - need to frag (mtu {})", part.two(6).unwrap_or_default()),
        9 | 10 | 13 => write!(f, "host {to} unreachable - admin prohibited"),
        _ => write!(f, "{to} unreachable, code {code}"),
    }
}

fn redirect(f: &mut fmt::Formatter<'_>, part: Part<'_>, code: u8) -> fmt::Result {
    let address = |at| part.bytes(at).map(|address: [u8; 4]| Ipv4Addr::from(address));
    let (Some(gateway), Some(to)) = (address(4), address(QUOTED_AT + 16)) else {
        return f.write_str("redirect [|icmp]");
    };
    let what = if matches!(code, 0 | 2) { "net" } else { "host" };
    write!(f, "redirect {to} to {what} {gateway}")
}

pub(super) fn icmp6(f: &mut fmt::Formatter<'_>, part: Part<'_>) -> fmt::Result {
    let (Some(kind), Some(code)) = (part.byte(0), part.byte(1)) else { return f.write_str("ICMP6 [|icmp6]") };
    f.write_str("ICMP6, ")?;
    match (kind, code) {
        (1, _) => unreachable6(f, part, code)?,
        (2, _) => write!(f, "packet too big, mtu {}", part.four(4).unwrap_or_default())?,
        (3, 0) => f.write_str("time exceeded in-transit")?,
        (3, 1) => f.write_str("reassembly time exceeded")?,
        (4, _) => write!(f, "parameter problem, code {code}, octet {}", part.four(4).unwrap_or_default())?,
        (128, _) => echo(f, part, "echo request")?,
        (129, _) => echo(f, part, "echo reply")?,
        (130, _) => about(f, part, "multicast listener query", "for")?,
        (131, _) => about(f, part, "multicast listener report", "for")?,
        (132, _) => about(f, part, "multicast listener done", "for")?,
        (143, _) => {
            write!(f, "multicast listener report v2, {} group record(s)", part.two(6).unwrap_or_default())?;
        }
        (133, _) => f.write_str("router solicitation")?,
        (134, _) => f.write_str("router advertisement")?,
        (135, _) => about(f, part, "neighbor solicitation", "who has")?,
        (136, _) => about(f, part, "neighbor advertisement", "tgt is")?,
        (137, _) => about(f, part, "redirect", "to")?,
        _ => write!(f, "type {kind}, code {code}")?,
    }
    write!(f, ", length {}", part.length)
}

/// A message with an address behind its first eight bytes.
fn about(f: &mut fmt::Formatter<'_>, part: Part<'_>, name: &str, relation: &str) -> fmt::Result {
    match part.bytes(8).map(|address: [u8; 16]| Ipv6Addr::from(address)) {
        Some(address) => write!(f, "{name}, {relation} {address}"),
        None => write!(f, "{name} [|icmp6]"),
    }
}

fn unreachable6(f: &mut fmt::Formatter<'_>, part: Part<'_>, code: u8) -> fmt::Result {
    let what = match code {
        0 => "route",
        1 => "prohibited",
        3 => "address",
        4 => "port",
        other => return write!(f, "destination unreachable, code {other}"),
    };
    match part.bytes(QUOTED_AT + 24).map(|to: [u8; 16]| Ipv6Addr::from(to)) {
        Some(to) => write!(f, "destination unreachable, unreachable {what} {to}"),
        None => write!(f, "destination unreachable, unreachable {what} [|icmp6]"),
    }
}
