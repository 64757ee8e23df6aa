//! Tests that begin with a word, and addresses: `tcp src port 80`, `less 100`.

use std::ops::Range;

use super::cursor::Cursor;
use super::error::FilterError;
use super::expression::{Arithmetic, Ends, Ipv4In, Network, Relation, Test, Value, Versions};
use super::token::Kind;
use super::words::{self, Protocol, Word};
use crate::LinkType;

/// The words before an address, which also hold for the next one if that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Qualifiers {
    protocol: Option<Protocol>,
    ends: Ends,
    sort: Sort,
    /// Where these words stand.
    place: Range<usize>,
}

/// What an address is the address of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

/// What a test begins with.
#[derive(Debug)]
pub(super) enum Head {
    /// All of it.
    Whole(Test),
    /// An address is to follow.
    Before(Qualifiers),
}

/// Whether an address may be that.
pub(super) fn is_address(kind: Option<&Kind>) -> bool {
    matches!(kind, Some(Kind::Name(_) | Kind::Dotted(..) | Kind::Ipv6(_) | Kind::Mac(_)))
}

/// The words of a test.
pub(super) fn head(cursor: &mut Cursor<'_>) -> Result<Head, FilterError> {
    const WANTED: &str = "a test such as tcp, host or port";
    let place = cursor.place();
    let whole = |test| Ok(Head::Whole(test));
    let Some(Kind::Word(word)) = cursor.peek(0) else {
        if is_address(cursor.peek(0)) {
            return Err(bare(cursor, place));
        }
        return Err(cursor.unexpected(WANTED));
    };
    match word {
        Word::Less => {
            cursor.take();
            whole(length(Relation::LessOrEqual, number(cursor)?))
        }
        Word::Greater => {
            cursor.take();
            whole(length(Relation::GreaterOrEqual, number(cursor)?))
        }
        Word::Vlan => {
            cursor.take();
            ethernet_only(cursor, place)?;
            whole(Test::Vlan(tag(cursor)?))
        }
        Word::Protocol(protocol) => {
            cursor.take();
            after_protocol(cursor, *protocol, place)
        }
        Word::Broadcast | Word::Multicast => group(cursor, Protocol::Ether, place).map(Head::Whole),
        Word::Src | Word::Dst | Word::Host | Word::Net | Word::Port | Word::PortRange | Word::Proto => {
            qualifiers(cursor, None, place).map(Head::Before)
        }
        Word::LeftOut => {
            let reason = format!("{} is a word of pcap-filter(7) that is left out here", cursor.quoted(place.clone()));
            Err(cursor.error(place, reason))
        }
        Word::Mask | Word::And | Word::Or | Word::Not | Word::Length => Err(cursor.unexpected(WANTED)),
    }
}

/// An address, or a word that is none, without anything that says what it is.
fn bare(cursor: &Cursor<'_>, place: Range<usize>) -> FilterError {
    let shown = cursor.quoted(place.clone());
    let lower = match cursor.peek(0) {
        Some(Kind::Name(name)) => words::word(&name.to_ascii_lowercase()).map(|_| name.to_ascii_lowercase()),
        _ => None,
    };
    let reason = match (cursor.peek(0), lower) {
        (_, Some(lower)) => format!("{shown} is no word of a filter; it is written \"{lower}\""),
        (Some(Kind::Name(_)), None) => format!("{shown} is no word of a filter"),
        (Some(Kind::Mac(_)), _) => format!("{shown} needs \"ether host\", \"ether src\" or \"ether dst\" before it"),
        _ => format!("{shown} needs a word before it, such as \"host\", \"net\", \"src\" or \"dst\""),
    };
    cursor.error(place, reason)
}

