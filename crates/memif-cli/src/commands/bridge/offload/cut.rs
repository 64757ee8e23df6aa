//! What the kernel gave as one packet, as the frames that it stands for.

use tun_rs::{VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4, VirtioNetHdr};

use super::layers::{Layers, Transport, Version, network};
use super::parts::{
    CWR, FIN, GSO_ECN, GSO_NONE, IPV4_HEADER, IPV4_ID, IPV4_LENGTH, IPV6_HEADER, IPV6_LENGTH, NEEDS_CHECKSUM, PSH,
    TCP_FLAGS, TCP_HEADER, TCP_SEQUENCE, UDP_LENGTH, complete_ipv4, double_word, fold, put_double_word, put_word, sum,
    word,
};
use crate::packet::Framing;

/// A packet that is to be cut in a way that is not known here, or that does not hold what its header says.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Unknown;

/// How far a packet was cut into frames.
#[derive(Debug)]
pub(in super::super) struct Cut {
    /// Bytes of the headers that each frame has.
    headers: usize,
    /// Where the payload of the next frame starts, and bytes of it in each frame but the last.
    from: usize,
    size: usize,
    /// How many frames went before.
    number: u16,
    plan: Option<Plan>,
    done: bool,
}

/// What the frames of a packet differ in.
#[derive(Clone, Copy, Debug)]
struct Plan {
    layers: Layers,
    id: u16,
    sequence: u32,
    flags: u8,
    /// The sum of the pseudo header, without the length in it.
    pseudo: u64,
}

impl Cut {
    /// A packet as it is; one without a byte is nothing.
    pub(in super::super) fn whole(packet: &[u8]) -> Self {
        Self { headers: packet.len(), from: packet.len(), size: 0, number: 0, plan: None, done: packet.is_empty() }
    }

    /// A packet with what stood before it. Completes its checksum where the kernel left that out.
    pub(in super::super) fn new(header: &VirtioNetHdr, packet: &mut [u8], framing: Framing) -> Result<Self, Unknown> {
        let needs_checksum = header.flags & NEEDS_CHECKSUM != 0;
        let start = usize::from(header.csum_start);
        if header.gso_type == GSO_NONE {
            if needs_checksum {
                complete(packet, start, usize::from(header.csum_offset)).ok_or(Unknown)?;
            }
            return Ok(Self::whole(packet));
        }
        let layers = layers(header, packet, framing).ok_or(Unknown)?;
        if needs_checksum && usize::from(header.csum_offset) != layers.kind.checksum() {
            return Err(Unknown);
        }
        let Layers { network, transport, .. } = layers;
        let byte = |at: usize| packet.get(at).copied().ok_or(Unknown);
        // The kernel left the sum of the pseudo header there, with the length of the whole.
        let pseudo = if needs_checksum {
            let length = u16::try_from(packet.len() - transport).map_err(|_| Unknown)?;
            let all = word(packet, transport + layers.kind.checksum()).ok_or(Unknown)?;
            u64::from(all) + u64::from(!length)
        } else {
            layers.pseudo(packet)
        };
        let plan = Plan {
            layers,
            id: word(packet, network + IPV4_ID).ok_or(Unknown)?,
            sequence: double_word(packet, transport + TCP_SEQUENCE).ok_or(Unknown)?,
            flags: if layers.kind == Transport::Tcp { byte(transport + TCP_FLAGS)? } else { 0 },
            pseudo,
        };
        let size = usize::from(header.gso_size);
        let headers = layers.payload;
        if size == 0 || headers > packet.len() || headers - network + size > usize::from(u16::MAX) {
            return Err(Unknown);
        }
        Ok(Self { headers, from: headers, size, number: 0, plan: Some(plan), done: false })
    }

    /// The next frame, in two parts: the same until [`advance`](Self::advance) is called. `None` after the last.
    pub(in super::super) fn frame<'p>(&self, packet: &'p mut [u8]) -> Option<(&'p [u8], &'p [u8])> {
        if self.done {
            return None;
        }
        let (head, payload) = packet.split_at_mut_checked(self.headers)?;
        let from = self.from - self.headers;
        let to = from.saturating_add(self.size).min(payload.len());
        let last = to == payload.len();
        let part = payload.get(from..to)?;
        if let Some(plan) = &self.plan {
            plan.write(head, part, self.number, self.size, last);
        }
        Some((head, part))
    }

    /// Goes on to the next frame of a packet of that length.
    pub(in super::super) fn advance(&mut self, len: usize) {
        self.from = self.from.saturating_add(self.size);
        self.number = self.number.wrapping_add(1);
        self.done = self.from >= len;
    }

    /// Frames that are left of a packet of that length.
    pub(in super::super) fn left(&self, len: usize) -> u64 {
        if self.done { 0 } else { len.saturating_sub(self.from).div_ceil(self.size.max(1)).max(1) as u64 }
    }

    /// Whether all frames are done.
    pub(in super::super) fn is_done(&self) -> bool {
        self.done
    }
}

