//! `memif demo`: both ends of a link in this process, over an abstract socket.

mod throughput;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use clap::Args;
use memif::{Event, InterfaceConfig, InterfaceKey, Link, Role, RxMode, SocketAddress, SocketBuilder};

use crate::endpoint::metrics::Metrics;
use crate::endpoint::options::EndpointOptions;
use crate::endpoint::pinger::engine::Engine;
use crate::endpoint::pinger::plan::Plan;
use crate::endpoint::pinger::runner::{Ended, Lines, Runner};
use crate::endpoint::pinger::statistics::Statistics;
use crate::endpoint::responder::engine::Responder;
use crate::endpoint::responder::report::ResponderReport;
use crate::endpoint::responder::worker::Worker;
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::{Endpoint, Inbox, Next};
use crate::error::Error;
use crate::output::details::{self, DetailsReport};
use crate::output::exit::{Outcome, STATUSES};
use crate::output::said::Told;
use crate::output::{report, say};
use crate::packet::echo::Manner;
use crate::packet::{Encapsulation, Ends, Mac};

const EXAMPLES: &str = "\
Examples:
  memif demo
      no privileges, no other program: a responder as master, a pinger as slave
  memif demo --ring-size 256 --buffer-size 4096 --queues 2
      the same with other settings of the link";

/// Addresses of the two ends.
const RESPONDER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
const PINGER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// Bytes of data of the pings; the last two take several buffers of the usual size.
const SIZES: [usize; 4] = [56, 1400, 8000, 60_000];
/// Pings of each size.
const COUNT: u64 = 5;
/// How long packets are sent for the throughput figure.
const SENDING: Duration = Duration::from_secs(1);
/// How long the two ends have to find each other, and replies to come.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Options of `memif demo`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = format!("{EXAMPLES}\n\n{STATUSES}"),
    mut_arg("id", |id| id.help("Number of the link for the pings; the one for the throughput has the next"))
)]
pub(crate) struct DemoOptions {
    #[command(flatten)]
    end: EndpointOptions,
}

/// One end: its socket and its two links.
struct End {
    endpoint: Endpoint,
    ping_key: InterfaceKey,
    ping: Link,
    throughput: Link,
}

/// A socket that is served, whose links are not up yet.
struct Starting {
    endpoint: Endpoint,
    keys: [InterfaceKey; 2],
}

/// Runs the demonstration.
pub(crate) fn run(options: &DemoOptions) -> Result<Outcome, Error> {
    let interface = &options.end.interface;
    if let Some(role) = interface.role {
        return Err(Error::Usage(format!("demo runs both ends: leave --role {role} out")));
    }
    let address = match &interface.socket {
        Some(place) => place.address.clone(),
        None => format!("@memif-demo-{}", std::process::id()).parse()?,
    };
    let masters = interface.for_own_slave();
    let config = |role, id| match role {
        Role::Master => masters.interface(role, id),
        Role::Slave => interface.interface(role, id),
    };
    let pair = |role| -> Result<[InterfaceConfig; 2], Error> {
        let throughput = config(role, options.end.id.wrapping_add(1))?;
        Ok([config(role, options.end.id)?, throughput.rx_mode(RxMode::Polling)])
    };
    let inbox = Inbox::new();
    let stop = Stop::listen(inbox.sender())?;
    let master = start(interface.socket(address.clone(), Role::Master)?, &address, pair(Role::Master)?, Inbox::new())?;
    let slave = start(interface.slave_socket(address.clone()), &address, pair(Role::Slave)?, inbox)?;
    say(format_args!("responder (master) and pinger (slave) in this process, over {address}\n"))?;
    // The slave makes the memory and is told why the master refuses, so it is the one that knows why there is no link.
    // Where it has one, the master had it before.
    let Some(mut slave) = wait(slave, &address)? else { return Ok(Outcome::Lost) };
    let Some(mut master) = wait(master, &address)? else { return Ok(Outcome::Lost) };
    let (master_end, slave_end) = (master.endpoint, slave.endpoint);
    say(format_args!("{}", details::HEADING))?;
    print_details(0, &slave_end, slave.ping_key, PINGER)?;
    print_details(1, &master_end, master.ping_key, RESPONDER)?;
    say(format_args!(""))?;

    let encapsulation = Encapsulation::from(interface.framing());
    let responder =
        |ip: Ipv4Addr| Responder::new(Mac::from_ip(ip.into()), [ip.into()].into_iter().collect(), encapsulation);
    let worker = Worker::start(&mut master.ping, responder(RESPONDER), None)?;
    let plan = Plan {
        mac: Mac::from_ip(PINGER.into()),
        ends: Ends::V4 { own: PINGER, target: RESPONDER },
        encapsulation,
        manner: Manner::default(),
        id: 1,
        size: 0,
        count: Some(COUNT),
        interval: None,
        timeout: TIMEOUT,
        deadline: None,
    };
    let mut runner = Runner::new(&stop, responder(PINGER), Lines::default());
    let (statistics, link_up) = ping_all_sizes(&plan, &mut runner, &mut slave.ping, &stop)?;
    say(format_args!("\n--- {RESPONDER} ping statistics ---\n{statistics}\n"))?;
    report(&statistics.report(RESPONDER.into()))?;

    let figure = match (slave.throughput.tx.into_iter().next(), master.throughput.rx.into_iter().next()) {
        (Some(tx), Some(mut rx)) if link_up && !stop.is_requested() => {
            let figure = throughput::measure(tx, &mut rx, SENDING, &stop)?;
            say(format_args!("one way, two threads that poll: {figure}"))?;
            report(&figure.report())?;
            figure.sent > 0 && figure.received == figure.sent
        }
        _ => false,
    };
    drop(slave_end);
    drop(master_end);
    // The link is down now, so the thread ends.
    let tally = worker.leave().join();
    say(format_args!("responder: {tally}"))?;
    report(&ResponderReport::new(options.end.id, &tally))?;
    Ok(if statistics.complete() && figure { Outcome::Success } else { Outcome::Lost })
}

