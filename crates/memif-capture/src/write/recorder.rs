//! Recording: packets from any thread, and a thread that writes them.

use std::fmt;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::block::Interface;
use super::counts::Counts;
use super::sink::{Refused, Sink};
use super::state::{Filter, News, State, Work};

/// Bytes of a buffer: some thousand short packets, and few enough for the caches of a processor.
const CHUNK: usize = 256 << 10;
/// How many there are: 24 MiB, what a writer may fall behind. They take memory once they are used.
const CHUNKS: usize = 96;

/// What a recorder takes.
#[derive(Default)]
pub struct Limits {
    /// The most bytes of a packet that are kept, as [`Section`](super::Section) has them. None unless this is set.
    pub snap_length: u32,
    /// The most packets that are taken; all where there is no number.
    pub packets: Option<u64>,
    /// How long packets wait for more, before they are written together.
    pub patience: Duration,
    /// Which packets are taken. It sees them whole, whatever is kept of them.
    pub filter: Option<Filter>,
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snap_length, packets, patience, filter: _ } = self;
        let mut all = f.debug_struct("Limits");
        all.field("snap_length", snap_length).field("packets", packets).field("patience", patience);
        all.finish_non_exhaustive()
    }
}

/// Why no packet is recorded any more.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'e> {
    /// All came that were wanted.
    Complete,
    /// What is written to takes nothing more; packets are missed from now on.
    Failed(&'e io::Error),
}

/// Takes packets. It never waits for what they are written to; its clones do the same, on any thread.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// The writer waits here.
    work: Condvar,
    /// Packets and bytes that went out.
    written: AtomicU64,
    bytes: AtomicU64,
    told: Box<dyn Fn(Ending<'_>) + Send + Sync>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What a thread that panicked was about leaves at most one packet out.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Starts a thread that writes to `sink`. `told` is called, on some thread, when no more packets are recorded.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(
        sink: impl Sink + 'static,
        limits: Limits,
        told: impl Fn(Ending<'_>) + Send + Sync + 'static,
    ) -> io::Result<(Self, Writer)> {
        let Limits { snap_length, packets, patience, filter } = limits;
        let snap = usize::try_from(snap_length).unwrap_or(usize::MAX);
        let joined = sink.joins_interfaces();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new((CHUNKS, CHUNK), snap, joined, filter, packets)),
            work: Condvar::new(),
            written: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            told: Box::new(told),
        });
        let (sender, done) = mpsc::channel();
        let writing = Arc::clone(&shared);
        let run = move || {
            let failure = write(&writing, sink, patience);
            // Nobody listens where the command ended without this.
            let _ = sender.send(failure);
        };
        thread::Builder::new().name("writer".to_owned()).spawn(run)?;
        let recorder = Self { shared };
        Ok((recorder.clone(), Writer { recorder, done }))
    }

    /// The number of that interface: a new one, if there is none of its name.
    pub fn interface(&self, interface: Interface) -> u32 {
        self.shared.lock().interface(interface)
    }

    /// Takes packets that came at that time, in nanoseconds since 1970, until it is dropped. Other threads wait that
    /// long.
    #[inline]
    pub fn batch(&self, stamp: u64) -> Batch<'_> {
        Batch { shared: &self.shared, state: Some(self.shared.lock()), stamp, wake: false, complete: false }
    }

    /// What is to be said about the end, in the statistics of all interfaces. What was said before is replaced.
    pub fn remark(&self, text: String) {
        self.shared.lock().remark = text;
    }

    /// What became of all packets so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut counts = Counts::default();
        self.shared.lock().counts().for_each(|more| counts += more);
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Summary { counts, written: count(&self.shared.written), bytes: count(&self.shared.bytes), failure: None }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// Packets that came at one time.
pub struct Batch<'r> {
    shared: &'r Shared,
    state: Option<MutexGuard<'r, State>>,
    stamp: u64,
    wake: bool,
    complete: bool,
}

impl Batch<'_> {
    /// Records a packet of `length` bytes by that interface. `copy` gets room for its first bytes, as many as are kept
    /// or the filter has to see, and says how many it copied. It may be called again, and not at all where there is no
    /// room.
    #[inline]
    pub fn packet(&mut self, interface: u32, length: usize, copy: impl Fn(&mut [u8]) -> usize) {
        self.commented(interface, length, "", copy);
    }

    /// The same with a comment on the packet; an empty one is none. It is cut where it has more than 252 bytes.
    #[inline]
    pub fn commented(&mut self, interface: u32, length: usize, comment: &str, copy: impl Fn(&mut [u8]) -> usize) {
        let Some(state) = &mut self.state else { return };
        match state.record(interface, self.stamp, (length, comment), copy) {
            News::None => {}
            News::Wake => self.wake = true,
            News::Complete => self.complete = true,
        }
    }

    /// Counts packets that passed and were not seen here. They are counted as dropped, and the next packet of the
    /// interface says how many there were before it.
    pub fn unseen(&mut self, interface: u32, packets: u64) {
        if let Some(state) = &mut self.state {
            state.unseen(interface, packets);
        }
    }

    /// Counts packets that the link dropped before they came here.
    pub fn dropped(&mut self, interface: u32, packets: u64) {
        if let Some(state) = &mut self.state {
            state.dropped(interface, packets);
        }
    }
}

