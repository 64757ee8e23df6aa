//! A process without descriptors, for helpers: it is the limit of a whole process.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Resource, getrlimit, setrlimit};
use testkit::plan::new_eventfd;

/// Leaves `room` descriptors to this process.
pub(crate) fn fill(held: &mut Vec<OwnedFd>, room: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(300);
    setrlimit(Resource::Nofile, limit).unwrap();
    let one = new_eventfd();
    while let Ok(fd) = one.as_fd().try_clone_to_owned() {
        held.push(fd);
    }
    held.truncate(held.len() - room);
    drop(one);
    // The one that was copied is free, too.
    if let Ok(fd) = rustix::io::dup(held[0].as_fd()) {
        held.push(fd);
    }
}
