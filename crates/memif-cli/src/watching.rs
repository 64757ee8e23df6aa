//! Looking for the links of other programs, as every command that watches does.

use memif_watch::{Host, RingDirection, Unseen, UnseenKind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::Error;

/// Finds the links of the host, with as many descriptors as this process may have: each link takes one for each region.
pub(crate) fn scan() -> Result<Host, Error> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // What there is no descriptor for is told with the links.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    memif_watch::scan().map_err(|source| Error::System {
        what: "cannot list the processes in /proc".to_owned(),
        advice: "mount /proc, as every system has it",
        source,
    })
}

/// Whether what was not looked into may be about links of that process. Any of the other processes may be the other
/// end; memory that others share is none of its links.
pub(crate) fn concerns(unseen: &Unseen, pid: u32) -> bool {
    unseen.what != UnseenKind::Memory || unseen.processes.iter().any(|process| process.pid == pid)
}

/// Whose packets a ring carries, as reports name it.
pub(crate) fn sender(direction: RingDirection) -> &'static str {
    match direction {
        RingDirection::S2m => "slave",
        RingDirection::M2s => "master",
    }
}
