//! Two stacks over one link, in one thread, with a clock of their own.

use std::time::Duration;

use memif::smoltcp::{Device, DeviceConfig, Next};
use memif::{InterfaceConfig, Link, Mode, Socket};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device as _, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address};
use testkit::patience::STEP;

use crate::unique;

pub(crate) const MASTER: Ipv4Address = Ipv4Address::new(192, 168, 1, 1);
pub(crate) const SLAVE: Ipv4Address = Ipv4Address::new(192, 168, 1, 2);

/// What a link is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) medium: Medium,
    pub(crate) ring_size: u32,
    pub(crate) buffer_size: u32,
    pub(crate) mtu: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { medium: Medium::Ethernet, ring_size: 1024, buffer_size: 2048, mtu: 1500 }
    }
}

impl Plan {
    pub(crate) fn device(self) -> DeviceConfig {
        DeviceConfig::new(self.medium).mtu(self.mtu)
    }

    pub(crate) fn slave(self) -> InterfaceConfig {
        let mode = if self.medium == Medium::Ip { Mode::Ip } else { Mode::Ethernet };
        InterfaceConfig::slave(0).mode(mode).ring_size(self.ring_size).buffer_size(self.buffer_size)
    }
}

/// A link to a socket, with both ends here.
pub(crate) struct Ends {
    pub(crate) socket: Socket,
    pub(crate) master: memif::InterfaceKey,
    pub(crate) slave: memif::InterfaceKey,
}

impl Ends {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut socket = Socket::builder(unique().as_str()).open().expect("a socket");
        let mode = if plan.medium == Medium::Ip { Mode::Ip } else { Mode::Ethernet };
        let master = socket.add_interface(InterfaceConfig::master(0).mode(mode)).expect("a master");
        let slave = socket.add_interface(plan.slave()).expect("a slave");
        Self { socket, master, slave }
    }

    /// The next link: the master's queues and the slave's.
    pub(crate) fn links(&mut self) -> (Link, Link) {
        let master = self.socket.wait_connected(self.master, STEP).expect("a link");
        (master, self.socket.wait_connected(self.slave, STEP).expect("a link"))
    }
}

/// A stack.
pub(crate) struct End {
    pub(crate) device: Device,
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
}

impl End {
    pub(crate) fn new(plan: Plan, link: Link, address: Ipv4Address) -> Self {
        Self::with(plan.device(), link, address)
    }

    pub(crate) fn with(config: DeviceConfig, link: Link, address: Ipv4Address) -> Self {
        let mut device = Device::of_link(config, link).expect("a device");
        let hardware = match device.capabilities().medium {
            Medium::Ethernet => HardwareAddress::Ethernet(hardware_address(address)),
            Medium::Ip => HardwareAddress::Ip,
            #[allow(unreachable_patterns, reason = "media that other features have")]
            other => panic!("{other:?}"),
        };
        let mut interface = Interface::new(Config::new(hardware), &mut device, Instant::ZERO);
        interface.update_ip_addrs(|all| all.push(IpCidr::new(address.into(), 24)).expect("room for an address"));
        Self { device, interface, sockets: SocketSet::new(Vec::new()) }
    }

    /// A TCP socket with buffers of so many bytes.
    pub(crate) fn tcp(&mut self, buffer: usize) -> SocketHandle {
        let ring = || tcp::SocketBuffer::new(vec![0; buffer]);
        self.sockets.add(tcp::Socket::new(ring(), ring()))
    }

    pub(crate) fn listen(&mut self, port: u16, buffer: usize) -> SocketHandle {
        let handle = self.tcp(buffer);
        self.sockets.get_mut::<tcp::Socket<'_>>(handle).listen(port).expect("a listener");
        handle
    }

    pub(crate) fn connect(&mut self, to: Ipv4Address, port: u16, from: u16, buffer: usize) -> SocketHandle {
        let handle = self.tcp(buffer);
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(self.interface.context(), (IpAddress::from(to), port), from).expect("a connection is begun");
        handle
    }

    #[track_caller]
    pub(crate) fn poll(&mut self, now: Instant) {
        self.device.poll(now, &mut self.interface, &mut self.sockets).expect("the link is up");
    }

