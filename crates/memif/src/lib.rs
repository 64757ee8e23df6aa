//! memif, the shared memory packet interface: packets between two processes through rings in shared memory.
//!
//! A Unix socket carries the set-up; after that no kernel stands in the data path. VPP, DPDK and the C library
//! libmemif speak memif, and so does this crate, in both roles, as version 2.0 of the protocol. Linux only.
//!
//! ```
//! use std::time::Duration;
//! use memif::{InterfaceConfig, Socket};
//!
//! // Both ends in one process here. Towards VPP it is `"/run/vpp/memif.sock"` and the slave alone.
//! let mut socket = Socket::builder("@memif-doc-front-page").open()?;
//! let master = socket.add_interface(InterfaceConfig::master(0))?;
//! let slave = socket.add_interface(InterfaceConfig::slave(0))?;
//! let mut there = socket.wait_connected(master, Duration::from_secs(10))?;
//! let mut here = socket.wait_connected(slave, Duration::from_secs(10))?;
//!
//! let (Some(tx), Some(rx)) = (here.tx.first_mut(), there.rx.first_mut()) else {
//!     return Err("the link has no queue in this direction".into());
//! };
//! let mut batch = tx.reserve()?;
//! batch.push(&[1; 60])?;
//! batch.push(&[2; 9000])?; // longer than a buffer: sent as a chain
//! batch.commit();
//!
//! assert!(rx.wait(Some(Duration::from_secs(10)))?);
//! for packet in &mut rx.recv(64)? {
//!     println!("{} bytes in {} segments", packet.len(), packet.segments().len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In async functions, with feature `tokio` (`async-io` for smol and others):
//!
//! ```
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use memif::{InterfaceConfig, Socket};
//! let (control, driver) = memif::tokio::drive(Socket::builder("@memif-doc-front-page-async").open()?);
//! tokio::spawn(driver);
//! let master = control.add_interface(InterfaceConfig::master(0))?;
//! let slave = control.add_interface(InterfaceConfig::slave(0))?;
//! let (mut there, mut here) = (control.connected(master).await?, control.connected(slave).await?);
//!
//! here.tx[0].send(&[1; 60]).await?;
//! for packet in &mut there.rx[0].recv(64).await? {
//!     println!("{} bytes", packet.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The model
//!
//! - A [`Socket`] is the control side: any number of interfaces, of both roles, on one address. The **master** listens
//!   and maps the memory that it is given; the **slave** connects and allocates all memory. DPDK says server and
//!   client. An interface id pairs one slave with one master.
//! - Polling the socket brings an [`Event`] at a time. [`Event::Connected`] carries a [`Link`]: the queues of one
//!   connection and who is at its other end. When the link goes down, its queues say so from the next call on, receive
//!   queues of a peer that left when they have given all that it had sent; the next connection brings new ones. A slave
//!   connects again by itself, and either side may start first. A link whose program has dropped it, with all its
//!   queues, goes down; [`Link::keep_up`] is for programs that only watch.
//! - A queue is one direction: [`RxQueue`] and [`TxQueue`]. Each belongs to one thread at a time and can be moved.
//!   Nothing is locked or shared between them but counters.
//! - Packets come and go in batches. An [`RxBatch`] is what was on the ring at one moment; dropping it gives the
//!   packets that were taken back, and the others stay. A [`TxBatch`] publishes on [`commit`](TxBatch::commit) and not
//!   before.
//! - Packet bytes are shared with the peer, who can change them at any moment. So a [`Packet`] copies out
//!   ([`copy_to`](Packet::copy_to), [`read`](Packet::read)), and its segments are [`SharedSlice`]s, not `&[u8]`.
//!
//! # Waiting for packets
//!
//! | [`RxMode`] | the peer signals | [`RxQueue::wait`] | costs |
//! |---|---|---|---|
//! | [`Polling`](RxMode::Polling) | never | looks all the time | a core |
//! | [`Interrupt`](RxMode::Interrupt) | every burst | sleeps at once | a system call per burst on both sides |
//! | [`Adaptive`](RxMode::Adaptive) | only while we sleep | looks a little where that pays, then sleeps | nothing while busy, nothing while idle |
//!
//! A wait ends with its link, also when the socket is not polled: sleeps are woken by the end of the peer's control
//! connection, and whoever only looks finds it after a moment of silence (within 64 ms), be it in a wait, in a loop of
//! [`recv`](RxQueue::recv), or of [`send`](TxQueue::send) on a full ring. The calls say `Disconnected` from then on,
//! after what the peer had sent before was received. Its reason comes as [`Event::Disconnected`] from the next poll.
//!
//! In an event loop of your own: [`RxQueue`] is [`AsFd`](std::os::fd::AsFd) and readable when packets came; then
//! [`acknowledge`](RxQueue::acknowledge), receive until a batch is empty, and wait again. The [`Socket`] is `AsFd` too,
//! and [`Socket::watch`] makes the queues part of it, so that one handler serves control and packets. Either has the
//! peer signal an adaptive queue as one in interrupt mode from then on; a polling one is never signalled.
//!
//! In async functions a socket is split into a driver, to be spawned, and a handle on it; every future may be dropped
//! at any time. The pages of the modules `tokio` and `async_io` (features of those names) say of each call what a drop
//! leaves, and how a task waits in each mode.
//!
//! Nothing signals a free slot. [`TxQueue::send`] says [`SendError::Full`] at once, [`TxQueue::send_timeout`] and
//! [`TxQueue::send_wait`] look again after short pauses, [`TxQueue::reserve_timeout`] and [`TxQueue::reserve_wait`] for
//! the room of a batch. So does [`TxQueue::flush`], which waits until the peer has taken everything: for the end of a
//! program, since not every peer looks at a ring when its link is down. What is sent to a peer that just went is lost,
//! a ring full at most.
//!
//! # Settings that matter
//!
//! The slave decides ring and buffer sizes and how many queues there are. The defaults are those of every peer: one
//! queue each way, 1024 slots, buffers of 2048 bytes. Towards DPDK keep the buffer size at or below the peer's
//! (`bsize`, default 2048). A master's HELLO does not tell how many queues it really has, neither a peer's nor ours, so
//! set the same number on both ends: our master refuses a slave that brings more than
//! [`rx_queues`](InterfaceConfig::rx_queues) and [`tx_queues`](InterfaceConfig::tx_queues), in words that both ends
//! read, and takes one that brings fewer. So a [`Link`] of a master has one queue each way unless more were allowed,
//! and then as many as its slave wants; of one direction alone it can be only where that is allowed, too. [`Limits`]
//! bounds what all of that costs. [`InterfaceConfig::validate`] names the setting to change when two do not fit
//! together.
//!
//! A slave's memory is made as it is touched, so the first packet in each buffer waits for the kernel. With
//! [`prefault`](InterfaceConfig::prefault) it is there before the link comes up; on [huge
//! pages](InterfaceConfig::huge_pages) it is made far faster; a [NUMA node](InterfaceConfig::numa_node) can be chosen.
//! None of them makes a link faster that is warm.
//!
//! Socket addresses are paths or abstract names; [`SocketAddress`] lists how each peer spells the latter.
//!
//! # Trust
//!
//! The peer is taken for hostile: every message, file, cursor and descriptor is checked, bad packets are dropped and
//! counted, and a breach of the protocol takes its own link down with a named reason ([`Breach`]). What a peer can
//! still do, and who may connect, stands in [`security`]. No function of this crate panics on anything that a peer or a
//! caller passes to it.
//!
//! # Signals
//!
//! With the first region that a peer can still take away (memory that is not sealed, or on huge pages) this crate
//! installs a handler of SIGBUS for the whole process, and for good. It mends faults of its own mappings. Every other
//! SIGBUS, a fault or sent by somebody, does what it would do without this crate.
//!
//! - Leave SIGBUS unblocked in every thread that uses queues: the kernel ends a process that faults with the signal
//!   blocked.
//! - A handler that you install before stays in charge of all other faults, whatever its flags. One that you install
//!   later has to call the one that it found (`sigaction` returns it), or a peer can kill the process.
//!
//! # Features
//!
//! - `tracing`: log lines of the control path through the `tracing` crate. The data path never logs.
//! - `flow`: packets of a flow take one queue of several, by the hash of receive side scaling (`flow::FlowHash`).
//! - `tokio`, `async-io`: modules of those names with sockets and queues as futures of that runtime.
//! - `smoltcp`: a module of that name with links as devices of a TCP/IP stack in user space; needs Rust 1.91.
//! - `raw`: the lower interface that bindings to other languages stand on.
//!
//! # What it is not
//!
//! No protocol stack: packets are bytes, for one in user space with a feature. No runtime: the descriptors serve any,
//! and two of them by futures.
//! Not for machines other than Linux.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]
#![doc(test(attr(deny(warnings))))]
// What the rules of the house forbid in the library; tests may.
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unwrap_used
    )
)]

