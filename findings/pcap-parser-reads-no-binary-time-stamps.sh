#!/usr/bin/env bash
# pcap-parser 0.17.0 reads no time stamps of pcapng whose unit is a power of two, and takes an offset of a big-endian
# section for a little-endian one.
#
# if_tsresol with its highest bit set is a negative power of two (draft-ietf-opsawg-pcapng, 4.2). The crate compares the
# whole byte with 63 before it takes that bit off, so ts_resolution() is None for every one of them; a program that then
# falls back to the default of microseconds, or unwraps, is wrong for a valid file. if_tsoffset is read as little-endian
# whatever the byte order of its section, so ts_offset() of a big-endian file is another number.
#
# Seen with pcap-parser 0.17.0 (rustc 1.95), and tshark 4.0.17 of Debian 12, which reads both:
#   tshark: 1.500000000 102.500000000
#   pcap-parser: resolution None, offset 7205759403792793600
#
# Needs cargo with its registry at hand, and tshark.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Two files: 1024 units a second and a stamp of 1536; the same in a big-endian section with an offset of 100 s and a
# stamp of 2.5 s in microseconds.
python3 - <<'PYTHON'
import struct
def block(order, kind, body):
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)
def file(order, options, stamp):
    section = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(order, 1, struct.pack(order + "HHI", 1, 0, 0) + options + bytes(4))
    packet = block(order, 6, struct.pack(order + "IIIII", 0, 0, stamp, 16, 16) + bytes(16))
    return section + interface + packet
open("binary.pcapng", "wb").write(file("<", struct.pack("<HHB3x", 9, 1, 0x80 | 10), 1536))
open("offset.pcapng", "wb").write(file(">", struct.pack(">HHq", 14, 8, 100), 2_500_000))
PYTHON

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "look"
version = "0.0.0"
edition = "2021"
[workspace]
[dependencies]
pcap-parser = "=0.17.0"
TOML
cat >src/main.rs <<'RUST'
use pcap_parser::{pcapng::{parse_block_be, parse_block_le, Block}, PcapError};
type Parse = fn(&[u8]) -> pcap_parser::nom::IResult<&[u8], Block<'_>, PcapError<&[u8]>>;
fn main() {
    // A section header has 28 bytes; the interface is behind it.
    let of = |file: &str, parse: Parse| {
        let bytes = std::fs::read(file).unwrap();
        match parse(&bytes[28..]).unwrap().1 {
            Block::InterfaceDescription(found) => (found.ts_resolution(), found.ts_offset()),
            _ => panic!("no interface"),
        }
    };
    let (resolution, _) = of("binary.pcapng", parse_block_le);
    let (_, offset) = of("offset.pcapng", parse_block_be);
    println!("resolution {resolution:?}, offset {offset}");
}
RUST

times=$(for file in binary offset; do tshark -r $file.pcapng -T fields -e frame.time_epoch 2>/dev/null; done | xargs)
parsed=$(cargo run --quiet)
echo "tshark: $times"
echo "pcap-parser: $parsed"
[ "$times" = "1.500000000 102.500000000" ]
[ "$parsed" = "resolution None, offset 7205759403792793600" ]
