//! The thread that reads files, so that no disk delays a packet.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use memif_capture::read::{Cut, ReadError, Reader};

use super::chunk::{Chunk, Size};
use super::pace::{Pace, Schedule};
use super::plan::{Plan, Source};
use super::prepare::{Preparation, is_misfit, misfit};
use super::tally::Read;
use crate::error::Error;

/// Bytes of a file that are kept between passes, ready to be sent again.
const KEPT: u64 = 16 << 20;

/// Chunks that come from the reading thread.
#[derive(Debug)]
pub(super) struct Feed {
    messages: Receiver<Message>,
    spare: mpsc::Sender<Chunk>,
}

/// What comes from there.
#[derive(Debug)]
pub(super) enum Message {
    /// The file can be read, and its packets fit.
    Begun,
    /// The next packets.
    Packets(Packets),
    /// There are no more.
    End(End),
}

/// Packets of a pass.
#[derive(Debug)]
pub(super) struct Packets {
    /// When the pass begins, in nanoseconds from the first packet of the first one.
    pub(super) start: u64,
    pub(super) chunk: Arc<Chunk>,
    /// What was read up to the last of them.
    pub(super) read: Read,
}

/// How reading ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) read: Read,
    pub(super) passes: u64,
    /// Where the file ends within a packet.
    pub(super) cut: Option<Cut>,
    pub(super) error: Option<Error>,
}

impl Feed {
    /// Starts to read.
    pub(super) fn start(plan: Plan) -> Result<Self, Error> {
        let size = if plan.pace == Pace::Top { Size::TOP } else { Size::PACED };
        let (sender, messages) = mpsc::sync_channel(size.ahead);
        let (spare, empty) = mpsc::channel();
        let work = move || {
            let mut reading =
                Reading { plan: &plan, size, to: &sender, empty, begun: false, told: Vec::new(), cut: None };
            let (mut read, mut passes) = (Read::default(), 0);
            let error = reading.all(&mut read, &mut passes).err();
            let cut = reading.cut;
            // Nobody waits for it any more where that fails.
            let _ = match error {
                Some(Left::Gone) => Ok(()),
                Some(Left::Failed(error)) => sender.send(Message::End(End { read, passes, cut, error: Some(error) })),
                None => sender.send(Message::End(End { read, passes, cut, error: None })),
            };
        };
        thread::Builder::new().name("reading".to_owned()).spawn(work).map_err(|source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limit of processes (ulimit -u)",
            source,
        })?;
        Ok(Self { messages, spare })
    }

    /// What comes next, `None` where nothing comes in time.
    pub(super) fn next(&self, time: Duration) -> Option<Message> {
        match self.messages.recv_timeout(time) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            // The last message is the end; without one the thread has ended by a panic, which it reported.
            Err(RecvTimeoutError::Disconnected) => {
                Some(Message::End(End { read: Read::default(), passes: 0, cut: None, error: None }))
            }
        }
    }

    /// Takes back a chunk that was sent.
    pub(super) fn take_back(&self, chunk: Arc<Chunk>) {
        if let Ok(mut chunk) = Arc::try_unwrap(chunk) {
            chunk.clear();
            // The thread may have ended.
            let _ = self.spare.send(chunk);
        }
    }
}

/// Why reading ended before its end.
enum Left {
    /// Nobody takes what is read.
    Gone,
    Failed(Error),
}

impl<T> From<mpsc::SendError<T>> for Left {
    fn from(_: mpsc::SendError<T>) -> Self {
        Self::Gone
    }
}

impl From<Error> for Left {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Reading<'a> {
    plan: &'a Plan,
    size: Size,
    to: &'a SyncSender<Message>,
    empty: Receiver<Chunk>,
    begun: bool,
    /// Link types that were told of.
    told: Vec<u16>,
    cut: Option<Cut>,
}

/// The chunks of a pass with what was read up to the end of each, as long as they are not too many.
#[derive(Default)]
struct Kept {
    chunks: Vec<(Arc<Chunk>, Read)>,
    /// Of all chunks that there were.
    weight: u64,
    too_much: bool,
}