#[cfg(not(target_os = "linux"))]
compile_error!("memif is for Linux: it needs memfd, eventfd and Unix sockets that carry descriptors between processes");

mod address;
#[cfg(feature = "async-io")]
pub mod async_io;
#[cfg(any(feature = "async-io", feature = "tokio"))]
pub mod awaiting;
mod config;
mod counters;
mod error;
#[cfg(feature = "flow")]
pub mod flow;
mod limits;
mod link;
mod names;
// The protocol without any descriptor or time of its own, for its fuzz target and vectors; no part of what is promised.
#[doc(hidden)]
pub mod proto;
mod queue;
mod ring;
mod shm;
#[cfg(feature = "smoltcp")]
pub mod smoltcp;
mod socket;
mod sys;
mod terms;
#[cfg(feature = "tokio")]
pub mod tokio;
#[doc(hidden)]
pub mod wire;

#[cfg(feature = "raw")]
pub mod raw {
    //! For bindings to other languages: rings as slots, buffers that stay with their user over any number of calls, and
    //! regions of a caller. Feature `raw`; less stable than the rest of the crate.

    pub use crate::config::RegionSource;
    pub use crate::queue::QueueView;
    pub use crate::queue::slots::{
        Allocated, BadBuffer, Enqueue, Held, Keeper, Part, Received, RefillError, RxSlots, Slot, TxSlots, swap,
    };
    pub use crate::socket::Report;