    /// Sends all that there is room for, before anything is received.
    pub(crate) fn send_first(&mut self, now: Instant) {
        while self.interface.poll_egress(now, &mut self.device, &mut self.sockets) != PollResult::None {}
        self.device.publish();
    }

    pub(crate) fn next(&mut self, now: Instant) -> Next {
        self.device.next(now, &mut self.interface, &self.sockets)
    }

    pub(crate) fn moved(&self) -> u64 {
        self.device.tx().counters().packets + self.device.rx().counters().packets
    }
}

/// What an address has on every ethernet here.
pub(crate) fn hardware_address(address: Ipv4Address) -> EthernetAddress {
    let [a, b, c, d] = address.octets();
    EthernetAddress([2, 0, a, b, c, d])
}

/// The stacks of both ends of a link.
pub(crate) struct Pair {
    pub(crate) master: End,
    pub(crate) slave: End,
    pub(crate) ends: Ends,
    pub(crate) now: Instant,
}

impl Pair {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut ends = Ends::new(plan);
        let (master, slave) = ends.links();
        let (master, slave) = (End::new(plan, master, MASTER), End::new(plan, slave, SLAVE));
        Self { master, slave, ends, now: Instant::ZERO }
    }

    /// A turn of each, and the time that it took: a little, or what both wait for where nothing moved.
    pub(crate) fn turn(&mut self) {
        let before = self.master.moved() + self.slave.moved();
        self.master.poll(self.now);
        self.slave.poll(self.now);
        let step = if self.master.moved() + self.slave.moved() > before {
            Duration::from_micros(10)
        } else {
            let waits = [self.master.next(self.now), self.slave.next(self.now)].map(|next| match next {
                Next::Now => Duration::ZERO,
                Next::Pause(pause) => pause,
                Next::Packets(delay) => delay.unwrap_or(Duration::from_secs(1)),
            });
            waits[0].min(waits[1]).clamp(Duration::from_micros(10), Duration::from_secs(1))
        };
        self.now += smoltcp::time::Duration::from(step);
    }

    /// Nothing that either stack wrote was lost, and no ring was met full.
    #[track_caller]
    pub(crate) fn nothing_lost(&self) {
        for end in [&self.master, &self.slave] {
            assert_eq!((end.device.lost(), end.device.tx().counters().ring_full), (0, 0));
            let came = end.device.rx().counters();
            assert_eq!((came.dropped, came.bad_descriptors, came.resyncs), (0, 0, 0));
        }
    }
}

/// One direction of a connection, whose bytes follow from their place.
#[derive(Debug)]
pub(crate) struct Stream {
    from: SocketHandle,
    to: SocketHandle,
    seed: u64,
    sent: u64,
    came: u64,
    all: u64,
}

impl Stream {
    pub(crate) fn new(from: SocketHandle, to: SocketHandle, seed: u64, all: u64) -> Self {
        Self { from, to, seed, sent: 0, came: 0, all }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.came == self.all
    }

    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    /// Writes what there is room for.
    pub(crate) fn write(&mut self, sockets: &mut SocketSet<'_>) {
        let socket = sockets.get_mut::<tcp::Socket<'_>>(self.from);
        while socket.can_send() && self.sent < self.all {
            let written = socket.send(|room| {
                let count = (self.all - self.sent).min(room.len() as u64) as usize;
                for (at, byte) in (self.sent..).zip(&mut room[..count]) {
                    *byte = byte_at(self.seed, at);
                }
                (count, count)
            });
            self.sent += written.expect("a connection") as u64;
        }
    }

    /// Reads what came, each byte of which must be the right one.
    #[track_caller]
    pub(crate) fn read(&mut self, sockets: &mut SocketSet<'_>) {
        let socket = sockets.get_mut::<tcp::Socket<'_>>(self.to);
        while socket.can_recv() {
            let came = socket.recv(|bytes| {
                let wrong = (self.came..).zip(bytes.iter()).find(|(at, byte)| **byte != byte_at(self.seed, *at));
                assert!(wrong.is_none(), "stream {}: byte {wrong:?}", self.seed);
                (bytes.len(), bytes.len())
            });
            self.came += came.expect("a connection") as u64;
        }
        assert!(self.came <= self.all);
    }
}

pub(crate) fn byte_at(seed: u64, at: u64) -> u8 {
    ((at ^ seed << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8
}
