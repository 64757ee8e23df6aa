//! Files that other programs wrote, of packets that are known: they arrive unchanged, all of them, in their order.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::files::{Packet, bytes_of, packets, pcap, write};
use super::receiver::replayed;
use super::util::{Directory, memif};

/// Runs a program in a directory.
#[track_caller]
fn run(directory: &Directory, program: &str, arguments: &str) {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace()).current_dir(directory.path("")).env("TZ", "UTC");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A directory with `base.pcap`, and the packets in it.
fn base() -> (Directory, Vec<Packet>) {
    let directory = Directory::new();
    let packets = packets(300, 1_000);
    write(&directory.path("base.pcap"), &packets);
    (directory, packets)
}

/// Asserts that all packets of a file arrive.
#[track_caller]
fn arrives(directory: &Directory, file: &str, packets: &[Packet]) {
    let (arrived, finished) = replayed(&format!("{} --topspeed", directory.text(file)));
    assert!(arrived == bytes_of(packets), "{file}: {} of {}: {finished:#?}", arrived.len(), packets.len());
    finished.code(0).says(&format!("{} packets sent", packets.len())).says("0 left out");
}

pub(crate) fn files_of_tcpdump() {
    let (directory, packets) = base();
    // It keeps its user, who can write here.
    let user = "-Z root";
    run(&directory, "tcpdump", &format!("-r base.pcap -w us.pcap {user}"));
    run(&directory, "tcpdump", &format!("-r base.pcap --time-stamp-precision=nano -w ns.pcap {user}"));
    for (file, magic) in [("us.pcap", 0xa1b2_c3d4_u32), ("ns.pcap", 0xa1b2_3c4d)] {
        assert_eq!(fs::read(directory.path(file)).unwrap()[..4], magic.to_le_bytes());
        arrives(&directory, file, &packets);
    }
}

pub(crate) fn files_of_tshark() {
    let (directory, packets) = base();
    run(&directory, "tshark", "-r base.pcap -w out.pcapng");
    arrives(&directory, "out.pcapng", &packets);
    // Blocks that nobody knows, in between and behind, and the packets again in a section of their own.
    let file = fs::read(directory.path("out.pcapng")).unwrap();
    let length = |at: usize| u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
    let (mut places, mut at) = (Vec::new(), 0);
    while at < file.len() {
        places.push(at);
        at += length(at);
    }
    let unknown = [0x0bad_u32, 20, 1, 2, 20].map(u32::to_le_bytes).concat();
    let mut with_more = Vec::new();
    for (block, at) in places.iter().enumerate() {
        with_more.extend(&file[*at..*at + length(*at)]);
        if block % 7 == 1 {
            with_more.extend(&unknown);
        }
    }
    with_more.extend(&file);
    with_more.extend(&unknown);
    fs::write(directory.path("more.pcapng"), &with_more).unwrap();
    arrives(&directory, "more.pcapng", &[&packets[..], &packets].concat());
    // Its last packet is cut.
    let last = *places.iter().rfind(|at| file[**at] == 6).unwrap();
    fs::write(directory.path("cut.pcapng"), &file[..last + length(last) - 7]).unwrap();
    let (arrived, finished) = replayed(&format!("{} --topspeed", directory.text("cut.pcapng")));
    assert_eq!(arrived, bytes_of(&packets[..299]));
    finished.code(0).complains(&format!("ends within the packet or block at byte {last}"));
}

pub(crate) fn files_of_editcap() {
    let (directory, packets) = base();
    for format in ["pcap", "nsecpcap", "modpcap", "pcapng"] {
        run(&directory, "editcap", &format!("-F {format} base.pcap {format}"));
        arrives(&directory, format, &packets);
    }
    // Captured in part: as long again as they were.
    run(&directory, "editcap", "-s 60 base.pcap short.pcapng");
    let padded = |packet: &Packet| {
        let mut bytes = packet.bytes[..60].to_vec();
        bytes.resize(packet.bytes.len(), 0);
        Packet { bytes, ..packet.clone() }
    };
    arrives(&directory, "short.pcapng", &packets.iter().map(padded).collect::<Vec<_>>());
}