fn length(relation: Relation, number: u32) -> Test {
    let value = |step| Value { steps: vec![step], most: 1, checks: Vec::new() };
    Test::Compare(value(Arithmetic::Length), relation, value(Arithmetic::Constant(number)))
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32, FilterError> {
    let Some(Kind::Number(number)) = cursor.peek(0) else { return Err(cursor.unexpected("a number")) };
    cursor.take();
    Ok(*number)
}

/// A number that may stand in parentheses.
pub(super) fn enclosed_number(cursor: &mut Cursor<'_>) -> Result<u32, FilterError> {
    if !cursor.take_if(&Kind::Open) {
        return number(cursor);
    }
    cursor.enter()?;
    let inside = enclosed_number(cursor)?;
    cursor.expect(&Kind::Close, "\")\"")?;
    cursor.leave();
    Ok(inside)
}

fn tag(cursor: &mut Cursor<'_>) -> Result<Option<u32>, FilterError> {
    if !matches!(cursor.peek(0), Some(Kind::Number(_) | Kind::Open)) {
        return Ok(None);
    }
    let place = cursor.place();
    let tag = enclosed_number(cursor)?;
    if tag > 0xfff {
        return Err(cursor.error(place, "the tag of a VLAN is 4095 at most"));
    }
    Ok(Some(tag))
}

fn ethernet_only(cursor: &Cursor<'_>, place: Range<usize>) -> Result<(), FilterError> {
    match cursor.link_type {
        LinkType::Ethernet => Ok(()),
        LinkType::RawIp => {
            let reason = format!(
                "{} asks for an Ethernet header, and these packets are IP without one (mode ip)",
                cursor.quoted(place.clone())
            );
            Err(cursor.error(place, reason))
        }
    }
}

fn after_protocol(cursor: &mut Cursor<'_>, protocol: Protocol, place: Range<usize>) -> Result<Head, FilterError> {
    if protocol == Protocol::Ether {
        ethernet_only(cursor, place.clone())?;
    }
    match cursor.peek(0) {
        Some(Kind::Word(Word::Broadcast | Word::Multicast)) => group(cursor, protocol, place).map(Head::Whole),
        Some(Kind::Word(
            Word::Src | Word::Dst | Word::Host | Word::Net | Word::Port | Word::PortRange | Word::Proto,
        )) => qualifiers(cursor, Some(protocol), place).map(Head::Before),
        _ if protocol == Protocol::Ether => {
            Err(cursor.unexpected("host, src, dst, proto, broadcast, multicast or [ after \"ether\""))
        }
        _ => Ok(Head::Whole(Test::Protocol(protocol))),
    }
}

/// `broadcast` and `multicast`.
fn group(cursor: &mut Cursor<'_>, protocol: Protocol, place: Range<usize>) -> Result<Test, FilterError> {
    let broadcast = cursor.is_at(Word::Broadcast);
    cursor.take();
    let place = place.start..cursor.last_place().end;
    match protocol {
        Protocol::Ether => {
            ethernet_only(cursor, place)?;
            Ok(if broadcast { Test::Mac(Ends::Destination, [0xff; 6]) } else { Test::EtherMulticast })
        }
        Protocol::Ip if !broadcast => Ok(Test::IpMulticast),
        Protocol::Ip6 if !broadcast => Ok(Test::Ip6Multicast),
        Protocol::Ip => Err(cursor.error(
            place,
            "which addresses are broadcasts depends on a network mask, and none is known here; use \"dst host\" with the \
             address",
        )),
        _ => {
            let able = if broadcast { "only ether has a broadcast" } else { "only ether, ip and ip6 have multicasts" };
            Err(cursor.error(place, able))
        }
    }
}

fn qualifiers(
    cursor: &mut Cursor<'_>,
    protocol: Option<Protocol>,
    place: Range<usize>,
) -> Result<Qualifiers, FilterError> {
    let ends = ends(cursor);
    let sort = match cursor.peek(0) {
        Some(Kind::Word(Word::Host)) => Some(Sort::Host),
        Some(Kind::Word(Word::Net)) => Some(Sort::Net),
        Some(Kind::Word(Word::Port)) => Some(Sort::Port),
        Some(Kind::Word(Word::PortRange)) => Some(Sort::PortRange),
        Some(Kind::Word(Word::Proto)) if ends.is_none() => Some(Sort::Proto),
        _ => None,
    };
    if sort.is_some() {
        cursor.take();
    }
    let sort = sort.unwrap_or(Sort::Host);
    let place = place.start..cursor.last_place().end;
    let fits = match sort {
        Sort::Host => matches!(
            protocol,
            None | Some(Protocol::Ether | Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp)
        ),
        Sort::Net => matches!(protocol, None | Some(Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp)),
        Sort::Port | Sort::PortRange => matches!(protocol, None | Some(Protocol::Tcp | Protocol::Udp | Protocol::Sctp)),
        Sort::Proto => matches!(protocol, None | Some(Protocol::Ether | Protocol::Ip | Protocol::Ip6)),
    };
    if !fits {
        let able = match sort {
            Sort::Host => "hosts are of ether, ip, ip6, arp or rarp",
            Sort::Net => "networks are of ip, ip6, arp or rarp",
            Sort::Port | Sort::PortRange => "ports are of tcp, udp or sctp",
            Sort::Proto => "\"proto\" goes with ether, ip or ip6",
        };
        let reason = format!("{} makes no test: {able}", cursor.quoted(place.clone()));
        return Err(cursor.error(place, reason));
    }
    Ok(Qualifiers { protocol, ends: ends.unwrap_or(Ends::Either), sort, place })
}

/// `src`, `dst`, `src or dst`, `src and dst`.
fn ends(cursor: &mut Cursor<'_>) -> Option<Ends> {
    let (first, other) = match cursor.peek(0) {
        Some(Kind::Word(Word::Src)) => (Ends::Source, Word::Dst),
        Some(Kind::Word(Word::Dst)) => (Ends::Destination, Word::Src),
        _ => return None,
    };
    cursor.take();
    if cursor.peek(1) != Some(&Kind::Word(other)) {
        return Some(first);
    }
    let both = match cursor.peek(0) {
        Some(Kind::Word(Word::And)) => Ends::Both,
        Some(Kind::Word(Word::Or)) => Ends::Either,
        _ => return Some(first),
    };
    cursor.take();
    cursor.take();
    Some(both)
}

/// The test for an address that comes next, after these words.
pub(super) fn address(cursor: &mut Cursor<'_>, before: Option<&Qualifiers>) -> Result<Test, FilterError> {
    let Some(before) = before else {
        let place = cursor.place();
        return Err(match cursor.peek(0) {
            Some(Kind::Number(number)) => {
                cursor.error(place, format!("\"{number}\" needs a word before it, such as \"port\""))
            }
            _ => bare(cursor, place),
        });
    };
    let place = cursor.place();
    match cursor.peek(0) {
        Some(Kind::Number(_) | Kind::Open) => {
            let number = enclosed_number(cursor)?;
            of_number(cursor, before, number, place)
        }
        Some(Kind::Name(name)) => {
            cursor.take();
            of_name(cursor, before, name, place)
        }
        Some(Kind::Dotted(address, bits)) => {
            cursor.take();
            let network = dotted(cursor, before, *address, *bits, place.clone())?;
            ipv4(cursor, before, network, place)
        }
        Some(Kind::Ipv6(address)) => {
            cursor.take();
            ipv6(cursor, before, *address, place)
        }
        Some(Kind::Mac(address)) if before.protocol == Some(Protocol::Ether) && before.sort == Sort::Host => {
            cursor.take();
            Ok(Test::Mac(before.ends, *address))
        }
        Some(Kind::Mac(_)) => {
            Err(cursor.error(place, "a MAC address is asked for with \"ether host\", \"ether src\" or \"ether dst\""))
        }
        _ => Err(cursor.unexpected(wanted(before.sort))),
    }
}

fn wanted(sort: Sort) -> &'static str {
    match sort {
        Sort::Host => "an address",
        Sort::Net => "a network such as 10.0.0.0/8",
        Sort::Port => "the number of a port",
        Sort::PortRange => "a range of ports such as 1000-2000",
        Sort::Proto => "the number of a protocol",
    }
}

