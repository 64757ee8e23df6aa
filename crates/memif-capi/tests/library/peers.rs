//! A peer that breaks the rules, attached to a C program with another interface.

use testkit::{Address, Descriptor, SlaveLink, SlavePlan};

use crate::bed::{Bed, output};

/// Two masters in one program: whatever a slave does to interface 0, interface 1 goes on.
pub(crate) fn hostile_neighbour() {
    let bed = Bed::new();
    let two = bed.compile("two", &[]);
    let sender = bed.compile("sender", &[]);
    let socket = bed.path("two.sock");
    let mut running = bed.start(bed.run(&two).arg(&socket));
    running.expect("ready");
    let address = Address::Path(socket.clone());
    let neighbour = || {
        let said = output(bed.run(&sender).arg(&socket).args(["slave", "5000", "64", "1"]));
        assert!(said.contains("sent 5000, back 5000"), "{said}");
    };
    neighbour();
    // Descriptors that point outside are dropped; good packets before and after are not.
    for bad in [
        Descriptor { flags: 0, region: 9, length: 64, offset: 0, metadata: 0 },
        Descriptor { flags: 0, region: 0, length: u32::MAX, offset: 64, metadata: 0 },
        Descriptor { flags: 0, region: 1, length: 64, offset: u32::MAX - 3, metadata: 0 },
        Descriptor { flags: 0, region: 0, length: 0, offset: 0, metadata: 0 },
    ] {
        let mut link = SlaveLink::connect(&address, &SlavePlan::id(0));
        link.tx[0].send(b"before");
        link.tx[0].put(bad);
        link.tx[0].publish();
        link.tx[0].send(b"after");
        assert_eq!(link.rx[0].wait(), b"before");
        assert_eq!(link.rx[0].wait(), b"after");
        neighbour();
        assert!(link.is_up());
    }
    // Cursors that cannot be: the receiver starts afresh, or the link goes down.
    let link = SlaveLink::connect(&address, &SlavePlan::id(0));
    link.memory.m2s[0].ring.set_head(0x7fff);
    link.memory.s2m[0].ring.set_head(0x5555);
    testkit::slave_path::signal(std::os::fd::AsFd::as_fd(&*link.memory.s2m[0].interrupt));
    neighbour();
    drop(link);
    let link = SlaveLink::connect(&address, &SlavePlan::id(0));
    assert!(link.is_up());
    neighbour();
}
