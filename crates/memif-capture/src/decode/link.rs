//! Ethernet, tags and ARP.

use std::fmt;
use std::net::Ipv4Addr;

use etherparse::{ArpHardwareId, ArpOperation, ArpPacketSlice, EtherType, Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::part::{Frame, Mac, Next, Part};

/// Above this, the field of a frame is a type and no length.
const LONGEST_FRAME: u16 = 1500;

/// The header of a frame, which is told only where nothing tells more.
pub(super) fn ethernet<'a>(f: &mut fmt::Formatter<'_>, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    let Ok(header) = Ethernet2HeaderSlice::from_slice(part.data) else {
        write!(f, "[|ether] length {}", part.length)?;
        return Ok(Next::Nothing);
    };
    let frame = Frame { whole: part, source: Mac(header.source()), destination: Mac(header.destination()) };
    Ok(Next::Typed(frame, header.ether_type().0, part.after(header.slice().len())))
}

/// What a frame holds.
pub(super) fn typed<'a>(
    f: &mut fmt::Formatter<'_>,
    frame: Frame<'a>,
    ether_type: u16,
    part: Part<'a>,
) -> Result<Next<'a>, fmt::Error> {
    match EtherType(ether_type) {
        EtherType::IPV4 | EtherType::IPV6 => return Ok(Next::Ip(part)),
        EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING | EtherType::VLAN_DOUBLE_TAGGED_FRAME => {
            return tag(f, frame, part);
        }
        EtherType::ARP => arp(f, "ARP", part)?,
        EtherType(0x8035) => arp(f, "RARP", part)?,
        EtherType(length) if length <= LONGEST_FRAME => {
            write!(f, "{} > {}, 802.3, length {length}: ", frame.source, frame.destination)?;
            let (Some(destination), Some(source), Some(control)) = (part.byte(0), part.byte(1), part.byte(2)) else {
                return f.write_str("[|llc]").map(|()| Next::Nothing);
            };
            write!(f, "LLC, dsap {destination:#04x}, ssap {source:#04x}, ctrl {control:#04x}")?;
        }
        EtherType(other) => write!(
            f,
            "{} > {}, ethertype {other:#06x}, length {}",
            frame.source, frame.destination, frame.whole.length
        )?,
    }
    Ok(Next::Nothing)
}

fn tag<'a>(f: &mut fmt::Formatter<'_>, frame: Frame<'a>, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    let Ok(tag) = SingleVlanHeaderSlice::from_slice(part.data) else {
        return f.write_str("[|vlan]").map(|()| Next::Nothing);
    };
    write!(f, "vlan {}, p {}, ", tag.vlan_identifier().value(), tag.priority_code_point().value())?;
    if tag.drop_eligible_indicator() {
        f.write_str("DEI, ")?;
    }
    Ok(Next::Typed(frame, tag.ether_type().0, part.after(tag.slice().len())))
}

fn arp(f: &mut fmt::Formatter<'_>, name: &str, part: Part<'_>) -> fmt::Result {
    write!(f, "{name}, ")?;
    let Ok(packet) = ArpPacketSlice::from_slice(part.data) else {
        return write!(f, "[|arp] length {}", part.length);
    };
    let operation = packet.operation();
    let (Ok(sender_mac), Ok(sender), Ok(target_mac), Ok(target)) = (
        packet.sender_hw_addr().try_into().map(Mac),
        <[u8; 4]>::try_from(packet.sender_protocol_addr()).map(Ipv4Addr::from),
        packet.target_hw_addr().try_into().map(Mac),
        <[u8; 4]>::try_from(packet.target_protocol_addr()).map(Ipv4Addr::from),
    ) else {
        let ArpHardwareId(hardware) = packet.hw_addr_type();
        let EtherType(protocol) = packet.proto_addr_type();
        let ArpOperation(operation) = operation;
        return write!(
            f,
            "hardware {hardware}, protocol {protocol:#06x}, operation {operation}, length {}",
            part.length
        );
    };
    match operation {
        ArpOperation::REQUEST if name == "ARP" => write!(f, "Request who-has {target} tell {sender}")?,
        ArpOperation::REPLY if name == "ARP" => write!(f, "Reply {sender} is-at {sender_mac}")?,
        ArpOperation(3) => write!(f, "Request who-is {target_mac} tell {sender_mac}")?,
        ArpOperation(4) => write!(f, "Reply {target_mac} at {target}")?,
        ArpOperation(other) => write!(f, "operation {other}, {sender} to {target}")?,
    }
    write!(f, ", length {}", part.length)
}
