//! `memif capture`: packets of an interface, or of a link that leads through here, into files or lines.

mod lines;
mod options;
mod progress;
mod report;
mod tally;
mod tapper;
mod tcpdump;

use std::fmt::Arguments;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Instant;

use memif::{Event, InterfaceKey, SocketError};
use memif_capture::write::{Ending, Filter};

pub(crate) use options::CaptureOptions;

use crate::endpoint::driver::Notice;
use crate::endpoint::metrics::{Direction, Of};
use crate::endpoint::record::{self, Recording, RecordingView, Subject, first_interfaces, link_type, takes_no_more};
use crate::endpoint::report::InterfaceReport;
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::{Endpoint, Happening, Inbox};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::said::Told;
use crate::output::{report, say, so_far, speaks_json, warn};
use lines::Lines;
use options::{End, named};
use progress::Watched;
use report::Figures;
use tally::Flow;
use tapper::{ENDS, Orders, Plan, Tapper};

/// Captures until a signal, or what the options say, ends it.
pub(crate) fn run(options: &CaptureOptions) -> Result<Outcome, Error> {
    options.check()?;
    let ends = options.ends()?;
    let configs = ends.iter().map(End::config).collect::<Result<Vec<_>, _>>()?;
    let inbox = Inbox::new();
    // Before signals are listened to: a pipe that nobody reads keeps it waiting, which a signal is to end.
    let recording = start_recording(options, &ends, inbox.sender())?;
    let stop = Stop::listen(inbox.sender())?;
    let serving = options.metrics.serve("capture")?;
    let metrics = serving.metrics();
    record::count(Some(&recording), metrics);
    let flows: [Arc<Flow>; ENDS] = Default::default();
    // An end that passes nothing on drops nothing.
    for (end, flow) in ends.iter().zip(&flows).filter(|_| ends.len() > 1) {
        metrics.counting(Of::new(&end.address, end.id, end.role)).add(Direction::Rx, flow);
    }
    let over = inbox.sender();
    let tapper = Tapper::start(Plan {
        via: ends.len() > 1,
        flows: flows.clone(),
        until: options.seconds.map(|time| Instant::now() + time),
        // Without a receiver the command is ending already.
        over: Box::new(move || drop(over.send(Notice::Signal))),
    })?;

    let tells_on = if tells_of_packets(options) { Told::warn } else { Told::say };
    let wake_first = inbox.sender();
    let mut inboxes = vec![inbox];
    inboxes.resize_with(ends.len(), Inbox::new);
    let wakers: Vec<_> = inboxes.iter().map(Inbox::sender).collect();
    let mut endpoints = Vec::new();
    for ((end, config), inbox) in ends.iter().zip(configs).zip(inboxes) {
        // A socket may be in another network namespace, and the one after it in this.
        endpoints.push(end.interface.apart(|| {
            let mut socket = end.socket()?.open()?;
            socket.add_interface(config)?;
            Endpoint::start(socket, end.address.clone(), inbox, tells_on, metrics)
        })?);
    }
    for end in &ends {
        tell(options, format_args!("capturing on {}", end.name()))?;
        report(&InterfaceReport::plain(end.id, end.role, &end.address))?;
    }

    let view = recording.view();
    let watched = Watched::start(options, &recording);
    let mut served = endpoints.iter_mut().zip(&ends).enumerate();
    let ended: Result<Option<SocketError>, Error> = thread::scope(|scope| {
        let (Some((_, first)), second) = (served.next(), served.next()) else { return Ok(None) };
        let (recording, stop, ends, flows) = (&view, &stop, &ends, &flows);
        let serve = |at: usize, (endpoint, end): (&mut Endpoint, &End)| {
            serve(endpoint, stop, &Served { options, end, at, recording, orders: tapper.orders() }, || {
                let figures = Figures::new(recording.so_far(), ends, flows);
                so_far(format_args!("{figures}"), &figures)
            })
        };
        let second = second.map(|(at, end)| {
            let wake_first = wake_first.clone();
            scope.spawn(move || {
                let ended = serve(at, end);
                let _ = wake_first.send(Notice::Signal);
                ended
            })
        });
        let ended = serve(0, first);
        wakers.iter().for_each(|waker| drop(waker.send(Notice::Signal)));
        // A panic there was reported by the thread itself.
        let other = second.map_or(Ok(None), |second| second.join().unwrap_or(Ok(None)));
        Ok(ended?.or(other?))
    });

    drop(watched);
    // What lies on the rings is taken before the links go.
    tapper.finish();
    endpoints.iter_mut().for_each(Endpoint::close);
    let (captured, verdict) = recording.end();
    let figures = Figures::new(captured, &ends, &flows);
    tell(options, format_args!("{figures}"))?;
    report(&figures)?;
    verdict?;
    ended?.map_or(Ok(Outcome::Success), |error| Err(error.into()))
}

