//! Packets of interfaces of our own: an end of a link, or both ends of one that leads through here.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use memif::{Event, InterfaceKey, SocketError};

use super::options::{CaptureOptions, End, named};
use super::progress::Watched;
use super::recording::{Subjects, notice_reader, start_recording, tell, tells_of_packets};
use super::report::Figures;
use super::tally::Flow;
use super::tapper::{ENDS, Orders, Plan, Tapper};
use crate::endpoint::driver::Notice;
use crate::endpoint::metrics::{Direction, Of};
use crate::endpoint::record::{self, RecordingView};
use crate::endpoint::report::InterfaceReport;
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::{Endpoint, Happening, Inbox};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::json::EventReport;
use crate::output::said::Told;
use crate::output::{report, so_far, warn};

/// Captures until a signal, or what the options say, ends it.
pub(super) fn run(options: &CaptureOptions) -> Result<Outcome, Error> {
    let ends = options.ends()?;
    let configs = ends.iter().map(End::config).collect::<Result<Vec<_>, _>>()?;
    let inbox = Inbox::new();
    // Before signals are listened to: a pipe that nobody reads keeps it waiting, which a signal is to end.
    let subjects = Subjects::of(options, &ends);
    if !subjects.via {
        notice_reader(options, &inbox.sender())?;
    }
    let recording = start_recording(options, &subjects, inbox.sender())?;
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

    let tells_on = match tells_of_packets(options) {
        _ if options.quiet => warn_of_trouble,
        true => Told::warn,
        false => Told::say,
    };
    let wake_first = inbox.sender();
    let mut inboxes = vec![inbox];
    inboxes.resize_with(ends.len(), Inbox::new);
    let wakers: Vec<_> = inboxes.iter().map(Inbox::sender).collect();
    let opened: Result<Vec<_>, Error> = ends
        .iter()
        .zip(configs)
        .zip(inboxes)
        .map(|((end, config), inbox)| {
            // A socket may be in another network namespace, and the one after it in this.
            end.interface.apart(|| {
                let mut socket = end.socket()?.open()?;
                socket.add_interface(config)?;
                Endpoint::start(socket, end.address.clone(), inbox, tells_on, metrics)
            })
        })
        .collect();
    let mut endpoints = match opened {
        Ok(endpoints) => endpoints,
        Err(error) => {
            recording.view().remark(format!("the end of the capture: {error}"));
            // What is wrong with the file, too, is not the reason.
            let _ = recording.end();
            return Err(error);
        }
    };
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
    if let Ok(Some(error)) = &ended {
        view.remark(format!("the end of the capture: {error}"));
    }
    let (captured, verdict) = recording.end();
    let figures = Figures::new(captured, &ends, &flows);
    tell(options, format_args!("{figures}"))?;
    report(&figures)?;
    verdict?;
    ended?.map_or(Ok(Outcome::Success), |error| Err(error.into()))
}

/// Says nothing of links that come up.
fn warn_of_trouble(told: &Told) -> Result<(), Error> {
    let is_good = matches!(told.report, Some(EventReport::Connected(_)));
    if is_good || told.nobody { Ok(()) } else { told.warn() }
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
