//! Frames of one flow that follow on one another, as one packet for the kernel.

use std::mem;

use tun_rs::{VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4, VirtioNetHdr};

use super::layers::{Layers, Transport, Version};
use super::parts::{
    ACK, ECE, HEADER, IPV4_HEADER, IPV4_ID, IPV4_LENGTH, IPV6_HEADER, IPV6_LENGTH, MAX_PACKET, NEEDS_CHECKSUM,
    Offloads, PSH, Room, TCP_FLAGS, TCP_HEADER, TCP_SEQUENCE, UDP_CHECKSUM, UDP_LENGTH, complete_ipv4, double_word,
    fold, put_double_word, put_word, sum, word,
};
use crate::packet::Framing;

/// Bytes of the longest headers of a frame that is joined: ethernet, two tags, IPv6, TCP with all its options.
const LONGEST: usize = 14 + 2 * 4 + IPV6_HEADER + 60;
/// Frames of UDP in one packet: as many as the kernel takes of a program at once.
const MOST_DATAGRAMS: u64 = 64;

/// A frame that is read from elsewhere.
pub(in super::super) trait Source {
    fn len(&self) -> usize;
    /// Copies from byte `offset` on, as much as there is room for.
    fn read(&self, offset: usize, to: &mut [u8]);
}

/// What is given to the kernel: a packet, after the header that says what it stands for.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Joined<'b> {
    pub(in super::super) bytes: &'b [u8],
    /// Frames in it, and bytes of those.
    pub(in super::super) frames: u64,
    pub(in super::super) frame_bytes: u64,
}

/// Joins frames in the order in which they come, and changes that order for none: what does not follow on the frame
/// before it goes behind it. A packet is held back until the next one came, or until [`flush`](Self::flush).
///
/// Only frames that [`cut`](super::cut) makes again are joined, to the byte; all others pass as they are. That takes
/// in that their checksums are right: the kernel takes a joined packet for checked, and checks others itself.
#[derive(Debug)]
pub(in super::super) struct Joiner {
    framing: Framing,
    offloads: Offloads,
    buffer: Room,
    /// Whether the header there is one of several frames.
    joined: bool,
    run: Option<Run>,
}

/// Frames that were joined.
#[derive(Debug)]
struct Run {
    layers: Layers,
    /// Bytes of the packet so far.
    len: usize,
    /// Payload bytes of each frame but the last.
    size: usize,
    frames: u64,
    /// Flags of the last frame, of TCP.
    flags: u8,
    /// Whether none can follow.
    ended: bool,
    /// Whether the checksums of the first frame were looked at, and are right.
    checked: bool,
}

impl Joiner {
    /// For a device with those offloads: without any, each frame passes as it is, and nothing stands before it.
    pub(in super::super) fn new(framing: Framing, offloads: Offloads) -> Self {
        Self { framing, offloads, buffer: Room::new(), joined: false, run: None }
    }

