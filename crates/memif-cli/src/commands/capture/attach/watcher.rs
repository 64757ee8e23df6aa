//! The thread that looks at the rings of a link, as often as their packets ask for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memif_watch::Link;

use super::follow::{Follower, Lost, Room, Wanted};
use crate::endpoint::record::RecordingView;
use crate::error::Error;

/// The shortest pause between two looks, which the kernel makes longer, and the longest, of a link without packets.
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(1);
/// A look is due when the sender is through one part in so many of a ring.
const PART: u16 = 8;
/// How much of a ring a look may find until the next one follows at once.
const MUCH: f64 = 0.25;

/// Bytes that are copied of one ring at a look, and of all rings at the last one: what it takes may be much longer than
/// anybody waits, as rings are full and lie about it.
const MOST_OF_A_RING: usize = 8 << 20;
const MOST_AT_THE_END: usize = 64 << 20;

/// Rings that are followed, shared with who tells of them.
#[derive(Clone, Debug)]
pub(super) struct Rings(Arc<Mutex<Vec<Follower>>>);

impl Rings {
    pub(super) fn new(followers: Vec<Follower>) -> Self {
        Self(Arc::new(Mutex::new(followers)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Follower>> {
        // What a thread that panicked was about leaves counts a little behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the rings until it is told to end.
#[derive(Debug)]
pub(super) struct Watcher {
    thread: JoinHandle<Option<Lost>>,
    ending: Arc<AtomicBool>,
}

impl Watcher {
    /// Starts to look. `over` is called when the link can be followed no further.
    pub(super) fn start(
        link: Link,
        rings: Rings,
        view: RecordingView,
        wanted: Wanted,
        over: impl Fn() + Send + 'static,
    ) -> Result<Self, Error> {
        let ending = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ending);
        let run = move || {
            let go_on = || !told.load(Ordering::Relaxed);
            let mut room = Room::default();
            while go_on() {
                match look(&link, &mut rings.lock(), &view, wanted, &mut room, &go_on) {
                    Ok(Some(pause)) => thread::sleep(pause),
                    Ok(None) => {}
                    Err(lost) => {
                        over();
                        return Some(lost);
                    }
                }
            }
            look_last(&link, &mut rings.lock(), &view, wanted, &mut room).err()
        };
        let thread = thread::Builder::new().name("watch".to_owned()).spawn(run);
        let thread = thread.map_err(|source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limit of processes (ulimit -u)",
            source,
        })?;
        Ok(Self { thread, ending })
    }

    /// Looks for the last time, and gives why it could not go on, if it could not.
    pub(super) fn finish(self) -> Option<Lost> {
        self.ending.store(true, Ordering::Relaxed);
        // A panic there was reported by the thread itself.
        self.thread.join().unwrap_or(None)
    }
}

/// Looks at all rings once; gives how long to wait for the next time, if at all.
fn look(
    link: &Link,
    rings: &mut [Follower],
    view: &RecordingView,
    wanted: Wanted,
    room: &mut Room,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<Duration>, Lost> {
    let (mut most, mut soonest) = (0.0_f64, LONGEST.as_secs_f64());
    for ring in rings {
        let mut left = MOST_OF_A_RING;
        let mut more = |done| {
            left = left.saturating_sub(done);
            left > 0 && go_on()
        };
        let looked = ring.look(link, view, wanted, room, &mut more)?;
        most = most.max(if looked.left > 0 { 1.0 } else { looked.part });
        soonest = soonest.min(ring.seconds_for(PART));
    }
    let pause = Duration::try_from_secs_f64(soonest).unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
    Ok((most < MUCH).then_some(pause))
}

/// Looks for what was sent before the end. What would take too long is counted as missed.
fn look_last(
    link: &Link,
    rings: &mut [Follower],
    view: &RecordingView,
    wanted: Wanted,
    room: &mut Room,
) -> Result<(), Lost> {
    let mut left = MOST_AT_THE_END;
    let mut more = |done| {
        left = left.saturating_sub(done);
        left > 0
    };
    for ring in rings {
        let looked = ring.look(link, view, wanted, room, &mut more)?;
        ring.miss(looked.left, view);
    }
    Ok(())
}
