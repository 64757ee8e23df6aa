//! What smoltcp does that one would not guess, and what the device makes of it.

use std::os::fd::AsFd;
use std::time::Duration;

use memif::smoltcp::{Device, DeviceConfig, DeviceError, Next};
use memif::{InterfaceConfig, RxMode};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::{Device as _, Medium, TxToken as _};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

use crate::bed::{End, Ends, MASTER, Pair, Plan, SLAVE, hardware_address};

pub(crate) fn udp(end: &mut End, port: u16) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 1 << 16]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).expect("a port");
    end.sockets.add(socket)
}

pub(crate) fn send(end: &mut End, from: SocketHandle, to: Ipv4Address, bytes: &[u8]) {
    let to = IpEndpoint::new(IpAddress::from(to), 9);
    end.sockets.get_mut::<udp::Socket<'_>>(from).send_slice(bytes, to).expect("room in the socket");
}

/// Tokens are given while there is room for a frame and for two more, and asking counts nothing.
pub(crate) fn tokens_are_room() {
    for (ring_size, mtu, most) in [(8, 1500, 6), (64, 9000, 10), (4, 1500, 2)] {
        let mut pair = Pair::new(Plan { ring_size, mtu, ..Plan::default() });
        let device = &mut pair.slave.device;
        for round in 0..3 {
            let mut given = 0;
            while let Some(token) = device.transmit(pair.now) {
                token.consume(mtu, |frame| frame.fill(round));
                given += 1;
            }
            assert_eq!(given, most, "{ring_size} slots");
            // Nothing is sent before it is published.
            assert!(pair.master.device.receive(pair.now).is_none());
            device.publish();
            for _ in 0..100 {
                assert!(device.transmit(pair.now).is_none());
            }
            assert_eq!((device.tx().counters().packets, device.lost()), (most * (u64::from(round) + 1), 0));
            let mut came = 0;
            while let Some((frame, _)) = pair.master.device.receive(pair.now) {
                smoltcp::phy::RxToken::consume(frame, |frame| assert_eq!(frame, vec![round; mtu]));
                came += 1;
            }
            assert_eq!(came, most);
        }
        assert_eq!(pair.slave.device.tx().counters().ring_full, 0);
    }
}

/// A master's frames take more of the buffers of its slave where those are shorter than its own, replies too.
pub(crate) fn room_is_by_the_buffers_that_are_there() {
    for (ring_size, most) in [(16, 3), (32, 8), (128, 40)] {
        let mut pair = Pair::new(Plan { ring_size, buffer_size: 512, ..Plan::default() });
        let mut given = 0;
        while let Some(token) = pair.master.device.transmit(pair.now) {
            token.consume(1514, |frame| frame.fill(1));
            given += 1;
        }
        // Three slots each, and as many for each of two replies.
        assert_eq!(given, most, "{ring_size} slots");
    }
}

/// No frame is received whose reply would have no room, and none is lost.
pub(crate) fn nothing_is_received_without_room_for_a_reply() {
    let mut pair = Pair::new(Plan { ring_size: 4, medium: Medium::Ip, ..Plan::default() });
    let device = &mut pair.slave.device;
    // Two of its own accord, two as replies.
    for _ in 0..2 {
        device.transmit(pair.now).expect("room").consume(20, |_| ());
        pair.master.device.transmit(pair.now).expect("room").consume(20, |_| ());
    }
    pair.master.device.publish();
    for _ in 0..2 {
        let (_, token) = device.receive(pair.now).expect("a frame");
        token.consume(20, |_| ());
    }
    device.publish();
    pair.master.device.transmit(pair.now).expect("room").consume(20, |_| ());
    pair.master.device.publish();
    assert!(device.receive(pair.now).is_none());
    while pair.master.device.receive(pair.now).is_some() {}
    assert!(device.receive(pair.now).is_some());
    pair.nothing_lost();
}

