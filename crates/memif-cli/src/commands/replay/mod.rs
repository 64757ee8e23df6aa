//! `memif replay`: sends the packets of a capture file.

mod chunk;
mod feed;
mod flow;
mod moment;
mod pace;
mod plan;
mod prepare;
mod progress;
mod report;
mod send;
mod tally;
mod tcpreplay;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use memif::{Link, Role};

use crate::endpoint::filter::parse_filter;
use crate::endpoint::links::Links;
use crate::endpoint::metrics::{Direction, MetricsOptions, Of};
use crate::endpoint::options::{EndpointOptions, WaitOptions};
use crate::endpoint::report::InterfaceReport;
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::Inbox;
use crate::endpoint::values::number;
use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};
use crate::output::{report, say, so_far, warn};
use crate::packet::{Framing, Mac};
use feed::Feed;
use moment::{Moment, parse_moment};
use pace::{Pace, Rate, parse_rate, parse_speed};
use plan::{Plan, Recipe, Source, Truncated};
use progress::{HowFar, Ticker};
use report::Statistics;
use send::{Ended, Next, Sender};
use tally::Reason;

const EXAMPLES: &str = "\
Examples:
  memif replay trace.pcap
      sends the packets to VPP at /run/vpp/memif.sock as they were captured
  memif replay trace.pcapng.zst --speed 10 udp port 53
      those of DNS, ten times as fast
  memif replay trace.pcap --rate 1Gbps --loop 0 --set-dst 02:fe:00:00:00:01
      without end, at a rate, to one station
  memif replay trace.pcap --between 10 20 --role master --socket @lab
      ten seconds of it, to a slave
  zcat *.pcap.gz | memif replay - --topspeed
      from a pipe, as fast as it goes (a pipe of one file: each has a header)";

/// What to do with a second file.
const ABOUT_FILE: &str =
    "one is replayed at a time (mergecap makes one of several); the words behind the first are a filter";

/// Options of `memif replay`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"), args = tcpreplay::options())]
pub(crate) struct ReplayOptions {
    /// pcap or pcapng, compressed with gzip or zstd or not; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Which packets: a filter, in the words of pcap-filter(7) that the manual lists [default: all]
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,

    /// So many times as fast as they were captured [default: 1]
    #[arg(long, value_name = "X", value_parser = parse_speed, allow_negative_numbers = true)]
    speed: Option<f64>,

    /// At that rate, whatever their times were: packets per second, as in 100k or 1.5Mpps, or bits of packets per
    /// second, as in 500kbps or 10Gbps
    #[arg(long, value_name = "PPS|BPS", value_parser = parse_rate, allow_negative_numbers = true,
        conflicts_with = "speed")]
    rate: Option<Rate>,

    /// As fast as it goes
    #[arg(long, conflicts_with_all = ["speed", "rate"])]
    topspeed: bool,

    /// How often the file is sent, one pass right after the other; 0: until Ctrl-C
    #[arg(long = "loop", value_name = "N", value_parser = number::<u64>(0, u64::MAX), default_value_t = 1,
        allow_negative_numbers = true)]
    passes: u64,

    /// Only packets from T1 to before T2: each a time after the first packet, as in 1.5 or 500ms, or one of the clock,
    /// as in 2026-11-29T08:30:00.25Z or 2026-11-29T09:30:00+01:00
    #[arg(long, num_args = 2, value_names = ["T1", "T2"], value_parser = parse_moment, allow_negative_numbers = true)]
    between: Vec<Moment>,

    /// Packets that were not captured whole
    #[arg(long, value_enum, default_value_t)]
    truncated: Truncated,

    /// Write this Ethernet address over the source of each packet
    #[arg(long, value_name = "MAC")]
    set_src: Option<Mac>,

    /// Write this Ethernet address over the destination of each packet
    #[arg(long, value_name = "MAC", value_parser = Mac::of_destination)]
    set_dst: Option<Mac>,

    /// Leave out packets for which there is no room in the ring when they are due, instead of waiting
    #[arg(long, conflicts_with = "topspeed")]
    no_wait: bool,

    #[command(flatten)]
    metrics: MetricsOptions,

    #[command(flatten)]
    wait: WaitOptions,

    #[command(flatten)]
    end: EndpointOptions,
}