impl Reading<'_> {
    /// Reads all passes.
    fn all(&mut self, read: &mut Read, passes: &mut u64) -> Result<(), Left> {
        let several = self.plan.passes != Some(1);
        let (mut start, mut kept) = (0, Kept { too_much: !several, ..Kept::default() });
        let mut length = self.pass(start, read, &mut kept)?;
        let (first, mut weight) = (*read, 0);
        loop {
            *passes += 1;
            // A pass without a packet takes no time: without end there would be nothing else. A file that is read once
            // more may have none by now.
            if self.plan.passes == Some(*passes) || kept.weight == weight {
                return Ok(());
            }
            // Times of a file may be centuries apart.
            start = start.saturating_add(length);
            if kept.too_much {
                weight = kept.weight;
                length = self.pass(start, read, &mut kept)?;
                continue;
            }
            let before = *read;
            for (chunk, of_pass) in &kept.chunks {
                *read = before;
                *read += *of_pass;
                self.to.send(Message::Packets(Packets { start, chunk: Arc::clone(chunk), read: *read }))?;
            }
            *read = before;
            *read += first;
        }
    }

    /// Reads the file once. Says how long its packets take.
    fn pass(&mut self, start: u64, read: &mut Read, kept: &mut Kept) -> Result<u64, Left> {
        let name = self.plan.source.name();
        let source = open(&self.plan.source, self.plan.passes != Some(1))?;
        let mut reader = Reader::new(source).map_err(|error| unreadable(&name, &error))?;
        let recipe = &self.plan.recipe;
        if let Some(link_type) = reader.link_type().filter(|link_type| is_misfit(*link_type, recipe)) {
            return Err(Error::File(format!("{name}: {}", misfit(link_type, recipe.framing))).into());
        }
        if !self.begun {
            self.begun = true;
            self.to.send(Message::Begun)?;
        }
        let mut preparation = Preparation::new(recipe, Schedule::new(self.plan.pace), &mut self.told);
        let mut chunk = Chunk::default();
        let before = *read;
        let hand_over = |chunk: &mut Chunk, of_pass: Read, read: &mut Read, kept: &mut Kept| {
            let next = self.empty.try_recv().unwrap_or_default();
            let chunk = Arc::new(std::mem::replace(chunk, next));
            kept.add(&chunk, of_pass);
            *read = before;
            *read += of_pass;
            self.to.send(Message::Packets(Packets { start, chunk, read: *read })).map_err(Left::from)
        };
        loop {
            // Before it may have to wait, so that nothing lies here meanwhile.
            if (chunk.is_full(self.size) || !reader.is_ready()) && !chunk.is_empty() {
                hand_over(&mut chunk, preparation.read, read, kept)?;
            }
            match reader.next_packet() {
                Ok(Some(packet)) => preparation.add(&packet, &mut chunk),
                Ok(None) => break,
                Err(error) => {
                    *read = before;
                    *read += preparation.read;
                    return Err(unreadable(&name, &error).into());
                }
            }
        }
        self.cut = reader.cut();
        *read = before;
        *read += preparation.read;
        Ok(preparation.length())
    }
}

impl Kept {
    /// Keeps a chunk, or none any more.
    fn add(&mut self, chunk: &Arc<Chunk>, read: Read) {
        self.weight = self.weight.saturating_add(chunk.weight() as u64);
        self.too_much |= self.weight > KEPT;
        if self.too_much {
            self.chunks = Vec::new();
        } else {
            self.chunks.push((Arc::clone(chunk), read));
        }
    }
}

/// Opens it, `again` where it is to be read more than once. Reading it may block, and so may this.
fn open(source: &Source, again: bool) -> Result<Box<dyn io::Read>, Error> {
    match source {
        Source::Standard => Ok(Box::new(io::stdin().lock())),
        Source::File(path) => {
            // To open it would wait for who writes.
            if again && fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
                return Err(Error::File(format!(
                    "{} is a pipe, which can be read once: leave --loop out, or write to a file first",
                    path.display()
                )));
            }
            let file = File::open(path).map_err(|error| unopened(path, error))?;
            if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return Err(Error::File(format!("{} is a directory: give a file in it", path.display())));
            }
            Ok(Box::new(file))
        }
    }
}

fn unopened(path: &Path, source: io::Error) -> Error {
    let advice = match source.kind() {
        io::ErrorKind::NotFound => "check the name (- is standard input)",
        io::ErrorKind::PermissionDenied => "give a file that this user may read, or pipe it in",
        _ => "give another file",
    };
    Error::System { what: format!("cannot read {}", path.display()), advice, source }
}

fn unreadable(name: &str, error: &ReadError) -> Error {
    Error::File(format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::commands::replay::ReplayOptions;
    use crate::endpoint::typed::typed;

    /// Bytes of the header of a file.
    const HEADER: u64 = 24;

    /// A pcap file, which goes with the test.
    struct Temporary(PathBuf);

    impl Temporary {
        /// With packets that came at those seconds.
        fn new(name: &str, times: &[u32], length: u32) -> Self {
            let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
            for time in times {
                file.extend([*time, 0, length, length].map(u32::to_le_bytes).as_flattened());
                file.resize(file.len() + length as usize, 0);
            }
            let path = std::env::temp_dir().join(format!("memif-{name}-{}", std::process::id()));
            fs::write(&path, file).unwrap();
            Self(path)
        }

        fn feed(&self, options: &str) -> Feed {
            let options = typed::<ReplayOptions>(&format!("{} {options}", self.0.display())).unwrap();
            Feed::start(options.plan().unwrap()).unwrap()
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn next(feed: &Feed) -> Message {
        feed.next(Duration::from_secs(60)).expect("a message of the reading thread")
    }

    /// When passes begin, and how it ends.
    fn rest(feed: &Feed) -> (Vec<u64>, End) {
        let mut starts = Vec::new();
        loop {
            match next(feed) {
                Message::Begun => {}
                Message::Packets(packets) => starts.push(packets.start),
                Message::End(end) => return (starts, end),
            }
        }
    }

    #[test]
    fn passes_may_take_longer_than_a_clock_counts() {
        let file = Temporary::new("far", &[0, u32::MAX], 60);
        let (mut starts, end) = rest(&file.feed("--loop 4 --speed 0.001"));
        starts.dedup();
        assert_eq!((starts, end.passes), (vec![0, u64::MAX], 4));
    }

    #[test]
    fn a_pass_that_finds_no_packet_any_more_is_the_last() {
        let file = Temporary::new("shrinks", &[0; 600], 60_000);
        let feed = file.feed("--loop 0 --topspeed");
        // So many that none are kept, and the file is read in each pass.
        let mut weight = 0;
        while weight <= KEPT {
            if let Message::Packets(packets) = next(&feed) {
                weight += packets.chunk.weight() as u64;
            }
        }
        fs::OpenOptions::new().write(true).open(&file.0).unwrap().set_len(HEADER).unwrap();
        let (_, end) = rest(&feed);
        assert!(end.error.is_none() && end.passes > 1, "{end:?}");
    }
}
