//! Why a command could not do what it was asked to.

use std::io;

use memif::{ConfigError, SocketError};
use rustix::io::Errno;

/// Why a command could not do what it was asked to. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Options that do not go together, or whose value cannot be.
    #[error("{0}; see --help")]
    Usage(String),
    /// A filter that is not understood, with a mark below the place.
    #[error("{0}")]
    Filter(String),
    /// An interface setting that cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The socket cannot be opened or served.
    #[error("{}", for_options(.0))]
    Socket(#[from] SocketError),
    /// The link did not come up, or did not come back. Holds the reason and the advice.
    #[error("{0}")]
    NotConnected(String),
    /// A file that is not what it should be. Holds its name, what is wrong with it, and what to do.
    #[error("{0}")]
    File(String),
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
        SocketError::NoDirectory(directory) => format!(
            "directory {} does not exist: create it, start the program that does, or name another socket with --socket \
             (or MEMIF_SOCKET in the environment)",
            directory.display(),
        ),
        SocketError::InUse(_) | SocketError::NotASocket(_) | SocketError::Permission(_) => {
            format!("{error} (with --socket)")
        }
        SocketError::Io { error: call, .. } => match about_call(call.raw_os_error()) {
            Some(advice) => format!("{error}; {advice}"),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// What to do about a system call that failed with that number, where the number says it.
pub(crate) fn about_call(number: Option<i32>) -> Option<&'static str> {
    match Errno::from_raw_os_error(number?) {
        Errno::MFILE => Some("raise the limit of open files (ulimit -n)"),
        Errno::NFILE => Some("the system has no more open files: raise fs.file-max"),
        Errno::NOMEM | Errno::NOBUFS => Some(
            "raise the limits of memory (ulimit -v, that of the container), or lower --ring-size, --buffer-size or --queues",
        ),
        // Nothing that the library does needs a privilege.
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => Some(
            "the kernel was told to deny that call, as a filter of a container or service does (seccomp): allow it there",
        ),
        _ => None,
    }
}