impl ReplayOptions {
    fn plan(&self) -> Result<Plan, Error> {
        let source = Source::new(&self.file)?;
        if source == Source::Standard && self.passes != 1 {
            return Err(Error::Usage("--loop needs a file: standard input is there once".to_owned()));
        }
        let framing = self.end.framing();
        if framing == Framing::Ip && (self.set_src.is_some() || self.set_dst.is_some()) {
            return Err(Error::Usage(
                "--set-src and --set-dst are for ethernet mode: in IP mode packets have no such addresses".to_owned(),
            ));
        }
        let between = match self.between[..] {
            [from, to] => Some((from, to)),
            _ => None,
        };
        let unordered = match between {
            Some((Moment::After(from), Moment::After(to)) | (Moment::At(from), Moment::At(to))) => from >= to,
            _ => false,
        };
        if unordered {
            return Err(Error::Usage("--between: give the earlier time first".to_owned()));
        }
        let pace = match (self.rate, self.topspeed) {
            (Some(rate), _) => Pace::Rate(rate),
            (None, true) => Pace::Top,
            (None, false) => Pace::Captured(self.speed.unwrap_or(1.0)),
        };
        let mut recipe = Recipe {
            framing,
            filter: None,
            between,
            truncated: self.truncated,
            set_src: self.set_src,
            set_dst: self.set_dst,
            several_queues: self.end.interface.queues_asked_for() > 1,
        };
        let filter = parse_filter(&self.filter, recipe.link_type(), ABOUT_FILE)?;
        recipe.filter = filter.map(|(_, filter)| filter);
        let passes = (self.passes > 0).then_some(self.passes);
        Ok(Plan { source, pace, passes, no_wait: self.no_wait, recipe })
    }
}

/// Replays until there are no more packets, or a signal ends it.
pub(crate) fn run(options: &ReplayOptions) -> Result<Outcome, Error> {
    let plan = options.plan()?;
    let (name, paced) = (plan.source.name(), plan.pace != Pace::Top);
    let (role, address) = (options.end.role(), options.end.address()?);
    let config = options.end.config()?;
    let inbox = Inbox::new();
    let stop = Stop::listen(inbox.sender())?;
    let serving = options.metrics.serve("replay")?;
    let metrics = serving.metrics();
    let several_queues = plan.recipe.several_queues;
    let no_wait = plan.no_wait;
    let mut sender = Sender::new(Feed::start(plan)?, paced, no_wait, several_queues)?;
    // What is wrong with the file is said before anybody is connected to.
    while !sender.has_begun(Duration::from_millis(50))? {
        if stop.is_requested() {
            return Ok(Outcome::Success);
        }
    }
    let mut links = Links::open(&options.end, config, options.wait.connect_timeout(), inbox, metrics)?;
    report(&InterfaceReport::plain(options.end.id, role, &address))?;
    if role == Role::Master {
        warn(format_args!("waiting for a slave on {address}"));
    }
    let far = Arc::new(HowFar::default());
    metrics.counting(Of::new(&address, options.end.id, role)).add(Direction::Tx, &far);
    let ticker = Ticker::start(&far);
    let ended = over_all_links(&mut links, &stop, &mut sender, &far, &name, paced);
    drop(ticker);
    links.close()?;

    let statistics = Statistics::new(&name, paced, &sender);
    say(format_args!("--- {name} replay statistics ---\n{statistics}"))?;
    report(&statistics)?;
    advise(&statistics, &sender);
    let ended = ended?;
    if let Some(error) = sender.end.as_mut().and_then(|end| end.error.take()) {
        return Err(error);
    }
    let nothing = statistics.about_nothing().filter(|_| ended == Ended::Done);
    if let Some(text) = nothing {
        warn(format_args!("{text}"));
    }
    Ok(if statistics.is_complete() { Outcome::Success } else { Outcome::Lost })
}

/// Sends over one link after the other.
fn over_all_links(
    links: &mut Links,
    stop: &Stop,
    sender: &mut Sender,
    far: &HowFar,
    name: &str,
    paced: bool,
) -> Result<Ended, Error> {
    let tell = |sender: &Sender| {
        let statistics = Statistics::new(name, paced, sender);
        so_far(format_args!("{}", statistics.to_string().replace('\n', "; ")), &statistics)
    };
    // Kept until the next one is there, or the end was said: dropping it would be another end of it.
    let mut kept: Option<Link> = None;
    loop {
        let Some(link) = links.next(stop, || tell(sender))? else { return Ok(Ended::Stopped) };
        let link = kept.insert(link);
        far.sending.store(true, Ordering::Relaxed);
        let mut look = |sender: &Sender| {
            far.packets.store(sender.sent.packets, Ordering::Relaxed);
            far.bytes.store(sender.sent.bytes, Ordering::Relaxed);
            far.leave_out(&sender.left_out());
            if stop.takes_figures() {
                tell(sender)?;
            }
            links.glance()?;
            Ok(if stop.is_requested() { Next::Stop } else { Next::GoOn })
        };
        let ended = sender.run(link, &mut look);
        far.sending.store(false, Ordering::Relaxed);
        far.leave_out(&sender.left_out());
        match ended? {
            Ended::LinkDown => {}
            ended => {
                // In this order, so that the peer hears the reason.
                links.close()?;
                return Ok(ended);
            }
        }
    }
}