impl Plan {
    /// Writes the headers of frame `number` with that payload.
    fn write(&self, head: &mut [u8], payload: &[u8], number: u16, size: usize, last: bool) {
        let Layers { network, version, transport, kind, payload: headers } = self.layers;
        let ip_length = u16::try_from(headers - network + payload.len()).unwrap_or(u16::MAX);
        if let Some(ip) = head.get_mut(network..transport) {
            match version {
                Version::V4 => {
                    put_word(ip, IPV4_LENGTH, ip_length);
                    put_word(ip, IPV4_ID, self.id.wrapping_add(number));
                    complete_ipv4(ip);
                }
                Version::V6 => {
                    let fixed = u16::try_from(IPV6_HEADER).unwrap_or_default();
                    put_word(ip, IPV6_LENGTH, ip_length.saturating_sub(fixed));
                }
            }
        }
        let Some(header) = head.get_mut(transport..) else { return };
        let length = u16::try_from(header.len() + payload.len()).unwrap_or(u16::MAX);
        match kind {
            Transport::Tcp => {
                let before = u32::from(number).wrapping_mul(u32::try_from(size).unwrap_or_default());
                put_double_word(header, TCP_SEQUENCE, self.sequence.wrapping_add(before));
                // As network cards do: that the window was reduced is said once, that there is no more in the end.
                let not_first = if number > 0 { CWR } else { 0 };
                let not_last = if last { 0 } else { FIN | PSH };
                if let Some(flags) = header.get_mut(TCP_FLAGS) {
                    *flags = self.flags & !(not_first | not_last);
                }
            }
            Transport::Udp => put_word(header, UDP_LENGTH, length),
        }
        put_word(header, kind.checksum(), 0);
        let right = !fold(sum(payload, sum(header, self.pseudo + u64::from(length))));
        // UDP has another meaning for zero.
        let right = if right == 0 && kind == Transport::Udp { u16::MAX } else { right };
        put_word(header, kind.checksum(), right);
    }
}

/// Where the headers of a packet stand that is to be cut. Others than IPv4 and IPv6 without anything between them and
/// TCP or UDP are taken as the kernel says, too: options and extension headers are the same in each frame.
fn layers(header: &VirtioNetHdr, packet: &[u8], framing: Framing) -> Option<Layers> {
    let (at, version) = network(packet, framing)?;
    let kind = match (header.gso_type & !GSO_ECN, version) {
        (VIRTIO_NET_HDR_GSO_TCPV4, Version::V4) | (VIRTIO_NET_HDR_GSO_TCPV6, Version::V6) => Transport::Tcp,
        (VIRTIO_NET_HDR_GSO_UDP_L4, _) => Transport::Udp,
        _ => return None,
    };
    let shortest = match version {
        Version::V4 => usize::from(packet.get(at)? & 0xf) * 4,
        Version::V6 => IPV6_HEADER,
    };
    let transport = match header.flags & NEEDS_CHECKSUM {
        0 => at + shortest,
        _ => usize::from(header.csum_start),
    };
    let header_len = kind.header_len(packet.get(transport..)?)?;
    let least = if kind == Transport::Tcp { TCP_HEADER } else { header_len };
    let found = transport >= at + shortest && shortest >= IPV4_HEADER && header_len >= least;
    found.then_some(Layers { network: at, version, transport, kind, payload: transport + header_len })
}

/// Completes the checksum that stands `offset` bytes behind `start`, where the sum of the pseudo header is.
fn complete(packet: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let rest = packet.get_mut(start..)?;
    word(rest, offset)?;
    let right = match !fold(sum(rest, 0)) {
        // The same to who checks it, and no zero, which UDP has another meaning for.
        0 => u16::MAX,
        right => right,
    };
    put_word(rest, offset, right);
    Some(())
}
