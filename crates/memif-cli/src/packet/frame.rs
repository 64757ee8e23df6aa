//! Where the network layer starts in a packet, in either mode of an interface, with or without a VLAN tag.

use etherparse::{EtherType, Ethernet2Header, Ethernet2HeaderSlice, SingleVlanHeader, VlanId};

use super::mac::Mac;

/// Bytes of an ethernet header.
pub(crate) const ETHERNET_HEADER: usize = Ethernet2Header::LEN;
/// Bytes of an ethernet header and of a VLAN tag behind it.
const TAGGED_HEADER: usize = ETHERNET_HEADER + SingleVlanHeader::LEN;

/// What packets of a link start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// An ethernet header.
    Ethernet,
    /// An IP header.
    Ip,
}

impl Framing {
    /// Bytes before the network layer.
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Framing::Ethernet => ETHERNET_HEADER,
            Framing::Ip => 0,
        }
    }
}

/// What packets of a station start with: those of a link, or of one VLAN on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encapsulation {
    /// An ethernet header.
    Ethernet,
    /// An ethernet header and the tag of that VLAN (802.1Q).
    Vlan(VlanId),
    /// An IP header.
    Ip,
}

impl From<Framing> for Encapsulation {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Ethernet => Self::Ethernet,
            Framing::Ip => Self::Ip,
        }
    }
}

impl Encapsulation {
    /// The VLAN, if there is one.
    pub(crate) fn vlan(self) -> Option<u16> {
        match self {
            Self::Vlan(vlan) => Some(vlan.value()),
            Self::Ethernet | Self::Ip => None,
        }
    }

    /// Bytes before the network layer.
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Self::Ethernet => ETHERNET_HEADER,
            Self::Vlan(_) => TAGGED_HEADER,
            Self::Ip => 0,
        }
    }

    /// Whether a frame with that tag, or without one, is for this station. A tag with number 0 names no VLAN.
    pub(crate) fn takes(self, vlan: Option<VlanId>) -> bool {
        let vlan = vlan.filter(|vlan| *vlan != VlanId::ZERO);
        match self {
            Self::Ethernet => vlan.is_none(),
            Self::Vlan(own) => vlan == Some(own),
            Self::Ip => false,
        }
    }

    /// Appends what stands before the network layer.
    pub(crate) fn append_header(self, packet: &mut Vec<u8>, destination: Mac, source: Mac, ether_type: EtherType) {
        match self {
            Self::Ethernet => packet.extend(header(destination, source, ether_type)),
            Self::Vlan(vlan_id) => {
                packet.extend(header(destination, source, EtherType::VLAN_TAGGED_FRAME));
                let tag = SingleVlanHeader { vlan_id, ether_type, ..SingleVlanHeader::default() };
                packet.extend(tag.to_bytes());
            }
            Self::Ip => {}
        }
    }
}

/// What stands before the network layer, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ethernet {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    /// The VLAN whose tag the frame has.
    pub(crate) vlan: Option<VlanId>,
    /// Of the network layer. A second tag is none that is known here.
    pub(crate) ether_type: EtherType,
    /// Where the network layer starts.
    pub(crate) body: usize,
}

/// Reads the ethernet header and a VLAN tag behind it, `None` where the frame is too short for what it should have.
pub(crate) fn parse(frame: &[u8]) -> Option<Ethernet> {
    let header = Ethernet2HeaderSlice::from_slice(frame).ok()?;
    let (vlan, ether_type, body) = match header.ether_type() {
        EtherType::VLAN_TAGGED_FRAME => {
            let (tag, _) = SingleVlanHeader::from_slice(frame.get(ETHERNET_HEADER..)?).ok()?;
            (Some(tag.vlan_id), tag.ether_type, TAGGED_HEADER)
        }
        ether_type => (None, ether_type, ETHERNET_HEADER),
    };
    let (destination, source) = (Mac(header.destination()), Mac(header.source()));
    Some(Ethernet { destination, source, vlan, ether_type, body })
}

/// Bytes of an ethernet header.
pub(crate) fn header(destination: Mac, source: Mac, ether_type: EtherType) -> [u8; ETHERNET_HEADER] {
    Ethernet2Header { destination: destination.0, source: source.0, ether_type }.to_bytes()
}

/// Writes other stations into a frame, which keeps its tag and type.
pub(crate) fn address(frame: &mut [u8], destination: Mac, source: Mac) {
    for (place, mac) in frame.chunks_exact_mut(6).zip([destination, source]) {
        place.copy_from_slice(&mac.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const FROM: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn vlan(id: u16) -> VlanId {
        VlanId::try_new(id).unwrap()
    }

    #[test]
    fn header_and_reading_agree() {
        let bytes = header(TO, FROM, EtherType::IPV4);
        let read = parse(&bytes).unwrap();
        let wanted = Ethernet { destination: TO, source: FROM, vlan: None, ether_type: EtherType::IPV4, body: 14 };
        assert_eq!(read, wanted);
        assert_eq!(bytes[12..], [0x08, 0x00]);
        assert_eq!(parse(&bytes[..13]), None);
    }

    #[test]
    fn a_tag_is_as_802_1q_writes_it_and_read_again() {
        let mut bytes = Vec::new();
        Encapsulation::Vlan(vlan(0x123)).append_header(&mut bytes, TO, FROM, EtherType::ARP);
        assert_eq!(bytes.len(), Encapsulation::Vlan(vlan(0x123)).header_len());
        assert_eq!(bytes[12..], [0x81, 0x00, 0x01, 0x23, 0x08, 0x06]);
        // Priority and eligibility of a peer are no part of the number.
        bytes[14] |= 0xf0;
        let read = parse(&bytes).unwrap();
        assert_eq!((read.vlan, read.ether_type, read.body), (Some(vlan(0x123)), EtherType::ARP, 18));
        assert_eq!(parse(&bytes[..17]), None);
        address(&mut bytes, FROM, TO);
        let read = parse(&bytes).unwrap();
        assert_eq!((read.destination, read.source, read.vlan), (FROM, TO, Some(vlan(0x123))));
    }

    #[test]
    fn each_station_takes_the_frames_of_its_own_network() {
        for (station, none, zero, seven, eight) in [
            (Encapsulation::Ethernet, true, true, false, false),
            (Encapsulation::Vlan(vlan(7)), false, false, true, false),
        ] {
            assert_eq!(station.takes(None), none);
            assert_eq!(station.takes(Some(VlanId::ZERO)), zero);
            assert_eq!(station.takes(Some(vlan(7))), seven);
            assert_eq!(station.takes(Some(vlan(8))), eight);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes: Vec<u8>) {
            if let Some(read) = parse(&bytes) {
                proptest::prop_assert!(read.body <= bytes.len());
            }
            address(&mut bytes, TO, FROM);
        }
    }
}
