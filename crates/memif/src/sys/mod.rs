//! The operating system behind one door: sockets with descriptors, event objects, socket files, watched
//! directories. Safe calls, but for those in [`aio`] and [`credentials`].

mod aio;
mod closer;
mod credentials;
mod epoll;
mod event;
mod inotify;
mod pool;
mod seqpacket;
mod signal;
mod socket_file;
mod writers;

pub(crate) use aio::prepare as prepare_signals;
pub(crate) use closer::{Closer, ControlSocket, ReceivedFd, is_eventfd};
pub use credentials::Credentials;
pub(crate) use credentials::peer_credentials;
pub(crate) use epoll::{Epoll, Interest, MOST_READY, Ready};
pub(crate) use event::{EventFd, TimerFd, raise, take_signals};
pub(crate) use inotify::{Change, Inotify, Site, WatchId, sites};
pub(crate) use seqpacket::{
    Received, SendFailure, accept, check_connected, check_listener, connect, connect_address, hung_up, listen, peek,
    receive, send, set_nonblocking, shut_down,
};
pub(crate) use signal::{is_signalled, signal};
pub(crate) use socket_file::{FileAccess, FileId, bind, is_no_socket, unlink_if_same};
