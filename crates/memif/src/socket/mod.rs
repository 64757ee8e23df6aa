//! The driver: Unix sockets, one descriptor to wait for, timers, events.
//!
//! [`Socket`] (`poll`, `api`, `builder`, `driven`) is what callers have of a `driver`. That is made of parts that own
//! what they are about and know nothing of it, each in a file:
//!
//! | part | what it owns |
//! |---|---|
//! | `waits` (`timers`, `busy_poll`) | the epoll set and its tokens, all times, the descriptor for a foreign loop, the waker |
//! | `event_queue` (`event`) | events that were not taken yet |
//! | `interfaces` (`interface`) | interfaces by number and id, and the connection that each has |
//! | `listener` | what listens, and its pauses |
//! | `half_open` | handshakes of masters under way: who waits, who has to go |
//! | `held` | descriptors that unfinished handshakes hold |
//! | `reconnection` (`backoff`, `path_watch`) | when slaves try again: pauses, and a watch on the path of their master's socket |
//! | `connection` | one connection: its socket, its machine, and its link once that is up |
//! | `link_signals` | breaches that queues found, and the repetition of signals |
//! | `watches` | receive queues whose signals are events |
//!
//! What they number themselves they find in a `number_map`. The rest is the driver, which joins them: `turn` what is
//! ready and due, `master` and `slave` what each role does in a handshake, `ending` the end of a connection, `surplus`
//! a quirk of DPDK, `cache_line` a master built for another one.

mod api;
mod attention;
mod backoff;
mod builder;
mod busy_poll;
mod cache_line;
mod connection;
#[cfg(feature = "raw")]
mod driven;
mod driver;
mod ending;
mod event;
mod event_queue;
mod half_open;
mod held;
mod interface;
mod interfaces;
mod key;
mod link_signals;
mod listener;
mod looks;
mod master;
mod number_map;
mod options;
mod path_watch;
mod poll;
mod reconnection;
mod slave;
mod surplus;
#[cfg(test)]
mod tests;
mod timers;
mod tokens;
mod trace;
mod turn;
mod waits;
mod watches;

pub use builder::SocketBuilder;
#[cfg(feature = "raw")]
pub use driven::Report;
pub use event::{Details, DisconnectReason, Event, Link, Peer, Request, Side};
pub use key::InterfaceKey;
pub use poll::{Socket, SocketWaker};
