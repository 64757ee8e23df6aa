//! Network namespaces, to which abstract names of sockets belong.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::Error;

/// Moves the calling thread into a network namespace. Threads that it starts from then on begin there; others stay
/// where they are. A socket is where the thread that made it was.
pub(crate) fn enter(namespace: &Path) -> Result<(), Error> {
    let name = namespace.display();
    let file = File::open(namespace).map_err(|source| Error::System {
        what: format!("cannot open the network namespace {name}"),
        advice: "make it (ip netns add NAME), or correct its name (ip netns list)",
        source,
    })?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| Error::System {
        what: format!("cannot enter the network namespace {name}"),
        advice: "that needs root (CAP_SYS_ADMIN), and the file of a network namespace",
        source: io::Error::from(error),
    })
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
