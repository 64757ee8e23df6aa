//! What is known about a socket: for programs as JSON, for people as text.

use std::fmt;

use serde::Serialize;

use super::access::FileReport;
use super::processes::Holder;
use memif_watch::sockets::SEQPACKET;

/// All that is known.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "socket")]
pub(super) struct SocketReport {
    /// As given; abstract names start with `@`.
    pub(super) address: String,
    pub(super) kind: Kind,
    pub(super) verdict: Verdict,
    /// The verdict in words, and what to do.
    pub(super) explanation: String,
    /// What stands at the path.
    pub(super) file: Option<FileReport>,
    /// The topmost directory of the path that does not exist.
    pub(super) missing_directory: Option<String>,
    pub(super) sockets: Vec<Held>,
    /// Whether this user may connect; `null` when there is nothing to connect to, or it cannot be told.
    pub(super) may_connect: Option<bool>,
    /// The file or directory that forbids it.
    pub(super) forbidden_by: Option<FileReport>,
    /// Who asks.
    pub(super) uid: u32,
    pub(super) user: Option<String>,
    /// Things that look like the cause of a problem.
    pub(super) hints: Vec<String>,
    /// What could not be seen, and how to see it.
    pub(super) not_seen: Vec<String>,
}

/// The two kinds of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Path,
    Abstract,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// A program listens as masters do, and this user may connect.
    Ready,
    /// Nothing has that address.
    Missing,
    /// The path leads to something that is no socket.
    NotASocket,
    /// There is a socket and nobody listens on it.
    NobodyListens,
    /// A socket file; whether somebody listens cannot be seen from here.
    Unknown,
    /// Somebody listens with a socket of another type than memif's.
    WrongType,
    /// This user may not connect.
    NoPermission,
    /// The name is held in another network namespace, where this process cannot reach it.
    OtherNamespace,
}

/// A socket that is bound to the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Held {
    /// `seqpacket`, which memif uses, `stream`, `datagram` or `other`.
    pub(super) socket_type: &'static str,
    pub(super) listening: bool,
    pub(super) holders: Vec<Holder>,
    /// Number of its network namespace, as in `/proc/PID/ns/net`.
    pub(super) network_namespace: u64,
    /// Whether that is the one of this process.
    pub(super) same_network_namespace: bool,
    /// Connections that the listener has accepted and that are open.
    pub(super) open_connections: usize,
    /// Connections that it has not accepted yet.
    pub(super) waiting_connections: usize,
}

impl Held {
    /// Whether it is what a memif master has.
    pub(super) fn is_master(&self) -> bool {
        self.listening && self.socket_type == type_name(SEQPACKET)
    }

    /// Who holds it, in words.
    pub(super) fn who(&self) -> String {
        if self.holders.is_empty() {
            return "a process that this user cannot see".to_owned();
        }
        let each = self.holders.iter().map(|holder| {
            let user = holder.user.clone().unwrap_or_else(|| holder.uid.to_string());
            format!("{} (pid {}, user {user})", holder.program, holder.pid)
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

/// The type of a socket in a word.
pub(super) fn type_name(kind: u32) -> &'static str {
    match kind {
        1 => "stream",
        2 => "datagram",
        SEQPACKET => "seqpacket",
        _ => "other",
    }
}

impl fmt::Display for SocketReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.explanation)?;
        if let Some(file) = &self.file {
            write!(f, "\n  file: {}, {}", file.file_type, file.rights())?;
        }
        for held in &self.sockets {
            let does = if held.listening { "listens" } else { "does not listen" };
            write!(f, "\n  socket: {}, {does}, held by {}", held.socket_type, held.who())?;
            if !held.same_network_namespace {
                write!(f, ", in network namespace {}", held.network_namespace)?;
            }
            if held.listening {
                write!(
                    f,
                    "\n  connections: {} open, {} waiting to be accepted",
                    held.open_connections, held.waiting_connections,
                )?;
            }
        }
        let user = self.user.clone().unwrap_or_else(|| self.uid.to_string());
        match (self.may_connect, &self.forbidden_by) {
            (Some(true), _) => write!(f, "\n  permission: user {user} may connect")?,
            (Some(false), Some(file)) => write!(
                f,
                "\n  permission: user {user} may not connect: {} {} has {}",
                file.file_type,
                file.path,
                file.rights(),
            )?,
            (Some(false), None) => write!(f, "\n  permission: user {user} cannot connect")?,
            (None, _) => {}
        }
        for hint in &self.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        for text in &self.not_seen {
            write!(f, "\n  not seen: {text}")?;
        }
        Ok(())
    }
}
