//! Threads that write eventfds which a peer holds, too, where the kernel does not signal them for us.
//!
//! Each eventfd is in the hands of one of them at most, so a peer that holds its write up holds one thread and its own
//! signals. Such a write is freed when there is something to write again, to whatever eventfd, and it has taken long:
//! its counter is emptied, which ends it unless the peer fills the counter again at that very moment, as it must then
//! do for as long as it holds the thread.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::take_signals;
use super::pool::{Job, Kind, Pool};

/// Most threads at a time. When so many writes are held up, the others wait for one of them.
const MAX_THREADS: usize = 64;
/// Most eventfds that are written or are to be. With more all threads are held up, or will be: a signal that does not
/// fit is left out, as the driver repeats what a receiver has not heard.
const MAX_PENDING: usize = 1024;
/// How long a thread waits for something to write.
const LINGER: Duration = Duration::from_secs(1);
/// A write that takes so long is held up.
const LONG: Duration = Duration::from_millis(100);

/// Those of this process, with its id: the child of a fork has the list and none of the threads.
static WRITERS: Mutex<Option<(u32, Writers)>> = Mutex::new(None);

/// Has an eventfd written. Returns whether there is a thread to do it.
pub(super) fn write(fd: &Arc<OwnedFd>) -> bool {
    let process = std::process::id();
    let mut of_process = lock(&WRITERS);
    let writers = match &*of_process {
        Some((id, writers)) if *id == process => writers.clone(),
        _ => of_process.insert((process, Writers::new(MAX_THREADS, MAX_PENDING))).1.clone(),
    };
    drop(of_process);
    writers.write(fd)
}

#[derive(Clone, Debug)]
struct Writers {
    pool: Pool<Write>,
    list: List,
    most_pending: usize,
}

/// All that are written or are to be.
type List = Arc<Mutex<Vec<Pending>>>;

#[derive(Debug)]
struct Pending {
    fd: Arc<OwnedFd>,
    /// When a thread began to write it.
    since: Option<Instant>,
    /// It is to be written once more, since what was begun may be over.
    again: bool,
}

/// A job: that eventfd of the list.
#[derive(Debug)]
struct Write {
    fd: Arc<OwnedFd>,
    list: List,
}

impl Writers {
    fn new(most: usize, most_pending: usize) -> Self {
        let kind = Kind { name: "memif signals", most, linger: LINGER };
        Self { pool: Pool::new(kind), list: Arc::default(), most_pending }
    }

    fn write(&self, fd: &Arc<OwnedFd>) -> bool {
        let mut list = lock(&self.list);
        for pending in list.iter().filter(|pending| pending.since.is_some_and(|since| since.elapsed() >= LONG)) {
            take_signals(&pending.fd);
        }
        if let Some(pending) = list.iter_mut().find(|pending| Arc::ptr_eq(&pending.fd, fd)) {
            pending.again = pending.since.is_some();
            drop(list);
            return self.pool.go_on();
        }
        if list.len() >= self.most_pending {
            drop(list);
            return self.pool.go_on();
        }
        list.push(Pending { fd: Arc::clone(fd), since: None, again: false });
        drop(list);
        self.pool.push(Write { fd: Arc::clone(fd), list: Arc::clone(&self.list) })
    }
}

impl Job for Write {
    fn run(self) {
        while self.is_to_be_written() {
            // What does not work out is no reason to try again: the descriptor is what it is.
            let _ = rustix::io::write(&*self.fd, &1u64.to_ne_bytes());
        }
    }
}

impl Write {
    /// Notes that a write begins, or takes the eventfd out of the list.
    fn is_to_be_written(&self) -> bool {
        let mut list = lock(&self.list);
        let Some(at) = list.iter().position(|pending| Arc::ptr_eq(&pending.fd, &self.fd)) else { return false };
        let pending = &mut list[at];
        if pending.since.is_some() && !pending.again {
            list.swap_remove(at);
            return false;
        }
        (pending.since, pending.again) = (Some(Instant::now()), false);
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

    use crate::sys::signal::is_signalled;

    fn eventually(what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn blocking(count: u64) -> Arc<OwnedFd> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&fd, &count.to_ne_bytes()).unwrap();
        Arc::new(fd)
    }

    fn counter(fd: &OwnedFd) -> u64 {
        let mut bytes = [0; 8];
        rustix::io::read(fd, &mut bytes).unwrap();
        u64::from_ne_bytes(bytes)
    }

    #[test]
    fn every_signal_comes_or_merges_with_one_that_does() {
        let writers = Writers::new(4, 4);
        let fd = blocking(0);
        for _ in 0..100 {
            assert!(writers.write(&fd));
            assert!((1..=100).contains(&counter(&fd)));
        }
        eventually("an empty list", || lock(&writers.list).is_empty());
    }

    #[test]
    fn a_write_that_is_held_up_holds_one_thread_and_no_other_signal() {
        let writers = Writers::new(3, 4);
        let full = [blocking(u64::MAX - 1), blocking(u64::MAX - 1)];
        let free = blocking(0);
        for fd in full.iter().chain(&full) {
            assert!(writers.write(fd));
        }
        for _ in 0..10 {
            assert!(writers.write(&free));
            eventually("the signal of another", || is_signalled(&free));
            counter(&free);
        }
        let held = || lock(&writers.list).iter().filter(|pending| pending.since.is_some()).count();
        assert!(held() >= 2);
        // Nobody reads them; a later signal frees the threads, and theirs are there in place of what was full.
        eventually("the threads", || {
            writers.write(&free);
            lock(&writers.list).iter().all(|pending| Arc::ptr_eq(&pending.fd, &free))
        });
        for fd in &full {
            assert!((1..=4).contains(&counter(fd)));
        }
    }

    #[test]
    fn peers_that_hold_all_threads_do_not_make_the_list_grow() {
        let writers = Writers::new(1, 3);
        let full = blocking(u64::MAX - 1);
        assert!(writers.write(&full));
        let others = [blocking(0), blocking(0), blocking(0), blocking(0)];
        for fd in &others {
            assert!(writers.write(fd), "there is a thread");
            assert!(lock(&writers.list).len() <= 3);
        }
        assert!(counter(&full) > 0, "the thread is free");
        for fd in &others[..2] {
            eventually("what was kept", || is_signalled(fd));
        }
        eventually("an empty list", || lock(&writers.list).is_empty());
    }
}
