//! A slave whose master rewrites shared memory at will.
#![no_main]

mod queues;

use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memif::{InterfaceConfig, Memory, Socket};
use queues::{Bed, NOW, Op, setup};
use testkit::{FileKind, SeqSocket};

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
    let peer = setup::master(theirs, || assert!(socket.poll(Some(NOW)).expect("polling").is_none()));
    let link = socket.wait_connected(key, NOW).expect("a link");
    Bed::new(socket, link, peer).run(&input.ops, false);
});