/// While a ring is full the stack wants to be polled at once, again and again. The device says how long to pause.
pub(crate) fn a_full_ring_is_no_busy_loop() {
    let mut pair = Pair::new(Plan { ring_size: 4, medium: Medium::Ip, ..Plan::default() });
    let socket = udp(&mut pair.slave, 9);
    for _ in 0..5 {
        send(&mut pair.slave, socket, MASTER, b"waits");
    }
    let mut pauses = Vec::new();
    for _ in 0..10 {
        pair.slave.poll(pair.now);
        let delay = pair.slave.interface.poll_delay(pair.now, &pair.slave.sockets);
        assert_eq!(delay, Some(smoltcp::time::Duration::ZERO));
        match pair.slave.next(pair.now) {
            Next::Pause(pause) => pauses.push(pause.as_micros()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
    pair.master.poll(pair.now);
    pair.slave.poll(pair.now);
    pair.master.poll(pair.now);
    pair.slave.poll(pair.now);
    assert_eq!(pair.slave.next(pair.now), Next::Packets(None));
    // Five, and what the master says of a port where nobody listens.
    assert_eq!(pair.slave.device.tx().counters().packets, 5);
    pair.nothing_lost();
}

/// A turn ends though frames go on coming, and though sockets have more to send.
pub(crate) fn a_turn_is_bounded() {
    let mut pair = Pair::new(Plan { medium: Medium::Ip, ..Plan::default() });
    for _ in 0..1000 {
        pair.slave.device.transmit(pair.now).expect("room").consume(20, |_| ());
    }
    pair.slave.device.publish();
    for turn in 1..=3 {
        pair.master.poll(pair.now);
        let left = 1000 - turn * 256;
        let given_back = pair.master.device.rx().counters().packets;
        assert!((1000 - left..1000 - left + 32).contains(&given_back), "{given_back} in turn {turn}");
        assert_eq!(pair.master.next(pair.now), Next::Now);
    }
    pair.master.poll(pair.now);
    assert_eq!(pair.master.next(pair.now), Next::Packets(None));

    let sockets: Vec<_> = (0..10).map(|port| udp(&mut pair.slave, 1000 + port)).collect();
    for socket in &sockets {
        for _ in 0..60 {
            send(&mut pair.slave, *socket, MASTER, b"one of many");
        }
    }
    let before = pair.slave.device.tx().counters().packets;
    pair.slave.poll(pair.now);
    assert_eq!(pair.slave.device.tx().counters().packets - before, 260);
    assert_eq!(pair.slave.next(pair.now), Next::Now);
    pair.slave.poll(pair.now);
    pair.slave.poll(pair.now);
    assert_eq!(pair.slave.device.tx().counters().packets - before, 600);
    assert_eq!(pair.slave.next(pair.now), Next::Packets(None));
}

/// An interface asks for the MTU once, so a link that does not carry it is none for the device.
pub(crate) fn a_link_that_does_not_carry_the_mtu() {
    let plan = Plan { ring_size: 64, mtu: 9000, ..Plan::default() };
    let mut pair = Pair::new(plan);
    let mut short = Ends::new(Plan { ring_size: 4, ..plan });
    let (_master, slave) = short.links();
    let refused = pair.slave.device.attach(slave).expect_err("8192 bytes do not hold it");
    assert_eq!(refused, DeviceError::TooLong { mtu: 9000, frame: 9014, carries: 8192 });
    assert!(refused.to_string().contains("smaller MTU"), "{refused}");
    // A ring that would hold one frame and no reply.
    let mut few = Ends::new(Plan { ring_size: 8, ..plan });
    let (_master, slave) = few.links();
    let refused = pair.slave.device.attach(slave).expect_err("no room for replies");
    assert_eq!(refused, DeviceError::Ring { frame: 9014, slots: 8, needed: 32 });
    // It goes on with what it had.
    pair.slave.poll(pair.now);
    let (_master, slave) = Ends::new(plan).links();
    pair.slave.device.attach(slave).expect("9000 bytes");
}

pub(crate) fn settings_that_cannot_be() {
    let device = |mtu, slave: InterfaceConfig| {
        let mut ends = Ends::new(Plan::default());
        ends.socket.remove_interface(ends.slave).expect("it is there");
        ends.socket.remove_interface(ends.master).expect("it is there");
        ends.master = ends.socket.add_interface(InterfaceConfig::master(0).rx_queues(2).tx_queues(2)).expect("one");
        ends.slave = ends.socket.add_interface(slave).expect("one");
        let (_master, link) = ends.links();
        Device::of_link(DeviceConfig::new(Medium::Ethernet).mtu(mtu), link).map(|_| ())
    };
    let slave = || InterfaceConfig::slave(0).ring_size(64);
    assert_eq!(device(575, slave()), Err(DeviceError::Mtu { mtu: 575 }));
    assert_eq!(device(65_536, slave()), Err(DeviceError::Mtu { mtu: 65_536 }));
    assert_eq!(device(576, slave()), Ok(()));
    let all = DeviceError::TooLong { mtu: 65_535, frame: 65_549, carries: 65_535 };
    assert_eq!(device(65_535, slave()), Err(all));
    assert_eq!(device(1500, slave().rx_queues(2)), Err(DeviceError::Queues { rx: 2, tx: 1 }));
    assert_eq!(device(1500, slave().tx_queues(2)), Err(DeviceError::Queues { rx: 1, tx: 2 }));
}

/// One question in a second for the whole interface: the third of three neighbours is found after two seconds, unless
/// it was told of before.
pub(crate) fn one_neighbour_is_asked_for_in_a_second() {
    let address = |last| Ipv4Address::new(192, 168, 1, last);
    let asked = |told: bool| {
        let mut pair = Pair::new(Plan::default());
        let socket = [0, 1, 2].map(|port| udp(&mut pair.slave, 1000 + port));
        for (number, last) in (10..13).enumerate() {
            if told {
                let hardware = hardware_address(address(last));
                pair.slave.device.add_neighbor(pair.now, &mut pair.slave.interface, address(last), hardware);
            }
            send(&mut pair.slave, socket[number], address(last), b"hello");
        }
        // At the start, and at the end of each second but the last.
        [0, 999, 1001, 1999, 2001].map(|millis| {
            pair.slave.poll(Instant::from_millis(millis));
            pair.slave.device.tx().counters().packets
        })
    };
    // Questions: nobody answers.
    assert_eq!(asked(false), [1, 1, 2, 2, 3]);
    // Datagrams.
    assert_eq!(asked(true), [3; 5]);
}

/// `send_slice` takes a datagram that is longer than the MTU, and nothing is sent.
pub(crate) fn a_datagram_over_the_mtu_is_lost() {
    let mut pair = Pair::new(Plan { medium: Medium::Ip, ..Plan::default() });
    let (here, there) = (udp(&mut pair.slave, 9), udp(&mut pair.master, 9));
    for (bytes, comes) in [(1472, true), (1473, false), (10, true)] {
        send(&mut pair.slave, here, MASTER, &vec![7; bytes]);
        pair.turn();
        pair.turn();
        let came = pair.master.sockets.get_mut::<udp::Socket<'_>>(there).recv().map(|(bytes, _)| bytes.len()).ok();
        assert_eq!(came, comes.then_some(bytes));
    }
    assert_eq!(pair.slave.device.tx().counters().packets, 2);
    pair.nothing_lost();
}

/// What comes, time, and a descriptor of the program each end a wait.
pub(crate) fn waits_end() {
    let mut pair = Pair::new(Plan { medium: Medium::Ip, ..Plan::default() });
    let there = udp(&mut pair.master, 9);
    let here = udp(&mut pair.slave, 9);
    let mut master = pair.master;
    let receiving = std::thread::spawn(move || {
        let mut waits = 0;
        loop {
            let now = Instant::now();
            master.device.poll(now, &mut master.interface, &mut master.sockets).expect("the link is up");
            if master.sockets.get::<udp::Socket<'_>>(there).can_recv() {
                break;
            }
            master.device.wait(now, &mut master.interface, &master.sockets, None).expect("the link is up");
            waits += 1;
        }
        (master, waits)
    });
    send(&mut pair.slave, here, MASTER, b"wakes");
    pair.slave.poll(Instant::now());
    assert_eq!(pair.slave.device.tx().counters().packets, 1);
    let (master, waits) = receiving.join().expect("it came");
    assert!(waits < 10, "{waits} turns for one datagram");
    drop(master);

    let mut pair = Pair::new(Plan::default());
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    rustix::io::write(&write, b"x").expect("a byte");
    let slave = &mut pair.slave;
    slave.poll(Instant::ZERO);
    assert_eq!(slave.next(Instant::ZERO), Next::Packets(None));
    slave.device.wait(Instant::ZERO, &mut slave.interface, &slave.sockets, Some(read.as_fd())).expect("it ends");
    // Somebody is asked for, and does not answer: again after a second, and not before.
    let socket = udp(slave, 9);
    send(slave, socket, SLAVE, b"x");
    send(slave, socket, MASTER, b"x");
    slave.poll(Instant::ZERO);
    slave.poll(Instant::ZERO);
    match slave.next(Instant::ZERO) {
        Next::Packets(Some(delay)) => assert!(delay <= Duration::from_secs(1) && !delay.is_zero(), "{delay:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(slave.device.rx().mode(), RxMode::Adaptive);
}
