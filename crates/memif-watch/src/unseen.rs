//! What could not be looked into, and what would be needed for it.

use std::fmt;
use std::fs;
use std::io;

use rustix::io::Errno;

use crate::process::Process;

/// Something that may belong to a link and was not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// What it is.
    pub what: UnseenKind,
    /// The process, or those that share the memory.
    pub processes: Vec<Process>,
    /// Why not.
    pub why: Why,
}

/// What was not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnseenKind {
    /// Which memory a process has mapped.
    Process,
    /// Memory that processes share and that may be a link's.
    Memory,
    /// What a process has mapped beyond the bounds of a scan.
    Rest,
}

/// Why something was not looked into; says what would be needed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The process is another user's.
    OtherUser,
    /// The process is this user's, and has more rights than this one, or forbids to be looked into.
    Protected,
    /// No process keeps a descriptor of the memory, and its processes may not be read: the setting
    /// `kernel.yama.ptrace_scope`, where there is one.
    NoDescriptor(Option<u8>),
    /// More mappings than [`MAX_MAPPINGS`](crate::MAX_MAPPINGS), or more text than is read of one process.
    TooMuch,
    /// More links than [`MAX_LINKS`](crate::MAX_LINKS) between the same processes.
    TooManyLinks,
    /// This process has no descriptor left, or the host has none.
    OutOfDescriptors,
    /// The kernel said something else.
    Kernel(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::OtherUser => f.write_str("other users' processes take root, or CAP_SYS_PTRACE"),
            Why::Protected => f.write_str(
                "a process that has rights which this one lacks, or that forbids to be looked into, takes root, or \
                 CAP_SYS_PTRACE where it runs",
            ),
            Why::NoDescriptor(scope) => {
                f.write_str("no process keeps a descriptor of it, so this takes root, or CAP_CHECKPOINT_RESTORE")?;
                match scope {
                    Some(1) => {
                        f.write_str(", or CAP_SYS_PTRACE, or the setting kernel.yama.ptrace_scope at 0 (it is 1)")
                    }
                    Some(2) => f.write_str(", or CAP_SYS_PTRACE (kernel.yama.ptrace_scope is 2)"),
                    Some(3..) => f.write_str(" (kernel.yama.ptrace_scope is 3, so that CAP_SYS_PTRACE does not do)"),
                    Some(0) | None => f.write_str(", or CAP_SYS_PTRACE"),
                }
            }
            Why::TooMuch => f.write_str("more is mapped than is looked at in one process"),
            Why::TooManyLinks => f.write_str("there are more links than are looked at between the same processes"),
            Why::OutOfDescriptors => {
                f.write_str("no descriptor is left to open it with: raise their limit (ulimit -n)")
            }
            Why::Kernel(reason) => f.write_str(reason),
        }
    }
}

impl Why {
    /// Why the mappings of that process may not be read.
    pub(crate) fn of_process(error: &io::Error, process: &Process) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied if process.uid == rustix::process::geteuid().as_raw() => Why::Protected,
            io::ErrorKind::PermissionDenied => Why::OtherUser,
            _ => Why::of_kernel(error),
        }
    }

    fn of_kernel(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => Why::OutOfDescriptors,
            _ => Why::Kernel(error.to_string()),
        }
    }

    /// Why memory of processes that may be looked at may not be read.
    pub(crate) fn of_memory(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Why::NoDescriptor(ptrace_scope()),
            _ => Why::of_kernel(error),
        }
    }
}

/// `kernel.yama.ptrace_scope`, where that module is in the kernel.
fn ptrace_scope() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?.trim().parse().ok()
}