/// Says what can be done about packets that were left out, and that the file is cut.
fn advise(statistics: &Statistics, sender: &Sender) {
    let (longest, carried) = sender.sent.too_long;
    if longest > 0 {
        warn(format_args!(
            "packets of up to {longest} bytes do not fit the rings, which carry {carried}: raise --ring-size or \
             --buffer-size at the slave"
        ));
    }
    let longest = sender.read.longest;
    if longest > 0 {
        warn(format_args!(
            "packets of up to {longest} bytes are longer than any of a memif ({}): with --truncated as-is what was \
             captured of them is sent",
            memif::MAX_PACKET_SIZE,
        ));
    }
    if statistics.is_short_of(Reason::NotIp) {
        warn(format_args!("in IP mode an interface carries nothing but IP: ARP and others were left out"));
    }
    if let Some(cut) = sender.end.as_ref().and_then(|end| end.cut) {
        warn(format_args!("the file ends within the packet or block at byte {}: all before it was read", cut.offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    fn plan(arguments: &str) -> Result<Plan, String> {
        typed::<ReplayOptions>(arguments)?.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn options_become_a_plan() {
        let plan = |arguments| plan(arguments).unwrap();
        assert_eq!(plan("a.pcap").pace, Pace::Captured(1.0));
        assert_eq!(plan("a.pcap --speed 0.5").pace, Pace::Captured(0.5));
        assert_eq!(plan("a.pcap --rate 10k").pace, Pace::Rate(Rate::Packets(1e4)));
        assert_eq!(plan("a.pcap --topspeed").pace, Pace::Top);
        assert_eq!((plan("a.pcap").passes, plan("a.pcap --loop 0").passes), (Some(1), None));
        assert!(plan("a.pcap ip").recipe.filter.is_some());
        assert!(!plan("a.pcap").recipe.several_queues);
        assert!(plan("a.pcap --tx-queues 2").recipe.several_queues);
        let between = plan("a.pcap --between 1 2026-11-29T08:30:00Z").recipe.between;
        assert_eq!(between, Some((Moment::After(1_000_000_000), Moment::At(1_795_941_000_000_000_000))));
    }

    #[test]
    fn every_option_used_wrongly_has_an_answer() {
        for (arguments, answer) in [
            ("", "<FILE>"),
            ("a.pcap --speed 0", "twice as fast"),
            ("a.pcap --rate fast", "packets per second"),
            ("a.pcap --rate 10G", "10Gbps"),
            ("a.pcap --pps 100", "unexpected argument '--pps"),
            ("a.pcap --pps 100", "--rate N is packets per second"),
            ("a.pcap --mbps=10", "10Mbps"),
            ("-i eth0 a.pcap", "--socket and --id"),
            ("a.pcap -x2", "--speed X"),
            ("a.pcap -t", "--topspeed"),
            ("a.pcap -l 3", "--loop N"),
            ("-r a.pcap", "without it"),
            ("a.pcap Cargo.toml", "Cargo.toml is a file, and one is replayed at a time"),
            ("a.pcap tcp prt 3", "column 5 of the filter"),
            ("a.pcap --rate 1 --speed 1", "cannot be used with"),
            ("a.pcap --topspeed --rate 1", "cannot be used with"),
            ("a.pcap --topspeed --no-wait", "cannot be used with"),
            ("a.pcap --loop -1", "whole number"),
            ("a.pcap --between 2 1", "the earlier time first"),
            ("a.pcap --between 2", "2 values"),
            ("a.pcap --between soon later", "a time after the first packet"),
            ("a.pcap --truncated cut", "possible values"),
            ("a.pcap --mode ip --set-src 02:00:00:00:00:01", "ethernet mode"),
            ("a.pcap --set-dst x", "six bytes"),
            ("a.pcap frobnicate", "frobnicate"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }
}
