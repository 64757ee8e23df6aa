//! A master whose slave rewrites shared memory at will.
#![no_main]

mod queues;

use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memif::{InterfaceConfig, Socket};
use queues::{Bed, NOW, Op, Peer};
use testkit::plan::Layout;
use testkit::{FileKind, Received, Script, SeqSocket, SlaveMemory, SlavePlan};

#[derive(Arbitrary, Debug)]
struct Input {
    log2: u8,
    apart: bool,
    unsealed: bool,
    chaining: bool,
    post: bool,
    ops: Vec<Op>,
}

fuzz_target!(|input: Input| {
    let kind = if input.unsealed { FileKind::Unsealable } else { FileKind::Sealed };
    let plan = SlavePlan {
        log2: input.log2 % 6,
        layout: if input.apart { Layout::RingsApart } else { Layout::OneRegion },
        rings_file: kind,
        buffers_file: kind,
        ..SlavePlan::default()
    };
    let address = format!("@memif-fuzz-{}", std::process::id());
    let mut socket = Socket::builder(&address).open().expect("a socket");
    let config = InterfaceConfig::master(0).chaining(input.chaining);
    let config = if input.chaining { config } else { config.max_packet(2048) };
    let key = socket.add_interface(config).expect("an interface");

    let (ours, theirs) = SeqSocket::pair();
    socket.adopt(ours.into_fd()).expect("adopting");
    let memory = SlaveMemory::new(&plan);
    for step in &Script::new(&plan, &memory).0 {
        let fds: Vec<_> = step.fds.iter().map(std::os::fd::AsFd::as_fd).collect();
        assert!(matches!(theirs.receive_within(NOW), Received::Message { .. }), "no answer");
        theirs.try_send(&step.bytes(false), &fds).expect("sending");
        // The last one brings the event of the link, which is waited for below.
        if step.label != "CONNECT" {
            assert!(socket.poll(Some(NOW)).expect("polling").is_none());
        }
    }
    let link = socket.wait_connected(key, NOW).expect("a link");
    assert!(matches!(theirs.receive_within(NOW), Received::Message { .. }), "no CONNECTED");
    let ring = |rings: &[testkit::plan::SlaveRing]| (rings[0].ring.clone(), Arc::clone(&rings[0].interrupt));
    let peer = Peer::new(theirs, Arc::clone(&memory.regions), ring(&memory.s2m), ring(&memory.m2s));
    if input.post {
        peer.tx.0.set_head(peer.tx.0.size());
    }
    Bed::new(socket, link, peer).run(&input.ops, true);
});
