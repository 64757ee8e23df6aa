//! Where the network layer starts in a packet, in either mode of an interface.

use etherparse::{EtherType, Ethernet2Header, Ethernet2HeaderSlice};

use super::mac::Mac;

/// Bytes of an ethernet header.
pub(crate) const ETHERNET_HEADER: usize = Ethernet2Header::LEN;

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

/// An ethernet header, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ethernet {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    pub(crate) ether_type: EtherType,
}

/// Reads the ethernet header, `None` where the frame is too short for one.
pub(crate) fn parse(frame: &[u8]) -> Option<Ethernet> {
    let header = Ethernet2HeaderSlice::from_slice(frame).ok()?;
    Some(Ethernet {
        destination: Mac(header.destination()),
        source: Mac(header.source()),
        ether_type: header.ether_type(),
    })
}

/// Bytes of an ethernet header.
pub(crate) fn header(destination: Mac, source: Mac, ether_type: EtherType) -> [u8; ETHERNET_HEADER] {
    Ethernet2Header { destination: destination.0, source: source.0, ether_type }.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_reading_agree() {
        let (to, from) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let bytes = header(to, from, EtherType::IPV4);
        let read = parse(&bytes).unwrap();
        assert_eq!(read, Ethernet { destination: to, source: from, ether_type: EtherType::IPV4 });
        assert_eq!(bytes[12..], [0x08, 0x00]);
        assert_eq!(parse(&bytes[..13]), None);
    }
}