/// Whether standard output is for packets.
fn tells_of_packets(options: &CaptureOptions) -> bool {
    options.record.path().is_none() || options.record.takes_standard_output()
}

/// Says something where no packets are told of.
fn tell(options: &CaptureOptions, line: Arguments<'_>) -> Result<(), Error> {
    if !tells_of_packets(options) {
        return say(line);
    }
    if !speaks_json() {
        warn(line);
    }
    Ok(())
}

fn start_recording(options: &CaptureOptions, ends: &[End], over: Sender<Notice>) -> Result<Recording, Error> {
    let filter = options.filter()?.map(|(text, filter)| -> (String, Filter) {
        (text, Box::new(move |packet: &[u8], length| filter.matches(packet, length)))
    });
    let subject =
        Subject { framing: options.framing(), comment: options.comment(ends), filter, packets: options.count };
    let (short_name, description) = (options.short_name(), ends.first().map(End::name).unwrap_or_default());
    let interfaces = first_interfaces(&named(&short_name, &description));
    let via = ends.len() > 1;
    let file = options.record.name();
    let told = move |ending: Ending<'_>| match ending {
        // The links of others lead through here: they are not to notice.
        Ending::Failed(error) if via => {
            let what = takes_no_more(file.as_deref().unwrap_or("standard output"), error);
            warn(format_args!("{what}; packets are passed on"));
        }
        // Without a receiver the command is ending already.
        Ending::Failed(_) | Ending::Complete => drop(over.send(Notice::Signal)),
    };
    if options.record.path().is_some() {
        return Recording::to_files(&options.record, subject, &interfaces, told);
    }
    let lines = Lines::new(link_type(options.framing()), via);
    Recording::to_sink(lines, &options.record, subject, &interfaces, told)
}

/// What belongs to an end that is served.
struct Served<'s> {
    options: &'s CaptureOptions,
    end: &'s End,
    at: usize,
    recording: &'s RecordingView,
    orders: Orders,
}

/// Has the links of an end captured as they come up.
fn serve(
    endpoint: &mut Endpoint,
    stop: &Stop,
    served: &Served<'_>,
    tell_so_far: impl Fn() -> Result<(), Error>,
) -> Result<Option<SocketError>, Error> {
    let Served { options, end, at, recording, orders } = served;
    let name = |_: InterfaceKey| end.name();
    endpoint.serve(stop, |endpoint, happening| {
        let event = match happening {
            Happening::Event(event) => event,
            Happening::Asked => {
                tell_so_far()?;
                return Ok(ControlFlow::Continue(()));
            }
        };
        let told = endpoint.teller().note(&event, name, |_| end.id);
        endpoint.teller().say(told.as_ref())?;
        if let Event::Connected { mut link, .. } = event {
            if let Some(shortfall) = end.interface.shortfall(end.role, &link) {
                warn(format_args!("{}: {shortfall}", end.name()));
            }
            let (short_name, description) = (options.short_name(), end.name());
            // What the second end receives is what goes out by the first.
            let queues = if *at == 0 { (link.rx.len(), 0) } else { (0, link.rx.len()) };
            let tap = recording.tap(&named(&short_name, &description), queues);
            orders.attach(*at, &mut link, tap);
        }
        Ok(ControlFlow::Continue(()))
    })
}
