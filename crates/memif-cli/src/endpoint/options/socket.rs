//! The socket: how often it is tried, who may use it, and what it tells of this program.

use std::time::Duration;

use clap::Args;
use memif::{Name, Role, Socket, SocketAddress, SocketBuilder};

use crate::endpoint::values::{parse_group, parse_mode, parse_period, parse_user};
use crate::error::Error;

/// Settings of the socket, which all of its interfaces share.
#[derive(Args, Clone, Debug)]
pub(crate) struct SocketOptions {
    /// The program name that the peer is told [default: memif and its version]
    #[arg(long, value_name = "NAME")]
    pub(super) app_name: Option<Name>,

    /// Slave: the longest pause between two attempts to connect, as in 500ms [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = parse_period, allow_negative_numbers = true)]
    retry_period: Option<Duration>,

    /// Master: permissions of the socket file, octal
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    socket_mode: Option<u32>,

    /// Master: owner of the socket file, by name or number; giving it away needs root
    #[arg(long, value_name = "USER", value_parser = parse_user)]
    socket_owner: Option<u32>,

    /// Master: group of the socket file, by name or number
    #[arg(long, value_name = "GROUP", value_parser = parse_group)]
    socket_group: Option<u32>,

    /// Master: serve only this user, by name or number; may be repeated
    #[arg(long, value_name = "USER", value_parser = parse_user)]
    allow_uid: Vec<u32>,
}

impl SocketOptions {
    /// The socket for slaves at that address, whatever options for a master were given.
    pub(super) fn slave_socket(&self, address: SocketAddress) -> SocketBuilder {
        let default = || Name::lossy(concat!("memif ", env!("CARGO_PKG_VERSION")).as_bytes());
        let builder = Socket::builder(address).app_name(self.app_name.unwrap_or_else(default));
        match self.retry_period {
            Some(period) => builder.retry_period(period),
            None => builder,
        }
    }

    /// The socket for interfaces of either role at that address.
    pub(super) fn socket(&self, address: SocketAddress) -> SocketBuilder {
        let mut builder = self.slave_socket(address);
        if let Some(mode) = self.socket_mode {
            builder = builder.file_mode(mode);
        }
        if let Some(owner) = self.socket_owner {
            builder = builder.owner(owner);
        }
        if let Some(group) = self.socket_group {
            builder = builder.group(group);
        }
        for uid in &self.allow_uid {
            builder = builder.allow_uid(*uid);
        }
        builder
    }

    /// Settings of a listener make no sense without one, nor those of a file where there is none. `more`: further
    /// options for a master, and whether they were given.
    pub(super) fn check<const N: usize>(
        &self,
        address: &SocketAddress,
        role: Role,
        more: [(bool, &'static str); N],
    ) -> Result<(), Error> {
        let file = [
            (self.socket_mode.is_some(), "--socket-mode"),
            (self.socket_owner.is_some(), "--socket-owner"),
            (self.socket_group.is_some(), "--socket-group"),
        ];
        let peers = [(!self.allow_uid.is_empty(), "--allow-uid")];
        let given = |options: &[(bool, &'static str)]| options.iter().find_map(|(given, name)| given.then_some(*name));
        let abstract_name = matches!(address, SocketAddress::Abstract(_));
        if let (Role::Slave, Some(name)) = (role, given(&file).or(given(&peers)).or(given(&more))) {
            return Err(Error::Usage(format!(
                "{name} is for the master, who makes the socket: add --role master, or leave {name} out"
            )));
        }
        if let (true, Some(name)) = (abstract_name, given(&file)) {
            return Err(Error::Usage(format!(
                "{name} sets permissions of a file, which the abstract name {address} has not: give a path \
                 as --socket, or leave {name} out and use --allow-uid"
            )));
        }
        Ok(())
    }
}
