//! Packets of links into files: what `memif capture` and every `--write` stand on.

mod clock;
mod options;
mod report;
mod tap;

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use memif_capture::LinkType;
use memif_capture::write::{
    Compression, Ending, Files, Filter, Interface, Limits, Recorder, Section, Sink, Stuck, Summary, Target, Writer,
};

pub(crate) use clock::Clock;
pub(crate) use options::RecordOptions;
pub(crate) use report::CaptureReport;
pub(crate) use tap::{Lane, Named, Tap};

use crate::endpoint::metrics::{Metrics, Recorded};
use crate::error::Error;
use crate::output::{report, say, warn};
use crate::packet::Framing;

/// How long packets wait for more before they are written, and those that are compressed, which pays with many only.
const PATIENCE: Duration = Duration::from_millis(50);
const COMPRESSED_PATIENCE: Duration = Duration::from_secs(1);
/// How long what is written to may take nothing at the end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// What is recorded.
pub(crate) struct Subject {
    pub(crate) framing: Framing,
    /// For people, in the head of the file.
    pub(crate) comment: String,
    /// Which packets are taken, as text and to be asked.
    pub(crate) filter: Option<(String, Filter)>,
    /// The most packets that are taken.
    pub(crate) packets: Option<u64>,
}

/// Packets that are recorded.
#[derive(Debug)]
pub(crate) struct Recording {
    recorder: Recorder,
    writer: Writer,
    clock: Clock,
    file: Option<String>,
}

impl Recording {
    /// Records into the file of the options, if there is one, for a command that has something else to do: when the
    /// file takes no more, that is said, and it goes on.
    pub(crate) fn beside(options: &RecordOptions, framing: Framing, comment: String) -> Result<Option<Self>, Error> {
        options.check()?;
        let Some(name) = options.name() else {
            options.check_without_file()?;
            return Ok(None);
        };
        if options.takes_standard_output() {
            return Err(Error::Usage(
                "--write - would mix with what this command says: name a file, or take memif capture".to_owned(),
            ));
        }
        let subject = Subject { framing, comment, filter: None, packets: None };
        let told = move |ending: Ending<'_>| {
            if let Ending::Failed(error) = ending {
                warn(format_args!("{}; the links go on", takes_no_more(&name, error)));
            }
        };
        Self::to_files(options, subject, &[], told).map(Some)
    }

    /// Records into the files of the options, with some interfaces in their head from the beginning. `told` is called
    /// when no more packets are recorded.
    pub(crate) fn to_files(
        options: &RecordOptions,
        subject: Subject,
        interfaces: &[Interface],
        told: impl Fn(Ending<'_>) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let clock = Clock::new();
        let section = section(options, &subject);
        let name = options.name().unwrap_or_default();
        let failed =
            |source| Error::System { advice: advice(&source), what: format!("cannot write to {name}"), source };
        let target = if options.takes_standard_output() {
            let descriptor = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
            Target::Stream(File::from(descriptor))
        } else {
            Target::Path(options.path().unwrap_or_else(|| "".as_ref()).to_owned())
        };
        let files = Files::create(target, section, options.rotation(), interfaces, clock.now()).map_err(failed)?;
        if options.names_another_format() {
            warn(format_args!(
                "{name} is written as pcapng, which its name does not say: Wireshark, tshark and tcpdump read it all the \
                 same; for other programs name it .pcapng, or make a pcap of it with editcap -F nsecpcap"
            ));
        }
        let compressed = options.compression() != Compression::None && !options.takes_standard_output();
        let patience = if compressed { COMPRESSED_PATIENCE } else { PATIENCE };
        Self::start(files, options, subject, (patience, clock), told, interfaces, Some(name))
    }

    /// Records into something else.
    pub(crate) fn to_sink(
        sink: impl Sink + 'static,
        options: &RecordOptions,
        subject: Subject,
        interfaces: &[Interface],
        told: impl Fn(Ending<'_>) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::start(sink, options, subject, (PATIENCE, Clock::new()), told, interfaces, None)
    }

    fn start(
        sink: impl Sink + 'static,
        options: &RecordOptions,
        subject: Subject,
        (patience, clock): (Duration, Clock),
        told: impl Fn(Ending<'_>) + Send + Sync + 'static,
        interfaces: &[Interface],
        file: Option<String>,
    ) -> Result<Self, Error> {
        let limits = Limits {
            snap_length: options.snap_length(),
            packets: subject.packets,
            patience,
            filter: subject.filter.map(|(_, filter)| filter),
        };
        let started = Recorder::start(sink, limits, told);
        let (recorder, writer) = started.map_err(|source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limit of processes (ulimit -u)",
            source,
        })?;
        for interface in interfaces {
            recorder.interface(interface.clone());
        }
        Ok(Self { recorder, writer, clock, file })
    }

    /// For who has links, or tells what became of the packets so far.
    pub(crate) fn view(&self) -> RecordingView {
        RecordingView { recorder: self.recorder.clone(), clock: self.clock, file: self.file.clone() }
    }

    /// Writes what is left, and gives what became of all packets, and why not all of them could be written.
    pub(crate) fn end(self) -> (CaptureReport, Result<(), Error>) {
        let (summary, stuck) = self.writer.finish(END_PATIENCE);
        let report = CaptureReport::new(self.file.as_deref(), &summary);
        (report, verdict(self.file.as_deref(), summary, stuck))
    }

    /// The same, and tells of it.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let (figures, verdict) = self.end();
        say(format_args!("{figures}"))?;
        report(&figures)?;
        verdict
    }
}

