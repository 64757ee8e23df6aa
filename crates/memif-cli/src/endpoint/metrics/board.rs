//! All that is counted in this process, and how it is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::counting::{Direction, Dropping, Source};
use super::families::{self, Dropped, Recorded};
use super::interface::{Interface, Of};

/// Reads what is recorded of the packets.
type ReadRecorded = Box<dyn Fn() -> Recorded + Send + Sync>;

/// What there is to tell. Held for as long as it takes to note something, or to read it all: never by who has packets.
#[derive(Default)]
pub(super) struct Board {
    command: &'static str,
    interfaces: Mutex<BTreeMap<Of, Arc<Mutex<Interface>>>>,
    counted: Mutex<BTreeMap<Of, Counted>>,
    recorded: OnceLock<ReadRecorded>,
}

/// What the threads of a command count of an interface.
#[derive(Debug, Default)]
struct Counted {
    /// The counts of threads that are gone.
    past: BTreeMap<(Direction, String), u64>,
    sources: Vec<Source>,
}

impl Board {
    pub(super) fn new(command: &'static str) -> Self {
        Self { command, ..Self::default() }
    }

    /// The interface, which is there from now on, with or without a link.
    pub(super) fn interface(&self, of: Of) -> Arc<Mutex<Interface>> {
        Arc::clone(lock(&self.interfaces).entry(of).or_default())
    }

    /// All of it, as Prometheus reads it.
    pub(super) fn tell(&self) -> String {
        let interfaces: Vec<_> =
            lock(&self.interfaces).iter().map(|(of, interface)| (of.labels(), lock(interface).state())).collect();
        let dropped = lock(&self.counted).iter_mut().flat_map(|(of, counted)| counted.read(of)).collect::<Vec<_>>();
        let recorded = self.recorded.get().map(|read| read());
        families::tell(self.command, &interfaces, &dropped, recorded)
    }
}

impl Counted {
    fn add(&mut self, source: Source) {
        // A peer whose links come and go must not make them many, whether or not anybody reads them.
        self.fold();
        self.sources.push(source);
    }

    /// Lets go of what no thread counts with any more.
    fn fold(&mut self) {
        for over in self.sources.extract_if(.., |source| source.is_over()) {
            sum(&mut self.past, &over);
        }
    }

    fn read(&mut self, of: &Of) -> Vec<Dropped> {
        self.fold();
        let mut all = self.past.clone();
        self.sources.iter().for_each(|source| sum(&mut all, source));
        let labels = of.labels();
        let told = |((direction, reason), count)| Dropped { labels: labels.clone(), direction, reason, count };
        all.into_iter().map(told).collect()
    }
}

fn sum(all: &mut BTreeMap<(Direction, String), u64>, source: &Source) {
    for (reason, count) in source.read() {
        *all.entry((source.direction, reason)).or_default() += count;
    }
}

/// A lock whose holder failed holds numbers all the same.
pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where it is noted what there is to tell. Without `--metrics` nothing is.
#[derive(Clone, Default)]
pub(crate) struct Metrics(pub(super) Option<Arc<Board>>);

impl Metrics {
    /// Where the threads that serve an interface hand over what they count.
    pub(crate) fn counting(&self, of: Of) -> Counting {
        Counting(self.0.as_ref().map(|board| (Arc::clone(board), of)))
    }

    /// Has this read for what is recorded of the packets.
    pub(crate) fn recorded(&self, read: impl Fn() -> Recorded + Send + Sync + 'static) {
        if let Some(board) = &self.0 {
            // A process records into one place.
            let _ = board.recorded.set(Box::new(read));
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metrics").field(&self.0.is_some()).finish()
    }
}

/// Takes over the counts of one interface.
#[derive(Clone, Default)]
pub(crate) struct Counting(Option<(Arc<Board>, Of)>);

impl Counting {
    /// Has these counts read from now on, and kept when their thread has let go of them.
    pub(crate) fn add<D: Dropping + 'static>(&self, direction: Direction, counts: &Arc<D>) {
        if let Some((board, of)) = &self.0 {
            let counts: Arc<D> = Arc::clone(counts);
            lock(&board.counted).entry(of.clone()).or_default().add(Source::new(direction, counts));
        }
    }
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counting").field(&self.0.as_ref().map(|(_, of)| of)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use memif::Role;

    use super::*;

    #[derive(Debug, Default)]
    struct Thread(AtomicU64);

    impl Dropping for Thread {
        fn dropped(&self) -> Vec<(String, u64)> {
            vec![("no_link".to_owned(), self.0.load(Ordering::Relaxed))]
        }
    }

    #[test]
    fn what_a_thread_counted_stays_when_it_is_gone() {
        let board = Arc::new(Board::new("test"));
        let counting = Metrics(Some(Arc::clone(&board))).counting(Of::new("@x", 3, Role::Slave));
        let line = |count: u64| {
            format!(
                "memif_command_dropped_packets_total{{socket=\"@x\",interface=\"3\",role=\"slave\",direction=\"tx\",\
                 reason=\"no_link\"}} {count}\n"
            )
        };
        for links in 1..=3 {
            let thread = Arc::<Thread>::default();
            counting.add(Direction::Tx, &thread);
            assert!(board.tell().contains(&line(7 * (links - 1))));
            thread.0.store(7, Ordering::Relaxed);
            assert!(board.tell().contains(&line(7 * links)));
            drop(thread);
            assert!(board.tell().contains(&line(7 * links)));
            assert!(lock(&board.counted).values().all(|counted| counted.sources.is_empty()));
        }
        // Nor do they pile up where nobody reads them.
        (0..100).for_each(|_| counting.add(Direction::Tx, &Arc::<Thread>::default()));
        assert!(lock(&board.counted).values().all(|counted| counted.sources.len() == 1));
    }
}
