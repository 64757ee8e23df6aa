//! A slave whose master rewrites shared memory at will.
#![no_main]

mod queues;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memif::{InterfaceConfig, Memory, Socket};
use queues::{Bed, NOW, Op, Peer};
use testkit::wiremsg::{AddRing, Hello, Message};
use testkit::{FileKind, Received, Ring, SeqSocket, SharedFile};

#[derive(Arbitrary, Debug)]
struct Input {
    log2: u8,
    memory: u8,
    chaining: bool,
    buffer: u16,
    ops: Vec<Op>,
}

fuzz_target!(|input: Input| {
    let address = format!("@memif-fuzz-{}", std::process::id());
    let mut socket = Socket::builder(&address).open().expect("a socket");
    let size = 1 << 21;
    let config = InterfaceConfig::slave(0)
        .ring_size(1 << (input.log2 % 6))
        .buffer_size(u32::from(input.buffer % 4096) + 1)
        .chaining(input.chaining)
        .memory(match input.memory % 4 {
            0 => Memory::OneRegion,
            1 => Memory::RingsApart,
            // The one kind that the peer can cut.
            2 => Memory::File { fd: Arc::new(FileKind::Unsealable.create(size)), size },
            _ => Memory::File { fd: Arc::new(FileKind::Sealable.create(size)), size },
        });
    if config.validate().is_err() {
        return;
    }
    let (ours, theirs) = SeqSocket::pair();
    let key = socket.add_connected(config, ours.into_fd()).expect("an interface");
    let mut regions = Vec::new();
    let mut rings: Vec<(AddRing, Arc<OwnedFd>)> = Vec::new();
    theirs.send(&Message::Hello(Hello::usual("fuzz")));
    loop {
        assert!(socket.poll(Some(NOW)).expect("polling").is_none());
        let Received::Message { bytes, mut fds } = theirs.receive_within(NOW) else { panic!("the slave is silent") };
        match Message::decode(&bytes) {
            Message::AddRegion(region) => {
                regions.push(SharedFile::from_fd(fds.remove(0), region.size));
            }
            Message::AddRing(ring) => rings.push((ring, Arc::new(fds.remove(0)))),
            Message::Connect(_) => break,
            Message::Init(_) => {}
            other => panic!("{other:?}"),
        }
        theirs.send(&Message::Ack);
    }
    theirs.send(&Message::Connected(b"fuzz0".to_vec()));
    let link = socket.wait_connected(key, NOW).expect("a link");
    let ring = |flags| {
        let (ring, fd) = rings.iter().find(|(ring, _)| ring.flags == flags).expect("a ring");
        let file = &regions[usize::from(ring.region)];
        (Ring::new(file, u64::from(ring.offset), ring.log2), Arc::clone(fd))
    };
    let (rx, tx) = (ring(0), ring(1));
    let peer = Peer::new(theirs, Arc::new(regions), rx, tx);
    Bed::new(socket, link, peer).run(&input.ops, false);
});
