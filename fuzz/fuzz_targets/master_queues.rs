//! A master whose slave rewrites shared memory at will.
#![no_main]

mod queues;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memif::{InterfaceConfig, Socket};
use queues::{Bed, Op, setup};
use testkit::plan::Layout;
use testkit::{FileKind, SeqSocket, SlavePlan};

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

    let (link, peer) = setup::linked_slave((&mut socket, key), SeqSocket::pair(), &plan, input.post);
    Bed::new(socket, link, peer).run(&input.ops, true);
});
