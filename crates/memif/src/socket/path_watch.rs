//! A watch on the path of the master's socket, so that a slave meets a new socket at once.
//!
//! Where the address is a path, the directories that decide what it leads to are watched. The watch is a help and no
//! more: whatever it misses, or where there is none, the next pause of a slave ends all the same.

use std::time::{Duration, Instant};

use super::tokens;
use super::trace::control_log;
use super::waits::Waits;
use crate::address::SocketAddress;
use crate::sys::{self, Change, Inotify, Site, WatchId};

/// Reports of the watch within [`PERIOD`] beyond which it is given up for as long: the directory is busy, or somebody
/// wants it to be.
const MANY_REPORTS: u32 = 64;
/// How long reports are counted, and how long there is no watch after there were too many, or none could be had.
const PERIOD: Duration = Duration::from_secs(10);
/// How long a watch is taken for the right one: that a directory further up was renamed is not reported.
const TRUSTED: Duration = Duration::from_secs(1);
/// How often the path is looked at again when it changes just then.
const MANY_ROUNDS: usize = 4;

/// The watch on the path of the master's socket.
#[derive(Debug, Default)]
pub(super) struct PathWatch {
    /// From the first time that it is needed.
    inotify: Option<Inotify>,
    /// What the path depends on, with the watch of the directory where that could be had.
    watched: Vec<(Site, Option<WatchId>)>,
    /// When that was last found to be so.
    checked: Option<Instant>,
    /// Reports since then.
    reports: u32,
    counted_since: Option<Instant>,
    /// Until when there is none.
    rests_until: Option<Instant>,
}

impl PathWatch {
    /// Watches for that path what is not watched yet.
    pub(super) fn aim(&mut self, address: &SocketAddress, waits: &Waits, now: Instant) {
        let SocketAddress::Path(path) = address else { return self.clear() };
        let recent =
            |time: Option<Instant>, length| time.is_some_and(|time| now.saturating_duration_since(time) < length);
        if self.rests_until.is_some_and(|until| now < until) || recent(self.checked, TRUSTED) {
            return;
        }
        if self.inotify.is_none() {
            let made = Inotify::new().and_then(|made| {
                waits.add(&made, tokens::PATH)?;
                Ok(made)
            });
            match made {
                Ok(made) => self.inotify = Some(made),
                Err(error) => {
                    control_log!(debug, "no watch on {address}, so pauses alone: {error}");
                    self.rests_until = now.checked_add(PERIOD);
                    return;
                }
            }
        }
        let Some(inotify) = &self.inotify else { return };
        // What changes between looking and watching is not reported: once more, until nothing did.
        for _ in 0..MANY_ROUNDS {
            let found: Vec<_> = sys::sites(path)
                .into_iter()
                .map(|site| {
                    let id = inotify.watch(&site.directory).ok();
                    (site, id)
                })
                .collect();
            if found == self.watched {
                break;
            }
            let old = std::mem::replace(&mut self.watched, found);
            for id in old.iter().filter_map(|(_, id)| *id).filter(|id| !self.watches(*id)) {
                inotify.unwatch(id);
            }
        }
        self.checked = Some(now);
    }

    fn watches(&self, id: WatchId) -> bool {
        self.watched.iter().any(|(_, watched)| *watched == Some(id))
    }

    /// Ends all watches.
    pub(super) fn clear(&mut self) {
        self.checked = None;
        for id in std::mem::take(&mut self.watched).into_iter().filter_map(|(_, id)| id) {
            if let Some(inotify) = &self.inotify {
                inotify.unwatch(id);
            }
        }
    }

    /// As if the time without a watch were over.
    #[cfg(test)]
    pub(super) fn end_rest(&mut self) {
        self.rests_until = None;
    }

    /// Takes a report. Returns whether something is new on the way to the socket.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let (mut appeared, mut moved) = (false, false);
        inotify.read(|change| match change {
            Change::Appeared(id, name) => {
                let is_ours = |(site, watched): &(Site, Option<WatchId>)| *watched == Some(id) && site.name == name;
                appeared |= self.watched.iter().any(is_ours);
            }
            Change::Gone(id) => moved |= self.watches(id),
            Change::Lost => appeared = true,
        });
        if appeared || moved {
            self.checked = None;
        }
        if self.counted_since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            self.counted_since = Some(now);
            self.reports = 0;
        }
        self.reports = self.reports.saturating_add(1);
        if self.reports > MANY_REPORTS {
            control_log!(debug, "the directory of the socket is busy, so pauses alone for a while");
            self.clear();
            self.rests_until = now.checked_add(PERIOD);
        }
        appeared || moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own, the path of a socket in it, and the watch of that.
    fn watched(name: &str) -> (std::path::PathBuf, SocketAddress, PathWatch, Waits) {
        let directory = std::env::temp_dir().join(format!("memif-path-watch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let address = SocketAddress::Path(directory.join("socket"));
        let (mut watch, waits) = (PathWatch::default(), Waits::new().unwrap());
        watch.aim(&address, &waits, Instant::now());
        (directory, address, watch, waits)
    }

    fn is_reported(waits: &mut Waits) -> bool {
        let mut ready = Vec::new();
        waits.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        ready.iter().any(|ready| ready.token == tokens::PATH)
    }

    #[test]
    fn what_appears_at_the_path_is_news_and_what_appears_beside_it_is_not() {
        let (directory, _, mut watch, mut waits) = watched("news");
        let now = Instant::now();
        std::fs::write(directory.join("other"), "").unwrap();
        assert!(is_reported(&mut waits) && !watch.take(now));
        std::fs::write(directory.join("socket"), "").unwrap();
        assert!(is_reported(&mut waits) && watch.take(now));
        watch.clear();
        std::fs::remove_file(directory.join("socket")).unwrap();
        std::fs::write(directory.join("socket"), "").unwrap();
        // That the watches went is all that may be told.
        assert!(!is_reported(&mut waits) || !watch.take(now));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_busy_directory_is_left_alone_for_a_while() {
        let (directory, address, mut watch, waits) = watched("busy");
        let now = Instant::now();
        assert!((0..=MANY_REPORTS).all(|_| !watch.take(now)) && watch.watched.is_empty());
        watch.aim(&address, &waits, now);
        assert!(watch.watched.is_empty());
        watch.aim(&address, &waits, now + PERIOD);
        assert!(!watch.watched.is_empty());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
