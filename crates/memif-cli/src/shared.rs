//! The options, words and advice of the command, for whoever brings them to users in another language: so that they
//! have the same names, bounds and texts there.

use std::ffi::OsString;

use clap::{Args, Command, Parser};
use memif::{Event, InterfaceConfig, Role, Socket, SocketAddress, SocketError};

use crate::endpoint::address::parse_socket;
use crate::endpoint::options::{InterfaceOptions, SocketOptions};
use crate::error::Error;
use crate::output::advice;

/// The options of an interface and its socket, as they are typed.
#[derive(Clone, Debug, Parser)]
#[command(name = "memif", disable_help_flag = true)]
pub struct Options {
    #[command(flatten)]
    interface: InterfaceOptions,
}

impl Options {
    /// Reads options as they stand behind a subcommand, such as `--ring-size 512`.
    ///
    /// # Errors
    /// What is wrong with one of them, and what to give.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let arguments = ["memif".into()].into_iter().chain(arguments);
        Self::try_parse_from(arguments).map_err(|error| without_usage(&error.to_string()))
    }

    /// The role, slave when none was given.
    #[must_use]
    pub fn role(&self) -> Role {
        self.interface.role()
    }

    /// The address of the socket: the one that was given, else that of the environment, else VPP's.
    ///
    /// # Errors
    /// What is wrong with the one in the environment.
    pub fn address(&self) -> Result<SocketAddress, String> {
        self.interface.address().map_err(|error| said(&error))
    }

    /// Opens the socket, for interfaces of both roles. The calling thread enters the network namespace that it is in,
    /// where one is named.
    ///
    /// # Errors
    /// Why it cannot be opened, and what to do.
    pub fn open(&self) -> Result<Socket, String> {
        let open = || Ok(self.interface.socket_of_both(self.interface.address()?)?.open()?);
        open().map_err(|error: Error| said(&error))
    }

    /// The settings of the interface with that id on the socket at that address.
    ///
    /// # Errors
    /// Which options do not fit each other, the role or the address.
    pub fn interface(&self, id: u32, address: &SocketAddress) -> Result<InterfaceConfig, String> {
        let role = self.role();
        let checked = self.interface.check_socket(address, role);
        checked.and_then(|()| self.interface.interface(role, id)).map_err(|error| said(&error))
    }
}

/// Names of the options, in their order, without the dashes.
#[must_use]
pub fn names() -> Vec<String> {
    longs::<Options>()
}

/// The names of those that are the socket's and hold for all its interfaces.
#[must_use]
pub fn names_of_socket() -> Vec<String> {
    ["socket".to_owned()].into_iter().chain(longs::<SocketOptions>()).collect()
}

/// Whether an option is given without a value.
#[must_use]
pub fn is_flag(name: &str) -> bool {
    let command = Options::augment_args(Command::new("memif"));
    command.get_arguments().any(|arg| arg.get_long() == Some(name) && !arg.get_action().takes_values())
}

fn longs<T: Args>() -> Vec<String> {
    let command = T::augment_args(Command::new("memif"));
    command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned).collect()
}

/// Whether that can be the address of a socket.
///
/// # Errors
/// What to give.
pub fn check_socket(text: &str) -> Result<(), String> {
    parse_socket(text).map(|_| ())
}

/// Why a call of the library failed, and what to do.
#[must_use]
pub fn failure(error: SocketError) -> String {
    said(&error.into())
}

/// What happened, and what to do about it where the command has advice.
#[must_use]
pub fn tell(event: &Event, address: &SocketAddress) -> (String, Option<String>) {
    match event {
        Event::Connected { link, .. } => (format!("connected to {}", link.peer), None),
        Event::Disconnected { reason, .. } => (reason.to_string(), None),
        Event::ConnectFailed { error, .. } => (error.to_string(), Some(advice::connect(error, address))),
        Event::Refused { reason, peer } => {
            (format!("refused {peer}: {reason}"), Some(advice::refusal(reason).to_owned()))
        }
        Event::Left { reason, peer, .. } => (format!("{peer} left: {reason}"), Some(advice::LEFT.to_owned())),
        Event::AcceptFailed { error } => {
            (format!("no slave can be taken in: {error}"), Some(advice::accept(error).to_owned()))
        }
        Event::AcceptResumed => ("slaves are taken in again".to_owned(), None),
        Event::SurplusQueues { rx_queues, .. } => {
            let told = advice::surplus(*rx_queues);
            match told.split_once("; ") {
                Some((what, then)) => (what.to_owned(), Some(then.to_owned())),
                None => (told, None),
            }
        }
        other => (format!("{other:?}"), None),
    }
}

/// Where there is no `--help` to see.
fn said(error: &Error) -> String {
    match error {
        Error::Usage(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What the reader of options says, without how a command line is made.
fn without_usage(text: &str) -> String {
    let parts = text.split("\n\n").map(str::trim);
    let parts = parts.take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"));
    let text = parts.collect::<Vec<_>>().join("; ");
    text.strip_prefix("error: ").unwrap_or(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &str) -> Result<Options, String> {
        Options::read(arguments.split_whitespace().map(Into::into))
    }

    #[test]
    fn options_are_those_of_the_command() {
        let options = read("--role master --ring-size 512 --socket @x").unwrap();
        let address = options.address().unwrap();
        assert_eq!(options.role(), Role::Master);
        assert_eq!(options.interface(3, &address).unwrap().settings().ring_size, 512);
        assert!(names().contains(&"secret-file".to_owned()) && names_of_socket().contains(&"allow-uid".to_owned()));
        assert!(!names_of_socket().contains(&"ring-size".to_owned()));
        assert!(is_flag("no-chains") && !is_flag("ring-size") && !is_flag("nothing"));
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line_without_usage() {
        for (arguments, answer) in [
            ("--ring-size 1000", "give a power of two from 1 to 16384, as in 1024 or 1k"),
            ("--ring-sise 512", "similar argument exists: '--ring-size'"),
            ("--queues 2 --rx-queues 1", "cannot be used with"),
        ] {
            let error = read(arguments).unwrap_err();
            assert!(error.contains(answer), "{error}");
            assert!(!error.contains("Usage") && !error.contains("--help") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_the_role_is_told() {
        let address: SocketAddress = "/tmp/x".parse().unwrap();
        let error = |arguments| read(arguments).unwrap().interface(0, &address).unwrap_err();
        assert!(error("--require-sealed").contains("--role master"));
        assert!(error("--socket-mode 600").contains("--role master"));
        let error = read("--socket @x --socket-mode 600").unwrap().open().unwrap_err();
        assert!(error.contains("abstract name @x"), "{error}");
    }
}
