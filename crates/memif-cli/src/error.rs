//! Why a command could not do what it was asked to.

use std::io;

use memif::{ConfigError, SocketError};

/// Why a command could not do what it was asked to. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Options that do not go together, or whose value cannot be.
    #[error("{0}; see --help")]
    Usage(String),
    /// An interface setting that cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The socket cannot be opened or served.
    #[error("{}", for_options(.0))]
    Socket(#[from] SocketError),
    /// The link did not come up, or did not come back. Holds the reason and the advice.
    #[error("{0}")]
    NotConnected(String),
    /// Standard output took no more.
    #[error("cannot write to standard output: {0}; check where it leads")]
    Output(#[source] io::Error),
    /// The kernel refused something that the command cannot do without.
    #[error("{what}: {source}; {advice}")]
    System {
        /// What was tried.
        what: String,
        /// What to do.
        advice: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the reader of standard output went away, which is its good right.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The text of an error, with the option that it is about.
fn for_options(error: &SocketError) -> String {
    match error {
        SocketError::Ownership(_) => format!("--socket-group: {error}"),
        _ => error.to_string(),
    }
}
