//! Neighbours that are known before anybody asks.

use ::smoltcp::iface::{Interface, SocketSet};
use ::smoltcp::phy::{self, DeviceCapabilities, Medium};
use ::smoltcp::time::Instant;
use ::smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Ipv4Address,
};

use super::device::{Device, RxToken};

impl Device {
    /// Tells an interface of this device where a neighbour is, as if that had told: so nothing has to be asked before
    /// the first packet goes there. Does nothing on [`Medium::Ip`], where there are no such addresses, and for an
    /// address outside of the interface's networks.
    ///
    /// smoltcp asks for one neighbour in a second, whatever number of sockets waits, so the tenth peer that it has to
    /// look for is found nine seconds after the first. It keeps an entry for a minute, and eight of them unless
    /// `SMOLTCP_IFACE_NEIGHBOR_CACHE_COUNT` was set when it was built.
    pub fn add_neighbor(
        &self,
        now: Instant,
        interface: &mut Interface,
        address: Ipv4Address,
        hardware_address: EthernetAddress,
    ) {
        if self.medium() != Medium::Ethernet {
            return;
        }
        let Some(own) = interface.ipv4_addr() else { return };
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: hardware_address,
            source_protocol_addr: address,
            target_hardware_addr: EthernetAddress::BROADCAST,
            target_protocol_addr: own,
        };
        let header = EthernetRepr {
            src_addr: hardware_address,
            dst_addr: EthernetAddress::BROADCAST,
            ethertype: EthernetProtocol::Arp,
        };
        let mut frame = vec![0; header.buffer_len() + reply.buffer_len()];
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        header.emit(&mut ethernet);
        reply.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
        let mut letter = Letter { frame: Some(frame), given: Vec::new() };
        interface.poll_ingress_single(now, &mut letter, &mut SocketSet::new(Vec::new()));
    }
}

/// A device on which one frame comes.
struct Letter {
    frame: Option<Vec<u8>>,
    given: Vec<u8>,
}

impl phy::Device for Letter {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = Nowhere;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, Nowhere)> {
        self.given = self.frame.take()?;
        Some((RxToken(&self.given), Nowhere))
    }

    fn transmit(&mut self, _: Instant) -> Option<Nowhere> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}

/// A reply that nobody waits for.
struct Nowhere;

impl phy::TxToken for Nowhere {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        f(&mut vec![0; len])
    }
}