/// The address is not of the sort that the words before it ask for.
fn misplaced(cursor: &Cursor<'_>, before: &Qualifiers, place: Range<usize>) -> FilterError {
    let wanted = match (before.protocol, before.sort) {
        (Some(Protocol::Ether), Sort::Host) => "a MAC address",
        (Some(Protocol::Ip6), Sort::Host | Sort::Net) => "an IPv6 address",
        (Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp), Sort::Host | Sort::Net) => "an IPv4 address",
        (_, sort) => wanted(sort),
    };
    let reason = format!(
        "{} is not what {} asks for, {wanted}",
        cursor.quoted(place.clone()),
        cursor.quoted(before.place.clone())
    );
    cursor.error(place, reason)
}

fn of_number(cursor: &Cursor<'_>, before: &Qualifiers, number: u32, place: Range<usize>) -> Result<Test, FilterError> {
    match before.sort {
        Sort::Host => ipv4(cursor, before, Network { address: number, mask: u32::MAX }, place),
        Sort::Net if cursor.peek(0) == Some(&Kind::Divide) => {
            let reason = format!("a network with a length of its mask needs a dot: \"{number}.0.0.0\"");
            Err(cursor.error(place, reason))
        }
        Sort::Net => {
            // The first numbers of an address; one that is zero is the whole address.
            let shift = if number == 0 { 0 } else { number.leading_zeros() / 8 * 8 };
            ipv4(cursor, before, Network { address: number << shift, mask: u32::MAX << shift }, place)
        }
        Sort::Port | Sort::PortRange => {
            let port = u16::try_from(number).map_err(|_| cursor.error(place, "ports are 65535 at most"))?;
            Ok(Test::Ports(before.protocol, before.ends, port, port))
        }
        Sort::Proto if before.protocol == Some(Protocol::Ether) && [0xe0, 0x809b, 0x80f3].contains(&number) => {
            Err(cursor.error(place, "IPX and AppleTalk are left out here; compare ether[12:2]"))
        }
        Sort::Proto => Ok(protocol_number(before, number)),
    }
}