/// Pings with every size over that link; tells whether the link is still up.
fn ping_all_sizes(
    plan: &Plan,
    runner: &mut Runner<'_>,
    link: &mut Link,
    stop: &Stop,
) -> Result<(Statistics, bool), Error> {
    let mut statistics = Statistics::default();
    for size in SIZES {
        if stop.is_requested() {
            break;
        }
        let plan = Plan { size, ..plan.clone() };
        let fits = link.tx.iter().map(memif::TxQueue::max_packet).min().unwrap_or_default();
        let len = plan.packet_len();
        if len > fits {
            say(format_args!("(packets of {len} bytes do not fit: the rings carry {fits})"))?;
            continue;
        }
        say(format_args!("PING {RESPONDER} {size} bytes of data"))?;
        let mut engine = Engine::new(plan);
        let ended = runner.drive(&mut engine, link, || Ok(()))?;
        statistics.add(&engine.statistics());
        if ended == Ended::LinkDown {
            return Ok((statistics, false));
        }
    }
    Ok((statistics, true))
}

fn start(
    socket: SocketBuilder,
    address: &SocketAddress,
    configs: [InterfaceConfig; 2],
    inbox: Inbox,
) -> Result<Starting, Error> {
    let mut socket = socket.open()?;
    let [ping, throughput] = configs;
    let keys = [socket.add_interface(ping)?, socket.add_interface(throughput)?];
    Ok(Starting { endpoint: Endpoint::start(socket, address.clone(), inbox, Told::warn, &Metrics::default())?, keys })
}

/// Waits until both links of an end are up, or a signal comes.
fn wait(starting: Starting, address: &SocketAddress) -> Result<Option<End>, Error> {
    let Starting { mut endpoint, keys: [ping_key, throughput_key] } = starting;
    let deadline = Instant::now() + TIMEOUT;
    let (mut ping, mut throughput, mut last) = (None, None, None);
    loop {
        match endpoint.next(Some(deadline))? {
            Next::Event(Event::Connected { interface, link }) if interface == ping_key => {
                ping = Some(link);
            }
            Next::Event(Event::Connected { interface, link }) if interface == throughput_key => {
                throughput = Some(link);
            }
            Next::Event(event) => {
                let teller = endpoint.teller();
                teller.tell(&event, |_| "link".to_owned(), |_| 0)?;
                last = teller.cause(&event).or(last);
            }
            Next::Failed(error) => return Err(error.into()),
            // There are none yet.
            Next::Figures => {}
            Next::Over => return Ok(None),
            Next::Nothing => {
                let cause = last.unwrap_or_else(|| "they did not find each other; see -v".to_owned());
                let seconds = TIMEOUT.as_secs();
                return Err(Error::NotConnected(format!(
                    "no link between the two ends at {address} in {seconds} s: {cause}"
                )));
            }
        }
        match (ping.take(), throughput.take()) {
            (Some(ping), Some(throughput)) => {
                return Ok(Some(End { endpoint, ping_key, ping, throughput }));
            }
            (one, other) => (ping, throughput) = (one, other),
        }
    }
}

fn print_details(index: usize, endpoint: &Endpoint, key: InterfaceKey, ip: Ipv4Addr) -> Result<(), Error> {
    match endpoint.with(move |socket| socket.details(key)) {
        Some(details) => {
            let details = details?;
            say(format_args!("{}", details::Shown { index, details: &details, ip, more: None }))?;
            report(&DetailsReport::new(index, &details, Some(ip.to_string())))
        }
        None => Ok(()),
    }
}