/// What threads have of a recording.
#[derive(Clone, Debug)]
pub(crate) struct RecordingView {
    recorder: Recorder,
    clock: Clock,
    file: Option<String>,
}

impl RecordingView {
    /// For the threads of a link of so many receive and transmit queues.
    pub(crate) fn tap(&self, link: &Named<'_>, queues: (usize, usize)) -> Tap {
        Tap::new(self.recorder.clone(), self.clock, link, queues)
    }

    /// The number of an interface that is none of ours: for [`lane`](Self::lane).
    pub(crate) fn interface(&self, interface: Interface) -> u32 {
        self.recorder.interface(interface)
    }

    /// Packets of that interface that were seen at that time.
    #[inline]
    pub(crate) fn lane(&self, interface: u32, time: u64) -> Lane<'_> {
        Lane::new(&self.recorder, interface, time)
    }

    /// The time now, as packets get it.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// What is to be said about the end, in the statistics of the file.
    pub(crate) fn remark(&self, text: String) {
        self.recorder.remark(text);
    }

    /// What became of the packets so far.
    pub(crate) fn so_far(&self) -> CaptureReport {
        CaptureReport::new(self.file.as_deref(), &self.recorder.summary())
    }
}

/// Has metrics tell what becomes of the packets, where they are recorded.
pub(crate) fn count(recording: Option<&Recording>, metrics: &Metrics) {
    let Some(recorder) = recording.map(|recording| recording.recorder.clone()) else { return };
    metrics.recorded(move || {
        let Summary { counts, written, .. } = recorder.summary();
        Recorded { received: counts.received, accepted: counts.accepted, written, missed: counts.missed }
    });
}

/// The first interfaces of a link, before it is known how many queues it has.
pub(crate) fn first_interfaces(link: &Named<'_>) -> Vec<Interface> {
    vec![link.queue(0, memif_capture::write::Direction::Inbound)]
}

/// What packets of that framing are in a file.
pub(crate) fn link_type(framing: Framing) -> LinkType {
    match framing {
        Framing::Ethernet => LinkType::Ethernet,
        Framing::Ip => LinkType::RawIp,
    }
}

/// What is said when a file takes nothing more.
pub(crate) fn takes_no_more(file: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return "nobody reads the packets any more".to_owned();
    }
    format!("{file} takes no more packets: {error}; those before can be read; {}", advice(error))
}

/// What to do about a file that cannot be written to.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room, or write less: --snaplen, --rotate-size with --files, a filter, a name that ends in .zst"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "name a file where this user may write",
        io::ErrorKind::NotFound => "make the directory, or name another",
        io::ErrorKind::IsADirectory => "name a file in it",
        _ => "look whether the file system is in order, or name another file",
    }
}

fn verdict(file: Option<&str>, summary: Summary, stuck: Result<(), Stuck>) -> Result<(), Error> {
    let what = || format!("cannot write all packets to {}", file.unwrap_or("standard output"));
    if let Err(stuck) = stuck {
        let advice = "look whether whoever reads it goes on reading";
        return Err(Error::System { what: what(), advice, source: io::Error::other(stuck) });
    }
    match summary.failure {
        // Whoever reads may stop when they have seen enough.
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::System { what: what(), advice: advice(&error), source: error })
        }
        _ => Ok(()),
    }
}

fn section(options: &RecordOptions, subject: &Subject) -> Section {
    let kernel = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    Section {
        link_type: link_type(subject.framing),
        snap_length: options.snap_length(),
        application: concat!("memif ", env!("CARGO_PKG_VERSION")).to_owned(),
        hardware: std::env::consts::ARCH.to_owned(),
        os: format!("{} {}", kernel("ostype").trim(), kernel("osrelease").trim()).trim().to_owned(),
        comment: subject.comment.clone(),
        filter: subject.filter.as_ref().map(|(text, _)| text.clone()),
    }
}