fn protocol_number(before: &Qualifiers, number: u32) -> Test {
    match before.protocol {
        Some(Protocol::Ether) => Test::EtherType(number),
        Some(Protocol::Ip) => Test::IpProtocol(Versions::Four, number),
        Some(Protocol::Ip6) => Test::IpProtocol(Versions::Six, number),
        _ => Test::IpProtocol(Versions::Both, number),
    }
}

fn of_name(cursor: &Cursor<'_>, before: &Qualifiers, name: &str, place: Range<usize>) -> Result<Test, FilterError> {
    let shown = cursor.quoted(place.clone());
    let reason = match before.sort {
        Sort::Host if before.protocol == Some(Protocol::Ether) => format!("{shown} is no MAC address"),
        Sort::Host | Sort::Net => format!("{shown} is no address, and names are not looked up: give its address"),
        Sort::Port => match port_of_name(name) {
            _ if name.contains('-') => format!("{shown} is no port; a range is asked for with \"portrange\""),
            Some(port) => format!("names of ports are not looked up: for {shown} write {port}"),
            None => format!("{shown} is no port, and names of ports are not looked up: give its number"),
        },
        Sort::PortRange => {
            let ends = name.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
            match ends {
                Some((one, other)) => {
                    return Ok(Test::Ports(before.protocol, before.ends, u16::min(one, other), u16::max(one, other)));
                }
                None => format!("{shown} is no range of ports: write two numbers up to 65535, such as 1000-2000"),
            }
        }
        Sort::Proto => {
            let ether = before.protocol == Some(Protocol::Ether);
            match if ether { words::ether_type(name) } else { words::ip_protocol(name) } {
                Some(number) => return Ok(protocol_number(before, number)),
                None => format!("{shown} is no protocol that is known here by name: give its number"),
            }
        }
    };
    Err(cursor.error(place, reason))
}

