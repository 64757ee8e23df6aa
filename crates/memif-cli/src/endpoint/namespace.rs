//! Network namespaces, to which abstract names of sockets belong.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;

use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::Error;

/// Moves the calling thread into a network namespace. Threads that it starts from then on begin there; others stay
/// where they are. A socket is where the thread that made it was.
pub(crate) fn enter(namespace: &Path) -> Result<(), Error> {
    let name = namespace.display();
    // A pipe, or a device, must not be waited for.
    let opened = open(namespace, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let file = opened.map_err(io::Error::from).map_err(|source| Error::System {
        what: format!("cannot open the network namespace {name}"),
        advice: cannot_open(namespace, source.kind()),
        source,
    })?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| Error::System {
        what: format!("cannot enter the network namespace {name}"),
        advice: "that needs root (CAP_SYS_ADMIN), and the file of a network namespace",
        source: io::Error::from(error),
    })
}

/// What to do about a file of a namespace that cannot be opened.
fn cannot_open(namespace: &Path, kind: io::ErrorKind) -> &'static str {
    let of_process = namespace.starts_with("/proc");
    match kind {
        io::ErrorKind::PermissionDenied if of_process => {
            "that of another user's process needs root (CAP_SYS_PTRACE); start this as root"
        }
        io::ErrorKind::PermissionDenied => "that needs root (CAP_SYS_ADMIN, and permission to read the file)",
        io::ErrorKind::NotFound if of_process => {
            "no such process runs, seen from here: look for its number (pgrep NAME; lsns -t net)"
        }
        _ => "make it (ip netns add NAME), or correct its name (ip netns list)",
    }
}

/// Does something on a thread of its own, which may enter a namespace and end there.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let failed = |source| Error::System {
        what: "cannot start a thread".to_owned(),
        advice: "raise the limit of processes (ulimit -u)",
        source,
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, work).map_err(failed)?;
        // A panic there was reported by the thread itself.
        thread.join().unwrap_or_else(|_| Err(failed(io::Error::other("it panicked"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_no_namespace_and_is_not_waited_for() {
        use rustix::fs::{CWD, FileType, mknodat};

        let pipe = std::env::temp_dir().join(format!("memif-netns-{}", std::process::id()));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe can be made");
        assert!(enter(&pipe).is_err());
        std::fs::remove_file(&pipe).expect("it is there");
    }

    #[test]
    fn what_keeps_a_namespace_closed_has_advice_that_fits() {
        use io::ErrorKind::{NotFound, PermissionDenied};
        for (namespace, kind, advice) in [
            ("/run/netns/blue", NotFound, "ip netns add NAME"),
            ("/proc/7/ns/net", NotFound, "no such process"),
            ("/run/netns/blue", PermissionDenied, "root (CAP_SYS_ADMIN"),
            ("/proc/7/ns/net", PermissionDenied, "root (CAP_SYS_PTRACE)"),
        ] {
            assert!(cannot_open(Path::new(namespace), kind).contains(advice), "{namespace}: {kind}");
        }
        // Beyond the numbers that there are.
        let error = apart(|| enter(Path::new("/proc/4294967295/ns/net"))).unwrap_err().to_string();
        assert!(error.contains("no such process"), "{error}");
    }
}
