//! `memif bridge --write`.

use crate::bed::Single;
use crate::large::transfer;
use crate::util::Directory;
use crate::util::pcapng::{Packet, Read, read};
use crate::wire::{Plan, Wire};

const IN: u32 = 1;
const OUT: u32 = 2;

pub(crate) fn what_the_kernel_pings() {
    let directory = Directory::new();
    let single = Single::new("slave", "", &format!("--write {}", directory.text("a.pcapng")));
    single.ping("-c 20 -i 0.01");
    single.bridge.terminate();
    let finished = single.bridge.finish().code(0);
    let read = read(directory.path("a.pcapng"));
    assert!(read.complete && read.link_type == 1 && read.interfaces == 2, "{read:?}");
    finished.says(&format!("{} written to", read.packets.len()));
    // Echo requests and replies of IPv4: each reply behind its request.
    let echoes = read.packets.iter().filter(|packet| packet.data.get(23) == Some(&1));
    let echoes: Vec<_> = echoes.map(|packet| (packet.direction, packet.data[34], packet.data[41])).collect();
    let wanted: Vec<_> = (1..=20).flat_map(|number| [(OUT, 8, number), (IN, 0, number)]).collect();
    assert_eq!(echoes, wanted);
}

pub(crate) fn frames_as_the_peer_sees_them() {
    for ip in [false, true] {
        let wire = Wire::written(Plan { ip, mtu: 1500, spoil: None });
        transfer(&wire, 0, false, "4");
        transfer(&wire, 1, false, "4");
        let [one, two] = wire.files();
        same(&one, &two, ip);
        same(&two, &one, ip);
    }
}

/// Asserts that what one bridge wrote as sent is what the other one wrote as received, in frames of the MTU.
fn same(from: &Read, to: &Read, ip: bool) {
    let of = |read: &Read, direction| -> Vec<Vec<u8>> {
        let ours = |packet: &&Packet| packet.direction == direction;
        read.packets.iter().filter(ours).map(|packet| packet.data.clone()).collect()
    };
    let (sent, received) = (of(from, OUT), of(to, IN));
    let longest = if ip { 1500 } else { 1514 };
    assert!(sent.iter().all(|frame| frame.len() <= longest));
    let full = received.iter().filter(|frame| frame.len() == longest).count();
    assert!(full > 1000, "{full} of {} frames", received.len());
    // The last ones may be lost with the test's end.
    assert!(sent.starts_with(&received), "other frames, or in another order");
}
