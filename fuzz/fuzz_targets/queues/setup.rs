//! How the hostile end becomes one: in good order, since nothing is handed out before there is a link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use memif::{InterfaceKey, Link, Socket};
use testkit::plan::SlaveRing;
use testkit::wiremsg::{AddRing, Hello, Message};
use testkit::{Received, Ring, Script, SeqSocket, SharedFile, SlaveMemory, SlavePlan};

use super::{NOW, Peer};

/// A slave has said all that its plan holds, up to CONNECT, which the library has not read. In between the library
/// takes turns.
pub fn slave(peer: &SeqSocket, plan: &SlavePlan, memory: &SlaveMemory, mut turn: impl FnMut()) {
    for step in &Script::new(plan, memory).0 {
        let fds: Vec<BorrowedFd<'_>> = step.fds.iter().map(AsFd::as_fd).collect();
        assert!(matches!(peer.receive_within(NOW), Received::Message { .. }), "no answer");
        peer.try_send(&step.bytes(false), &fds).expect("sending");
        // The last one brings the link.
        if step.label != "CONNECT" {
            turn();
        }
    }
}

/// The link with that slave, and the slave, which has posted all its buffers or none.
pub fn linked_slave(
    (socket, key): (&mut Socket, InterfaceKey),
    (ours, theirs): (SeqSocket, SeqSocket),
    plan: &SlavePlan,
    post: bool,
) -> (Link, Peer) {
    socket.adopt(ours.into_fd()).expect("adopting");
    let memory = SlaveMemory::new(plan);
    slave(&theirs, plan, &memory, || assert!(socket.poll(Some(NOW)).expect("polling").is_none()));
    let link = socket.wait_connected(key, NOW).expect("a link");
    let peer = connected_slave(theirs, &memory);
    if post {
        peer.tx.0.set_head(peer.tx.0.size());
    }
    (link, peer)
}

/// That slave when it is connected.
pub fn connected_slave(peer: SeqSocket, memory: &SlaveMemory) -> Peer {
    assert!(matches!(peer.receive_within(NOW), Received::Message { .. }), "no CONNECTED");
    let ring = |rings: &[SlaveRing]| (rings[0].ring.clone(), Arc::clone(&rings[0].interrupt));
    Peer::new(peer, Arc::clone(&memory.regions), ring(&memory.s2m), ring(&memory.m2s))
}

/// A master that takes what the library offers. In between the library takes turns, but for the last one, which brings
/// the link.
pub fn master(peer: SeqSocket, mut turn: impl FnMut()) -> Peer {
    let mut regions = Vec::new();
    let mut rings: Vec<(AddRing, Arc<OwnedFd>)> = Vec::new();
    peer.send(&Message::Hello(Hello::usual("fuzz")));
    loop {
        turn();
        let Received::Message { bytes, mut fds } = peer.receive_within(NOW) else { panic!("the slave is silent") };
        match Message::decode(&bytes) {
            Message::AddRegion(region) => regions.push(SharedFile::from_fd(fds.remove(0), region.size)),
            Message::AddRing(ring) => rings.push((ring, Arc::new(fds.remove(0)))),
            Message::Connect(_) => break,
            Message::Init(_) => {}
            other => panic!("{other:?}"),
        }
        peer.send(&Message::Ack);
    }
    peer.send(&Message::Connected(b"fuzz0".to_vec()));
    let ring = |flags| {
        let (ring, fd) = rings.iter().find(|(ring, _)| ring.flags == flags).expect("a ring");
        let file = &regions[usize::from(ring.region)];
        (Ring::new(file, u64::from(ring.offset), ring.log2), Arc::clone(fd))
    };
    let (rx, tx) = (ring(0), ring(1));
    Peer::new(peer, Arc::new(regions), rx, tx)
}
