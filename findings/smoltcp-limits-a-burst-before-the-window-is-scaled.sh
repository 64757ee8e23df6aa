#!/usr/bin/env bash
# smoltcp 0.14.0 takes DeviceCapabilities::max_burst_size for a limit of the window field and not of the window: with
# large socket buffers it lets the peer send 2^scale times as much at once.
#
# "Maximum burst size, in terms of MTU. The network device is unable to send or receive bursts large than the value":
# a device with room for one frame would say 1. The limit is put on the 16 bits of the field when the segment is
# written, behind the scaling. A socket buffer of 1 MiB negotiates a scale of 5, so a burst of one frame of 1460 bytes
# of content announces a window of 46720, which is 32 frames. A device that relies on it overflows; up to a buffer of
# 64 KiB, where the scale is 0, it is right.
#
# Seen with smoltcp 0.14.0 (rustc 1.95):
#   buffer 65535: scale 0, field 1460, window 1460 bytes
#   buffer 1048576: scale 5, field 1460, window 46720 bytes
#
# Needs cargo with its registry at hand.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "look"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
smoltcp = { version = "=0.14.0", default-features = false, features = ["std", "medium-ip", "proto-ipv4", "socket-tcp"] }
TOML
cat >src/main.rs <<'RUST'
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Packet, TcpPacket, TcpRepr};

/// Frames that are on their way to it, and those that it sent.
struct Device(Vec<Vec<u8>>, Vec<Vec<u8>>, Option<usize>);
struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut Vec<Vec<u8>>);
impl phy::RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}
impl phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let done = f(&mut frame);
        self.0.push(frame);
        done
    }
}
impl phy::Device for Device {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;
    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        if self.0.is_empty() { None } else { Some((Rx(self.0.remove(0)), Tx(&mut self.1))) }
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.1))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut all = DeviceCapabilities::default();
        all.medium = Medium::Ip;
        all.max_transmission_unit = 1500;
        all.max_burst_size = self.2;
        all
    }
}

fn main() {
    for buffer in [65535, 1 << 20] {
        let now = Instant::ZERO;
        let mut ends = [Some(1), None].map(|burst| Device(vec![], vec![], burst));
        let mut faces = [1, 2].map(|last: u8| {
            let mut face = Interface::new(Config::new(HardwareAddress::Ip), &mut ends[last as usize - 1], now);
            face.update_ip_addrs(|all| all.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24)).unwrap());
            face
        });
        let socket = || tcp::Socket::new(tcp::SocketBuffer::new(vec![0; buffer]), tcp::SocketBuffer::new(vec![0; buffer]));
        let mut sets = [SocketSet::new(vec![]), SocketSet::new(vec![])];
        let client = sets[0].add(socket());
        let server = sets[1].add(socket());
        sets[1].get_mut::<tcp::Socket>(server).listen(80).unwrap();
        let to = (IpAddress::v4(10, 0, 0, 2), 80);
        sets[0].get_mut::<tcp::Socket>(client).connect(faces[0].context(), to, 50000).unwrap();
        // SYN, its answer, and the first segment with a window that counts.
        let mut sent = vec![];
        for end in [0, 1, 0] {
            faces[end].poll(now, &mut ends[end], &mut sets[end]);
            let frames = std::mem::take(&mut ends[end].1);
            ends[1 - end].0.extend(frames.clone());
            if end == 0 {
                sent.extend(frames);
            }
        }
        let parsed: Vec<(Option<u8>, u16)> = sent
            .iter()
            .map(|frame| {
                let ip = Ipv4Packet::new_checked(&frame[..]).unwrap();
                let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
                let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
                let repr = TcpRepr::parse(&tcp, &from, &to, &ChecksumCapabilities::default()).unwrap();
                (repr.window_scale, repr.window_len)
            })
            .collect();
        let (scale, field) = (parsed[0].0.unwrap(), parsed[1].1);
        println!("buffer {buffer}: scale {scale}, field {field}, window {} bytes", u32::from(field) << scale);
    }
}
RUST

said=$(cargo run --quiet)
echo "$said"
[ "$said" = "buffer 65535: scale 0, field 1460, window 1460 bytes
buffer 1048576: scale 5, field 1460, window 46720 bytes" ]
