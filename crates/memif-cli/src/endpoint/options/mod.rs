//! The options that describe an interface and its socket: the same for every subcommand. A file for each subject.

mod interface;
mod memory;
mod queues;
mod socket;

use std::time::Duration;

use clap::Args;
use memif::{InterfaceConfig, Role, SocketAddress, SocketBuilder};

pub(crate) use interface::InterfaceOptions;
pub(crate) use socket::SocketOptions;

use crate::endpoint::values::{parse_id, parse_seconds};
use crate::error::Error;
use crate::packet::Framing;

/// Options of one interface: its number, and what it is like. A subcommand in which the number means more says so with
/// `#[command(mut_arg("id", ...))]`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Interface")]
pub(crate) struct EndpointOptions {
    /// Number that pairs this interface with one of the peer
    #[arg(long, value_name = "N", value_parser = parse_id, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) id: u32,

    #[command(flatten)]
    pub(crate) interface: InterfaceOptions,
}

/// How long a link is waited for. A subcommand says with `mut_arg`, too, for what else it waits so long.
#[derive(Args, Clone, Debug)]
pub(crate) struct WaitOptions {
    /// How long to wait for the link to come up, and to come back, in seconds or as in 500ms [default: 10]
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, allow_negative_numbers = true)]
    connect_timeout: Option<Duration>,
}

impl WaitOptions {
    /// How long a link is waited for where nothing is said.
    const DEFAULT: Duration = Duration::from_secs(10);

    /// The time, if one was given.
    pub(crate) fn given(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// The time.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(Self::DEFAULT)
    }
}

impl EndpointOptions {
    /// The role, slave when none was given.
    pub(crate) fn role(&self) -> Role {
        self.interface.role()
    }

    /// The address of the socket.
    pub(crate) fn address(&self) -> Result<SocketAddress, Error> {
        self.interface.address()
    }

    /// What packets start with.
    pub(crate) fn framing(&self) -> Framing {
        self.interface.framing()
    }

    /// The socket, not opened yet.
    pub(crate) fn socket(&self) -> Result<SocketBuilder, Error> {
        self.interface.socket(self.address()?, self.role())
    }

    /// The interface, checked.
    pub(crate) fn config(&self) -> Result<InterfaceConfig, Error> {
        self.interface.interface(self.role(), self.id)
    }
}