impl Drop for Batch<'_> {
    #[inline]
    fn drop(&mut self) {
        // Before the writer is woken, who wants it.
        self.state = None;
        if self.wake {
            self.shared.work.notify_one();
        }
        if self.complete {
            (self.shared.told)(Ending::Complete);
        }
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// What became of the packets of a recorder.
#[derive(Debug, Default)]
pub struct Summary {
    /// By the recorder. Packets that were taken and could not be written are missed, too.
    pub counts: Counts,
    /// Packets that went out.
    pub written: u64,
    /// Bytes that went out, as they stand there.
    pub bytes: u64,
    /// Why not all of them did.
    pub failure: Option<io::Error>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    recorder: Recorder,
    done: Receiver<Option<io::Error>>,
}

/// What is written to takes nothing, and does not say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is written to took nothing for {0:?}")]
pub struct Stuck(Duration);

impl Writer {
    /// Takes no more packets and waits until all are written: for ever as long as it goes on, and not longer than
    /// `patience` while it does not.
    ///
    /// # Errors
    /// Where it did not go on, what became of the packets until then is there as well.
    pub fn finish(self, patience: Duration) -> (Summary, Result<(), Stuck>) {
        let shared = &self.recorder.shared;
        shared.lock().end();
        shared.work.notify_one();
        let mut before = shared.bytes.load(Ordering::Relaxed);
        let (failure, result) = loop {
            match self.done.recv_timeout(patience) {
                Ok(failure) => break (failure, Ok(())),
                // A panic there was reported by the thread itself.
                Err(RecvTimeoutError::Disconnected) => break (None, Ok(())),
                Err(RecvTimeoutError::Timeout) => {
                    let now = shared.bytes.load(Ordering::Relaxed);
                    if mem::replace(&mut before, now) == now {
                        break (None, Err(Stuck(patience)));
                    }
                }
            }
        };
        let mut summary = self.recorder.summary();
        // Nothing is on its way any more.
        summary.counts.missed = summary.counts.accepted.saturating_sub(summary.written);
        (Summary { failure, ..summary }, result)
    }
}

/// Writes what is recorded until the end. Gives the error that ended it.
fn write(shared: &Shared, mut sink: impl Sink, patience: Duration) -> Option<io::Error> {
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut counts: Vec<Counts> = Vec::new();
    let mut waiting: Option<Instant> = None;
    loop {
        let mut state = shared.lock();
        let chunk = loop {
            let due = waiting.is_some_and(|since| since.elapsed() >= patience);
            match state.work(due) {
                Work::Chunk(chunk) => break Some(chunk),
                Work::End => break None,
                Work::None => {
                    waiting = None;
                    state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Work::Some => {
                    let since = *waiting.get_or_insert_with(Instant::now);
                    let left = patience.saturating_sub(since.elapsed());
                    let woken = shared.work.wait_timeout(state, left);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        };
        waiting = None;
        let known = chunk.as_ref().map_or(usize::MAX, |chunk| chunk.interfaces);
        interfaces.extend(state.interfaces(interfaces.len()).take(known.saturating_sub(interfaces.len())).cloned());
        counts.clear();
        counts.extend(state.counts());
        let remark = if chunk.is_none() { mem::take(&mut state.remark) } else { String::new() };
        drop(state);
        let Some(chunk) = chunk else {
            let ended = sink.finish(&interfaces, &counts, &remark);
            shared.bytes.store(sink.bytes(), Ordering::Relaxed);
            return ended.err();
        };
        let taken = sink.write(&interfaces, &counts, &chunk);
        let packets = taken.as_ref().map_or_else(|refused| refused.packets, |()| chunk.packets());
        shared.written.fetch_add(packets, Ordering::Relaxed);
        shared.bytes.store(sink.bytes(), Ordering::Relaxed);
        if let Err(Refused { error, .. }) = taken {
            shared.lock().fail();
            (shared.told)(Ending::Failed(&error));
            return Some(error);
        }
        shared.lock().give_back(chunk);
    }
}
