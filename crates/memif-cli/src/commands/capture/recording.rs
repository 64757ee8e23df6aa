//! What is recorded, and where what is said about it goes.

use std::fmt::Arguments;
use std::io;
use std::sync::mpsc::Sender;
use std::thread;

use memif_capture::write::{Ending, Filter, Interface};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::lines::{Lines, Way};
use super::options::{CaptureOptions, End, named};
use crate::endpoint::driver::Notice;
use crate::endpoint::record::{Recording, Subject, first_interfaces, link_type, takes_no_more};
use crate::error::Error;
use crate::output::{say, speaks_json, warn};
use crate::packet::Framing;

/// Whether standard output is for packets.
pub(super) fn tells_of_packets(options: &CaptureOptions) -> bool {
    options.record.path().is_none() || options.record.takes_standard_output()
}

/// Says something where no packets are told of.
pub(super) fn tell(options: &CaptureOptions, line: Arguments<'_>) -> Result<(), Error> {
    if !tells_of_packets(options) {
        return say(line);
    }
    if !speaks_json() && !options.quiet {
        warn(line);
    }
    Ok(())
}

/// What is recorded, and how that is told.
pub(super) struct Subjects {
    pub(super) framing: Framing,
    pub(super) comment: String,
    /// Interfaces in the head of a file.
    pub(super) interfaces: Vec<Interface>,
    /// What a line says of the way of its packet.
    pub(super) way: Way,
    /// Whether the links of others lead through here.
    pub(super) via: bool,
}

impl Subjects {
    pub(super) fn of(options: &CaptureOptions, ends: &[End]) -> Self {
        let (short_name, description) = (options.short_name(), ends.first().map(End::name).unwrap_or_default());
        let via = ends.len() > 1;
        Self {
            framing: options.framing(),
            comment: options.comment(ends),
            interfaces: first_interfaces(&named(&short_name, &description)),
            way: if via { Way::InOrOut } else { Way::None },
            via,
        }
    }
}

pub(super) fn start_recording(
    options: &CaptureOptions,
    subjects: &Subjects,
    over: Sender<Notice>,
) -> Result<Recording, Error> {
    let Subjects { framing, comment, interfaces, way, via } = subjects;
    let filter = options.filter(*framing)?.map(|(text, filter)| -> (String, Filter) {
        (text, Box::new(move |packet: &[u8], length| filter.matches(packet, length)))
    });
    let subject = Subject { framing: *framing, comment: comment.clone(), filter, packets: options.count };
    let file = options.record.name();
    let via = *via;
    let told = move |ending: Ending<'_>| match ending {
        // They are not to notice.
        Ending::Failed(error) if via => {
            let what = takes_no_more(file.as_deref().unwrap_or("standard output"), error);
            warn(format_args!("{what}; packets are passed on"));
        }
        // Without a receiver the command is ending already.
        Ending::Failed(_) | Ending::Complete => drop(over.send(Notice::Signal)),
    };
    if options.record.path().is_some() {
        return Recording::to_files(&options.record, subject, interfaces, told);
    }
    Recording::to_sink(Lines::new(link_type(*framing), *way), &options.record, subject, interfaces, told)
}

/// Has the end told of when packets go to standard output and nobody reads it any more: without packets nothing else
/// would show it.
pub(super) fn notice_reader(options: &CaptureOptions, over: &Sender<Notice>) -> Result<(), Error> {
    if !options.record.takes_standard_output() {
        return Ok(());
    }
    let over = over.clone();
    let wait = move || {
        let out = io::stdout();
        let mut polled = [PollFd::new(&out, PollFlags::empty())];
        while poll(&mut polled, None) == Err(Errno::INTR) {}
        // A file has no reader, and is never heard of. Without a receiver the command is ending already.
        drop(over.send(Notice::Signal));
    };
    thread::Builder::new().name("reader".to_owned()).spawn(wait).map(drop).map_err(|source| Error::System {
        what: "cannot start a thread".to_owned(),
        advice: "raise the limit of processes (ulimit -u)",
        source,
    })
}
