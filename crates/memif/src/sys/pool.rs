//! Work that a peer can hold up, done by threads that nobody waits for.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Stack of a thread, which does next to nothing.
const STACK: usize = 128 * 1024;

/// What is to be done. It may take as long as somebody else likes.
pub(super) trait Job: Send + 'static {
    fn run(self);
}

/// Threads that do jobs. There are as many as are held up, and one for the rest; none when there is nothing to do.
/// Clones are the same pool.
#[derive(Debug)]
pub(super) struct Pool<J>(Arc<Shared<J>>);

/// What threads these are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Of each thread.
    pub(super) name: &'static str,
    /// Most threads at a time.
    pub(super) most: usize,
    /// How long a thread without a job waits for another one.
    pub(super) linger: Duration,
}

#[derive(Debug)]
struct Shared<J> {
    kind: Kind,
    state: Mutex<State<J>>,
    more: Condvar,
}

#[derive(Debug)]
struct State<J> {
    queue: VecDeque<J>,
    threads: usize,
    /// Threads that have a job now.
    busy: usize,
}

impl<J> Clone for Pool<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<J: Job> Pool<J> {
    pub(super) fn new(kind: Kind) -> Self {
        let state = State { queue: VecDeque::new(), threads: 0, busy: 0 };
        Self(Arc::new(Shared { kind, state: Mutex::new(state), more: Condvar::new() }))
    }

    /// Jobs that no thread has begun.
    pub(super) fn waiting(&self) -> usize {
        self.state().queue.len()
    }

    /// Has a job done. It waits for a thread if there are as many as may be, and for the next job if none can be made.
    /// Returns whether there is a thread at all.
    pub(super) fn push(&self, job: J) -> bool {
        let mut state = self.state();
        state.queue.push_back(job);
        self.recruit(&mut state);
        state.threads > 0
    }

    /// As if a job came: those that wait for a thread that could not be made do not wait for the next one. Returns
    /// whether there is a thread at all.
    pub(super) fn go_on(&self) -> bool {
        let mut state = self.state();
        self.recruit(&mut state);
        state.threads > 0
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        // Nothing panics while it is held.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that the first job in the queue has a thread.
    fn recruit(&self, state: &mut State<J>) {
        if state.queue.is_empty() {
            return;
        }
        if state.threads > state.busy {
            self.0.more.notify_one();
            return;
        }
        if state.threads >= self.0.kind.most {
            return;
        }
        state.threads += 1;
        let pool = self.clone();
        let thread = std::thread::Builder::new().name(self.0.kind.name.to_owned()).stack_size(STACK);
        if thread.spawn(move || pool.serve()).is_err() {
            // The next job tries again.
            state.threads -= 1;
        }
    }

    /// A thread: until there is nothing to do.
    fn serve(&self) {
        let mut state = self.state();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.busy += 1;
                // What comes next must not wait for this one.
                self.recruit(&mut state);
                drop(state);
                job.run();
                state = self.state();
                state.busy -= 1;
                continue;
            }
            let (again, waited) =
                self.0.more.wait_timeout(state, self.0.kind.linger).unwrap_or_else(PoisonError::into_inner);
            state = again;
            if waited.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    /// Whether all is done and no thread is left.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        let state = self.state();
        state.queue.is_empty() && state.threads == 0 && state.busy == 0
    }
}