    /// Takes the signals of an eventfd such as [`RxSlots::interrupt`]. Returns whether there were any. Never waits.
    pub fn take_signals(fd: impl std::os::fd::AsFd) -> bool {
        crate::queue::drain(fd)
    }
}

pub use address::SocketAddress;
pub use config::{
    CacheLine, InterfaceConfig, MAX_BUFFER_SIZE, MAX_LOG2_RING_SIZE, MAX_PACKET_SIZE, MAX_QUEUES, Memory, Mode, Name,
    Role, RxMode, Secret, Settings,
};
pub use counters::{Counters, QueueDetails, RegionDetails};
pub use error::{
    Breach, ConfigError, ConnectError, Direction, KeepError, QueueName, RecvError, Refusal, SendError, SocketError,
    SystemError, WaitError,
};
pub use limits::Limits;
pub use queue::{
    ForwardError, KeptPacket, KeptSegments, NotKept, Packet, PacketWriter, Packets, QueueView, RxBatch, RxQueue,
    Segments, TxBatch, TxQueue,
};
pub use shm::{Mapping, SharedSlice};
pub use socket::{
    Details, DisconnectReason, Event, InterfaceKey, Link, Peer, Request, Side, Socket, SocketBuilder, SocketWaker,
};
pub use sys::Credentials;
/// The version of the protocol that this crate speaks: major in the high byte, minor in the low one.
pub use wire::VERSION as PROTOCOL_VERSION;

/// What is promised against a hostile peer, and what is not: the project's SECURITY.md.
#[cfg(doc)]
#[doc = include_str!("../SECURITY.md")]
pub mod security {}

/// The programs of the guide are compiled and run with the examples of this documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
struct Guide;
