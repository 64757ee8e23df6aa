//! The threads of one end: one for all its queues, or one for each. What they tell each other, and whoever looks on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::cpus;
use super::until::Until;
use crate::error::Error;

/// How often who waits for the threads looks whether somebody asks for figures.
const LOOK: Duration = Duration::from_millis(20);

/// What threads have done so far. Each writes what is its own, between packets; all read.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) epoch: Instant,
    members: Vec<Member>,
    /// What the generator says that it sent and should have sent, once a thread has heard it.
    end: Mutex<Option<(u64, u64)>>,
    has_end: AtomicBool,
}

/// Counts of one thread, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Member {
    packets: AtomicU64,
    bytes: AtomicU64,
    came: AtomicU64,
}

/// A thread's place among the others.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) crew: Arc<Crew>,
    number: usize,
}

impl Crew {
    /// So many threads.
    pub(crate) fn new(threads: usize) -> Arc<Self> {
        let members = std::iter::repeat_with(Member::default).take(threads.max(1)).collect();
        Arc::new(Self { epoch: Instant::now(), members, end: Mutex::default(), has_end: AtomicBool::new(false) })
    }

    /// The place of a thread.
    pub(crate) fn place(self: &Arc<Self>, number: usize) -> Place {
        Place { crew: Arc::clone(self), number }
    }

    /// Packets and bytes of all.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.sum(|member| &member.packets), self.sum(|member| &member.bytes))
    }

    fn sum(&self, of: fn(&Member) -> &AtomicU64) -> u64 {
        self.members.iter().map(|member| of(member).load(Ordering::Relaxed)).sum()
    }
}

impl Place {
    /// A place without others.
    pub(crate) fn alone() -> Self {
        Crew::new(1).place(0)
    }

    /// Says how far this thread is: packets, bytes, and numbers that came.
    #[inline]
    pub(crate) fn tell(&self, packets: u64, bytes: u64, came: u64) {
        if let Some(member) = self.crew.members.get(self.number) {
            member.packets.store(packets, Ordering::Relaxed);
            member.bytes.store(bytes, Ordering::Relaxed);
            member.came.store(came, Ordering::Relaxed);
        }
    }

    /// Numbers that came to all, of this thread so many.
    pub(crate) fn came(&self, own: u64) -> u64 {
        let others = self.crew.members.iter().enumerate().filter(|(number, _)| *number != self.number);
        own + others.map(|(_, member)| member.came.load(Ordering::Relaxed)).sum::<u64>()
    }

    /// Shares what the generator said at its end, and gives what is known of it.
    pub(crate) fn share_end(&self, own: Option<(u64, u64)>) -> Option<(u64, u64)> {
        let lock = || self.crew.end.lock().unwrap_or_else(PoisonError::into_inner);
        match own {
            Some(end) if self.crew.members.len() > 1 && !self.crew.has_end.load(Ordering::Relaxed) => {
                *lock() = Some(end);
                self.crew.has_end.store(true, Ordering::Relaxed);
            }
            None if self.crew.has_end.load(Ordering::Relaxed) => return *lock(),
            _ => {}
        }
        own
    }
}

/// Runs `work` on each of `queues` in a thread of its own, on the processors in turn where there are any. Calls
/// `figures` when somebody asks for those so far. When one fails, or cannot be started, all end: that error is given
/// beside what the others came to.
pub(crate) fn each<Q: Send, R: Send>(
    queues: &mut [Q],
    processors: &[usize],
    until: &Until,
    work: impl Fn(usize, &mut [Q], &Until) -> Result<R, Error> + Sync,
    figures: impl Fn() -> Result<(), Error>,
) -> (Vec<R>, Option<Error>) {
    let own = until.part();
    let (work, own) = (&work, &own);
    thread::scope(|scope| {
        let mut running = Vec::new();
        let mut trouble = None;
        for (number, queue) in queues.iter_mut().enumerate() {
            let processor = processors.get(number % processors.len().max(1)).copied();
            let run = move || {
                let mut failure = Failure { others: own, is_over: false };
                let _pinned = processor.map(cpus::pin).transpose()?;
                let result = work(number, std::slice::from_mut(queue), own)?;
                failure.is_over = true;
                Ok(result)
            };
            match start(scope, number, run) {
                Ok(thread) => running.push(thread),
                Err(error) => {
                    trouble = Some(error);
                    own.end();
                    break;
                }
            }
        }
        while !running.iter().all(ScopedJoinHandle::is_finished) {
            thread::sleep(LOOK);
            if until.takes_figures() && trouble.is_none() {
                trouble = figures().err();
            }
            if trouble.is_some() || until.is_over() {
                own.end();
            }
        }
        let mut results = Vec::new();
        for thread in running {
            match thread.join() {
                Ok(Ok(result)) => results.push(result),
                Ok(Err(error)) => trouble = trouble.or(Some(error)),
                // It was reported by itself.
                Err(_) => trouble = trouble.or_else(|| Some(Error::NotConnected("a thread of ours failed".to_owned()))),
            }
        }
        (results, trouble)
    })
}

/// Ends the other threads unless it was said before that all is well: after a panic, too.
struct Failure<'a> {
    others: &'a Until,
    is_over: bool,
}

impl Drop for Failure<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.others.end();
        }
    }
}

type Running<'s, R> = ScopedJoinHandle<'s, Result<R, Error>>;

fn start<'s, 'e, R: Send + 's>(
    scope: &'s Scope<'s, 'e>,
    number: usize,
    run: impl FnOnce() -> Result<R, Error> + Send + 's,
) -> Result<Running<'s, R>, Error> {
    let thread = thread::Builder::new().name(format!("queue {number}")).spawn_scoped(scope, run);
    thread.map_err(|source| Error::System {
        what: "cannot start a thread".to_owned(),
        advice: "raise the limit of processes (ulimit -u), or leave --thread-per-queue out",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::signals::Stop;

    #[test]
    fn threads_know_what_the_others_have() {
        let crew = Crew::new(2);
        let (one, other) = (crew.place(0), crew.place(1));
        one.tell(3, 192, 3);
        assert_eq!((one.came(4), other.came(1)), (4, 4));
        assert_eq!(crew.counts(), (3, 192));
        assert_eq!(other.share_end(None), None);
        assert_eq!(one.share_end(Some((5, 6))), Some((5, 6)));
        assert_eq!(other.share_end(None), Some((5, 6)));
    }

    #[test]
    fn a_thread_that_fails_ends_the_others() {
        let until = Until::signalled(Stop::default());
        let work = |number, queue: &mut [u32], until: &Until| {
            queue[0] = 7;
            if number == 1 {
                return Err(Error::NotConnected("no".to_owned()));
            }
            while !until.is_over() {
                thread::yield_now();
            }
            Ok(number)
        };
        let mut queues = [0, 0, 0];
        let (rest, error) = each(&mut queues, &[], &until, work, || Ok(()));
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some("no"));
        assert_eq!((rest, queues), (vec![0, 2], [7, 7, 7]));
        assert!(!until.is_over());
    }
}