pub(crate) fn several_interfaces_of_mergecap() {
    let (directory, packets) = base();
    let (even, odd): (Vec<_>, Vec<_>) = packets.iter().cloned().enumerate().partition(|(at, _)| at % 2 == 0);
    let packets_of = |half: Vec<(usize, Packet)>| half.into_iter().map(|(_, packet)| packet).collect::<Vec<_>>();
    write(&directory.path("even.pcap"), &packets_of(even));
    write(&directory.path("odd.pcap"), &packets_of(odd));
    run(&directory, "mergecap", "-I none -w merged.pcapng even.pcap odd.pcap");
    arrives(&directory, "merged.pcapng", &packets);
    // Of two link types: what does not fit is left out, and said.
    let of_ip = |packet: &Packet| Packet { bytes: packet.bytes[14..].to_vec(), ..packet.clone() };
    fs::write(directory.path("ip.pcap"), pcap(101, &packets.iter().map(of_ip).collect::<Vec<_>>())).unwrap();
    run(&directory, "mergecap", "-I none -w mixed.pcapng base.pcap ip.pcap");
    let (arrived, finished) = replayed(&format!("{} --topspeed", directory.text("mixed.pcapng")));
    assert_eq!(arrived, bytes_of(&packets));
    finished
        .code(1)
        .says("300 left out (of another link type: 300)")
        .complains("does not carry raw IP, link type 101: give --mode ip");
}

pub(crate) fn files_of_scapy() {
    let (directory, packets) = base();
    let script = "
from scapy.utils import RawPcapReader, RawPcapWriter, PcapNgWriter
from scapy.layers.l2 import Ether
for name, order, nano in (('little', '<', False), ('big', '>', False), ('bignano', '>', True)):
    writer = RawPcapWriter(name + '.pcap', linktype=1, endianness=order, nano=nano)
    writer.write_header(None)
    for data, meta in RawPcapReader('base.pcap'):
        writer.write_packet(data, sec=meta.sec, usec=meta.usec, caplen=meta.caplen, wirelen=meta.wirelen)
    writer.close()
writer = PcapNgWriter('scapy.pcapng')
for data, meta in RawPcapReader('base.pcap'):
    packet = Ether(data)
    packet.time = meta.sec
    writer.write(packet)
writer.close()
";
    fs::write(directory.path("write.py"), script).unwrap();
    // Debian's, which has the package; another may come first in PATH.
    run(&directory, "/usr/bin/python3", "write.py");
    for file in ["little.pcap", "big.pcap", "bignano.pcap", "scapy.pcapng"] {
        arrives(&directory, file, &packets);
    }
    assert_eq!(fs::read(directory.path("bignano.pcap")).unwrap()[..4], [0xa1, 0xb2, 0x3c, 0x4d]);
}

pub(crate) fn files_packed_by_gzip() {
    let (directory, packets) = base();
    run(&directory, "gzip", "-k base.pcap");
    // What it is, its bytes say.
    fs::rename(directory.path("base.pcap.gz"), directory.path("packed")).unwrap();
    arrives(&directory, "packed", &packets);
}

pub(crate) fn files_packed_by_zstd() {
    let (directory, packets) = base();
    for level in ["-1", "-19"] {
        run(&directory, "zstd", &format!("-q -f {level} base.pcap -o packed"));
        arrives(&directory, "packed", &packets);
    }
    // Cut within its last block: what was unpacked before, though all of it is still within the window.
    let packed = fs::read(directory.path("packed")).unwrap();
    fs::write(directory.path("packed"), &packed[..packed.len() - 8]).unwrap();
    let (arrived, finished) = replayed(&format!("{} --topspeed", directory.text("packed")));
    assert!(arrived.len() > 50 && arrived[..] == bytes_of(&packets)[..arrived.len()], "{} came", arrived.len());
    finished.code(0).complains("the file ends within the packet or block");
    // From a pipe, so that it does not know how little there is.
    let mut wide = Command::new("zstd");
    wide.args(["-q", "--long=27", "-c"])
        .stdin(Stdio::piped())
        .stdout(fs::File::create(directory.path("wide")).unwrap());
    let mut wide = wide.spawn().unwrap();
    wide.stdin.take().unwrap().write_all(&fs::read(directory.path("base.pcap")).unwrap()).unwrap();
    assert!(wide.wait().unwrap().success());
    let finished = memif(&format!("replay {} --socket @nobody-is-there", directory.text("wide"))).finish();
    finished.code(2).complains("a window of 134217728 bytes").complains("zstd -dc --long=31");
}