/// Numbers for the message that names are not looked up.
fn port_of_name(name: &str) -> Option<u16> {
    Some(match name {
        "ftp" => 21,
        "ssh" => 22,
        "telnet" => 23,
        "smtp" => 25,
        "domain" | "dns" => 53,
        "bootps" => 67,
        "bootpc" => 68,
        "tftp" => 69,
        "http" => 80,
        "ntp" => 123,
        "snmp" => 161,
        "bgp" => 179,
        "https" => 443,
        "syslog" => 514,
        "vxlan" => 4789,
        _ => return None,
    })
}

/// An IPv4 address with what may follow: `/8` or `mask 255.0.0.0`.
fn dotted(
    cursor: &mut Cursor<'_>,
    before: &Qualifiers,
    address: u32,
    bits: u32,
    place: Range<usize>,
) -> Result<Network<u32>, FilterError> {
    let mask = if cursor.take_if(&Kind::Divide) {
        let place = cursor.place();
        let length = number(cursor)?;
        if length > 32 {
            return Err(cursor.error(place, "a mask of IPv4 has 32 bits at most"));
        }
        u32::MAX.checked_shl(32 - length).unwrap_or(0)
    } else if cursor.take_if(&Kind::Word(Word::Mask)) {
        let Some(Kind::Dotted(mask, _)) = cursor.peek(0) else {
            return Err(cursor.unexpected("a mask such as 255.255.0.0"));
        };
        cursor.take();
        *mask
    } else {
        return Ok(Network { address, mask: u32::MAX.checked_shl(32 - bits).unwrap_or(0) });
    };
    let place = place.start..cursor.last_place().end;
    if before.sort != Sort::Net {
        return Err(cursor.error(place, "a mask goes with \"net\" only"));
    }
    if address & !mask != 0 {
        return Err(cursor.error(place, "this network has bits that its mask does not: make those zero"));
    }
    Ok(Network { address, mask })
}

fn ipv4(
    cursor: &Cursor<'_>,
    before: &Qualifiers,
    network: Network<u32>,
    place: Range<usize>,
) -> Result<Test, FilterError> {
    let within = match (before.sort, before.protocol) {
        (Sort::Host | Sort::Net, None) => Ipv4In::All,
        (Sort::Host | Sort::Net, Some(Protocol::Ip)) => Ipv4In::Ip,
        (Sort::Host | Sort::Net, Some(Protocol::Arp)) => Ipv4In::Arp,
        (Sort::Host | Sort::Net, Some(Protocol::Rarp)) => Ipv4In::Rarp,
        _ => return Err(misplaced(cursor, before, place)),
    };
    Ok(Test::Ipv4(within, before.ends, network))
}

fn ipv6(cursor: &mut Cursor<'_>, before: &Qualifiers, address: u128, place: Range<usize>) -> Result<Test, FilterError> {
    let fits = matches!(before.sort, Sort::Host | Sort::Net) && matches!(before.protocol, None | Some(Protocol::Ip6));
    if !fits {
        return Err(misplaced(cursor, before, place));
    }
    let mut mask = u128::MAX;
    if cursor.take_if(&Kind::Divide) {
        let of_length = cursor.place();
        let length = number(cursor)?;
        if length > 128 {
            return Err(cursor.error(of_length, "a mask of IPv6 has 128 bits at most"));
        }
        mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let place = place.start..cursor.last_place().end;
        if before.sort != Sort::Net && length != 128 {
            return Err(cursor.error(place, "a mask goes with \"net\" only"));
        }
        if address & !mask != 0 {
            return Err(cursor.error(place, "this network has bits that its mask does not: make those zero"));
        }
    }
    Ok(Test::Ipv6(before.ends, Network { address, mask }))
}
