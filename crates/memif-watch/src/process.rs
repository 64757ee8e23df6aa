//! Processes, as `/proc` shows them to everybody.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::sockets::namespace;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// Its number, as seen from here.
    pub pid: u32,
    /// Its name in the kernel, at most 15 bytes, with everything that is not printable ASCII escaped.
    pub name: String,
    /// Its user.
    pub uid: u32,
    /// When it began, in ticks since the machine did: tells it from a later one of the same number.
    pub started: u64,
}

impl Process {
    /// What is known of that process; `None` where there is none.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let status = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let uid = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
        let Status { name, started, .. } = status_of(&status)?;
        Some(Self { pid, name: name.escape_ascii().to_string(), uid, started })
    }

    /// Whether that process is the kernel's own, which has no memory to look into.
    pub(crate) fn is_of_the_kernel(pid: u32) -> bool {
        let status = fs::read(format!("/proc/{pid}/stat"));
        status.is_ok_and(|status| status_of(&status).is_some_and(|status| status.flags & OF_THE_KERNEL != 0))
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let status = fs::read(format!("/proc/{}/stat", self.pid));
        status.is_ok_and(|status| {
            let status = status_of(&status);
            status.is_some_and(|status| status.started == self.started && !matches!(status.state, b'Z' | b'X'))
        })
    }
}

/// Whether there is a process of that number.
#[must_use]
pub fn is_there(pid: u32) -> bool {
    Process::read(pid).is_some()
}

/// `PF_KTHREAD` of the kernel.
const OF_THE_KERNEL: u64 = 0x0020_0000;

struct Status<'a> {
    name: &'a [u8],
    state: u8,
    flags: u64,
    started: u64,
}

/// `/proc/PID/stat`: `123 (name) S 1 ...`; the name may hold anything, brackets and line feeds too.
fn status_of(text: &[u8]) -> Option<Status<'_>> {
    let start = text.iter().position(|byte| *byte == b'(')?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let name = text.get(start + 1..end)?;
    let fields: Vec<&str> = str::from_utf8(text.get(end + 1..)?).ok()?.split_ascii_whitespace().collect();
    // The third field of the line comes first here, as the fields are numbered in proc(5).
    let field = |number: usize| fields.get(number.checked_sub(3)?);
    let state = *field(3)?.as_bytes().first()?;
    Some(Status { name, state, flags: field(9)?.parse().ok()?, started: field(22)?.parse().ok()? })
}

/// All processes that are listed.
pub(crate) fn pids() -> std::io::Result<Vec<u32>> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Whether there may be processes that are not even listed: this is not the first pid namespace.
#[must_use]
pub fn in_container() -> bool {
    /// Its number, fixed in the kernel's interface.
    const FIRST: u64 = 0xeffffffc;
    namespace("self", "pid") != Some(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let text = b"12 (a) S (b\n) Z 1 12 12 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 987654 1 2 3\n";
        let status = status_of(text).unwrap();
        assert_eq!((status.name, status.state), (&b"a) S (b\n"[..], b'Z'));
        assert_eq!((status.flags, status.started), (4_194_560, 987_654));
        assert!(status_of(b"12 (").is_none() && status_of(b")(").is_none() && status_of(b"1 (x) S 1").is_none());
    }

    #[test]
    fn this_process_is_there() {
        let own = Process::read(std::process::id()).unwrap();
        assert!(own.is_there() && !Process::is_of_the_kernel(own.pid));
        assert!(!Process { started: own.started + 1, ..own.clone() }.is_there());
        assert!(pids().unwrap().contains(&own.pid));
    }
}
