//! TCP/IP in user space, without a kernel: links as devices of [smoltcp](https://docs.rs/smoltcp) 0.14. Feature
//! `smoltcp`, which needs Rust 1.91; the rest of the crate does not.
//!
//! ```
//! use std::time::Duration;
//! use memif::smoltcp::{Device, DeviceConfig};
//! use memif::{InterfaceConfig, Link, Socket};
//! use smoltcp::iface::{Config, Interface, SocketSet};
//! use smoltcp::phy::Medium;
//! use smoltcp::socket::tcp;
//! use smoltcp::time::Instant;
//! use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
//!
//! fn stack(link: Link, last: u8) -> Result<(Device, Interface), Box<dyn std::error::Error>> {
//!     let mut device = Device::of_link(DeviceConfig::new(Medium::Ethernet), link)?;
//!     let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, last]).into());
//!     let mut interface = Interface::new(config, &mut device, Instant::now());
//!     interface.update_ip_addrs(|all| {
//!         let _ = all.push(IpCidr::new(IpAddress::v4(192, 168, 1, last), 24)); // there is room for two
//!     });
//!     Ok((device, interface))
//! }
//!
//! // Both ends in one process here; the other one can be VPP, DPDK, or the kernel behind `memif bridge`.
//! let mut control = Socket::builder("@memif-doc-smoltcp").open()?;
//! let master = control.add_interface(InterfaceConfig::master(0))?;
//! let slave = control.add_interface(InterfaceConfig::slave(0))?;
//! let there = control.wait_connected(master, Duration::from_secs(10))?;
//! let here = control.wait_connected(slave, Duration::from_secs(10))?;
//!
//! let socket = || {
//!     let buffer = || tcp::SocketBuffer::new(vec![0; 1 << 16]);
//!     tcp::Socket::new(buffer(), buffer())
//! };
//! let server = std::thread::spawn(move || {
//!     let (mut device, mut interface) = stack(there, 1).unwrap();
//!     let mut sockets = SocketSet::new(vec![]);
//!     let listener = sockets.add(socket());
//!     sockets.get_mut::<tcp::Socket>(listener).listen(80).unwrap();
//!     loop {
//!         let now = Instant::now();
//!         if device.poll(now, &mut interface, &mut sockets).is_err() {
//!             break; // the link has ended
//!         }
//!         let socket = sockets.get_mut::<tcp::Socket>(listener);
//!         if socket.can_recv() {
//!             let _ = socket.recv(|bytes| (bytes.len(), println!("{}", bytes.escape_ascii())));
//!             let _ = socket.send_slice(b"hello yourself");
//!             socket.close();
//!         }
//!         if device.wait(now, &mut interface, &sockets, None).is_err() {
//!             break;
//!         }
//!     }
//! });
//!
//! let (mut device, mut interface) = stack(here, 2)?;
//! let mut sockets = SocketSet::new(vec![]);
//! let connection = sockets.add(socket());
//! let to = (IpAddress::v4(192, 168, 1, 1), 80);
//! sockets.get_mut::<tcp::Socket>(connection).connect(interface.context(), to, 50_000)?;
//! let mut asked = false;
//! let answer = loop {
//!     let now = Instant::now();
//!     device.poll(now, &mut interface, &mut sockets)?;
//!     let socket = sockets.get_mut::<tcp::Socket>(connection);
//!     if socket.can_send() && !asked {
//!         asked = socket.send_slice(b"hello")? == 5;
//!     }
//!     if socket.can_recv() {
//!         break socket.recv(|bytes| (bytes.len(), bytes.to_vec()))?;
//!     }
//!     device.wait(now, &mut interface, &sockets, None)?;
//! };
//! assert_eq!(answer, b"hello yourself");
//! # drop(control);
//! # server.join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The loop
//!
//! [`Device::poll`], serve the sockets, [`Device::wait`]. The `wait` takes a descriptor that ends it, too: that of the
//! [`Socket`](crate::Socket), say, so that one thread serves both. In an event loop of your own, [`Device::next`] says
//! whether to poll again at once, after a pause, or when the device's descriptor is readable.
//!
//! When the link has ended both say so; [`Device::attach`] takes the next one, and connections go on. Of a link with
//! several queues a device takes none: bring one queue each way, or a device for each pair.
//!
//! # What to know of smoltcp 0.14
//!
//! - A transmit token whose frame is lost makes TCP wait for its retransmission timer. This device gives none that it
//!   cannot keep, and two ends that fill both rings do not wait for each other.
//! - While a ring is full, `poll_delay` is 0, and `Interface::poll` goes on for as long as frames come.
//!   [`Device::poll`] and [`Device::next`] bound the one and pace the other.
//! - `max_burst_size` limits the window field before that is scaled, so it protects no ring where socket buffers are
//!   larger than 64 KiB. No ring of ours needs it. The device states what its receive ring holds.
//! - An interface reads the MTU once. A link that does not carry it is refused by [`Device::attach`]; make another
//!   device and interface for it.
//! - One neighbour is asked for in a second, for all sockets. [`Device::add_neighbor`] tells of one beforehand.
//! - A datagram over the MTU is taken by `send_slice` and lost, unless smoltcp has `proto-ipv4-fragmentation` and a
//!   buffer for it.
//! - Socket buffers of 64 KiB are faster than those of 1 MiB, which no cache holds.
//! - It does not know 802.1Q tags.

mod config;
mod device;
mod error;
mod inbox;
mod neighbor;
mod outbox;
mod pace;
mod turn;

pub use config::DeviceConfig;
pub use device::{Device, RxToken, TxToken};
pub use error::{DeviceError, LinkError};
pub use pace::Next;