    /// Adds a frame. What goes to the kernel before it, or is it, is given to `out`.
    pub(in super::super) fn add<E>(
        &mut self,
        frame: &impl Source,
        mut out: impl FnMut(Joined<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let len = frame.len().min(MAX_PACKET);
        let mut there = 0;
        if let Some(run) = &mut self.run {
            let headers = run.layers.payload;
            let mut head = [0; LONGEST];
            if let (true, Some(head)) = (run.takes(len), head.get_mut(..headers)) {
                frame.read(0, head);
                there = headers;
                let packet = self.buffer.packet();
                let (before, tail) = packet.split_at_mut_checked(run.len).unwrap_or_default();
                let tail = tail.get_mut(..len - headers).unwrap_or_default();
                if run.is_followed_by(before, head, tail.len()) {
                    frame.read(headers, tail);
                    there = len;
                    if run.check(before) && is_right(run.layers, head, tail) {
                        run.append(head, tail.len());
                        return Ok(());
                    }
                }
            }
            let (behind, headers) = (run.len, headers.min(there));
            self.flush(&mut out)?;
            // What was read of this frame already.
            if there > headers {
                self.buffer.packet().copy_within(behind..behind + there - headers, headers);
            }
            if let Some(place) = self.buffer.packet().get_mut(..headers) {
                place.copy_from_slice(head.get(..headers).unwrap_or_default());
            }
        }
        let packet = self.buffer.packet().get_mut(..len).unwrap_or_default();
        frame.read(there, packet.get_mut(there..).unwrap_or_default());
        self.run = if self.offloads.tcp { Run::begin(packet, self.framing, self.offloads.udp) } else { None };
        if self.run.is_none() {
            let bytes = self.with_header(None, len);
            return out(Joined { bytes, frames: 1, frame_bytes: len as u64 });
        }
        Ok(())
    }

    /// Gives out what is held back.
    pub(in super::super) fn flush<E>(&mut self, mut out: impl FnMut(Joined<'_>) -> Result<(), E>) -> Result<(), E> {
        let Some(run) = mem::take(&mut self.run) else { return Ok(()) };
        let packet = self.buffer.packet().get_mut(..run.len).unwrap_or_default();
        let header = (run.frames > 1).then(|| run.finish(packet));
        let bytes = self.with_header(header, run.len);
        let repeated = (run.frames - 1) * run.layers.payload as u64;
        out(Joined { bytes, frames: run.frames, frame_bytes: run.len as u64 + repeated })
    }

    /// A packet of that length, with what stands before it: nothing but zeros for a single frame. Those are written
    /// where they are not there already, since the kernel would wait for bytes that were written just before.
    fn with_header(&mut self, header: Option<VirtioNetHdr>, len: usize) -> &[u8] {
        let from = if self.offloads.tcp { 0 } else { HEADER };
        let joined = header.is_some();
        let whole = self.buffer.whole();
        if joined || self.joined {
            // There is room for it.
            let _ = header.unwrap_or_default().encode(whole);
        }
        self.joined = joined;
        whole.get(from..HEADER + len).unwrap_or_default()
    }
}

impl Run {
    /// With a first frame, where others may follow on it.
    fn begin(frame: &[u8], framing: Framing, udp: bool) -> Option<Self> {
        let layers = Layers::plain(frame, framing)?;
        let size = frame.len() - layers.payload;
        let length = u16::try_from(frame.len() - layers.network).ok()?;
        let stated = match layers.version {
            Version::V4 => usize::from(word(frame, layers.network + IPV4_LENGTH)?),
            Version::V6 => IPV6_HEADER + usize::from(word(frame, layers.network + IPV6_LENGTH)?),
        };
        // Nothing to join, or padding behind it.
        if size == 0 || stated != usize::from(length) {
            return None;
        }
        let flags = match layers.kind {
            Transport::Tcp => *frame.get(layers.transport + TCP_FLAGS)?,
            Transport::Udp => 0,
        };
        let takes_more = match layers.kind {
            Transport::Tcp => layers.payload >= layers.transport + TCP_HEADER && flags & !ECE == ACK,
            Transport::Udp => {
                let right = usize::from(word(frame, layers.transport + UDP_LENGTH)?) == frame.len() - layers.transport;
                // Without a checksum it stays without one.
                udp && right && word(frame, layers.transport + UDP_CHECKSUM)? != 0
            }
        };
        let run = Self { layers, len: frame.len(), size, frames: 1, flags, ended: false, checked: false };
        takes_more.then_some(run)
    }

    /// Whether a frame of that length could follow.
    fn takes(&self, len: usize) -> bool {
        let Some(payload) = len.checked_sub(self.layers.payload) else { return false };
        let most = usize::from(u16::MAX) + self.layers.network;
        let many = self.layers.kind == Transport::Udp && self.frames >= MOST_DATAGRAMS;
        !self.ended && !many && (1..=self.size).contains(&payload) && self.len + payload <= most
    }

    /// Whether a frame with those headers, and so much payload, is what [`cut`](super::cut) would make of a packet
    /// that starts with `first`, where the checksums are right.
    fn is_followed_by(&self, first: &[u8], head: &[u8], payload: usize) -> bool {
        let Layers { network, version, transport, kind, .. } = self.layers;
        let mut wanted = [0; LONGEST];
        let (Some(wanted), Some(first)) = (wanted.get_mut(..head.len()), first.get(..head.len())) else {
            return false;
        };
        wanted.copy_from_slice(first);
        let length = |before: usize| u16::try_from(head.len() - before + payload).unwrap_or(u16::MAX);
        match version {
            Version::V4 => {
                let id = word(first, network + IPV4_ID).unwrap_or_default();
                let number = u16::try_from(self.frames).unwrap_or_default();
                put_word(wanted, network + IPV4_ID, id.wrapping_add(number));
                put_word(wanted, network + IPV4_LENGTH, length(network));
                if let Some(ip) = wanted.get_mut(network..transport) {
                    complete_ipv4(ip);
                }
            }
            Version::V6 => put_word(wanted, network + IPV6_LENGTH, length(network + IPV6_HEADER)),
        }
        match kind {
            Transport::Tcp => {
                let sequence = double_word(first, transport + TCP_SEQUENCE).unwrap_or_default();
                let before = u32::try_from(self.len - head.len()).unwrap_or_default();
                put_double_word(wanted, transport + TCP_SEQUENCE, sequence.wrapping_add(before));
                if let (Some(flags), Some(own)) =
                    (wanted.get_mut(transport + TCP_FLAGS), head.get(transport + TCP_FLAGS))
                {
                    // The last one may have more to say.
                    *flags |= own & PSH;
                }
            }
            Transport::Udp => put_word(wanted, transport + UDP_LENGTH, length(transport)),
        }
        // Of its own.
        let at = transport + kind.checksum();
        let own = word(head, at).unwrap_or_default();
        put_word(wanted, at, own);
        wanted == head
    }

    /// Whether the checksums of the first frame are right.
    fn check(&mut self, packet: &[u8]) -> bool {
        if !self.checked {
            let Layers { network, version, transport, payload, .. } = self.layers;
            let (head, rest) = packet.split_at_checked(payload).unwrap_or_default();
            let mut ip = [0; IPV4_HEADER];
            let header_right = version == Version::V6
                || head.get(network..transport).is_some_and(|header| {
                    ip.copy_from_slice(header.get(..IPV4_HEADER).unwrap_or(&[0; IPV4_HEADER]));
                    complete_ipv4(&mut ip);
                    ip == *header
                });
            self.checked = header_right && is_right(self.layers, head, rest);
        }
        self.checked
    }

    /// Takes in a frame, whose payload stands behind what there is.
    fn append(&mut self, head: &[u8], payload: usize) {
        self.len += payload;
        self.frames += 1;
        if self.layers.kind == Transport::Tcp {
            self.flags = head.get(self.layers.transport + TCP_FLAGS).copied().unwrap_or_default();
        }
        self.ended = payload < self.size || self.flags & PSH != 0;
    }

    /// Makes one packet of several frames: gives what stands before it.
    fn finish(&self, packet: &mut [u8]) -> VirtioNetHdr {
        let Layers { network, version, transport, kind, payload } = self.layers;
        let length = |before: usize| u16::try_from(self.len - before).unwrap_or(u16::MAX);
        match version {
            Version::V4 => {
                put_word(packet, network + IPV4_LENGTH, length(network));
                if let Some(ip) = packet.get_mut(network..transport) {
                    complete_ipv4(ip);
                }
            }
            Version::V6 => put_word(packet, network + IPV6_LENGTH, length(network + IPV6_HEADER)),
        }
        let gso_type = match (kind, version) {
            (Transport::Tcp, Version::V4) => VIRTIO_NET_HDR_GSO_TCPV4,
            (Transport::Tcp, Version::V6) => VIRTIO_NET_HDR_GSO_TCPV6,
            (Transport::Udp, _) => VIRTIO_NET_HDR_GSO_UDP_L4,
        };
        match kind {
            Transport::Tcp => {
                if let Some(flags) = packet.get_mut(transport + TCP_FLAGS) {
                    *flags = self.flags;
                }
            }
            Transport::Udp => put_word(packet, transport + UDP_LENGTH, length(transport)),
        }
        // The kernel goes on from the sum of the pseudo header.
        let pseudo = fold(self.layers.pseudo(packet) + u64::from(length(transport)));
        put_word(packet, transport + kind.checksum(), pseudo);
        let short = |value: usize| u16::try_from(value).unwrap_or_default();
        VirtioNetHdr {
            flags: NEEDS_CHECKSUM,
            gso_type,
            hdr_len: short(payload),
            gso_size: short(self.size),
            csum_start: short(transport),
            csum_offset: short(kind.checksum()),
        }
    }
}

/// Whether the transport layer of a frame has the checksum that [`cut`](super::cut) would write.
fn is_right(layers: Layers, head: &[u8], payload: &[u8]) -> bool {
    let Layers { transport, kind, .. } = layers;
    let Some(header) = head.get(transport..) else { return false };
    let Some(stated) = word(header, kind.checksum()) else { return false };
    let length = (header.len() + payload.len()) as u64;
    // What is stated is part of the sum.
    let all = fold(sum(payload, sum(header, layers.pseudo(head) + length)));
    // Zero and all ones are one number in ones' complement: only one of them is what would be written.
    let other = if kind == Transport::Udp { 0 } else { u16::MAX };
    all == u16::MAX && stated != other
}
