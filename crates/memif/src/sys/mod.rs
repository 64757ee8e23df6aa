//! The operating system behind one door: sockets with descriptors, event objects, socket files. Safe calls only.

mod epoll;
mod event;
mod seqpacket;
mod socket_file;

pub(crate) use epoll::{Epoll, Interest, Ready};
pub(crate) use event::{EventFd, TimerFd, take_signals};
pub(crate) use seqpacket::{
    Received, SendFailure, accept, check_connected, check_listener, connect, connect_address,
    listen, peer_credentials, peek, receive, send, set_nonblocking,
};
pub(crate) use socket_file::{FileAccess, FileId, bind, unlink_if_same};
