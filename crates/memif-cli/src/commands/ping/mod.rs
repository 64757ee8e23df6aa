//! `memif ping`: sends ICMP echo requests over an interface of its own and verifies every reply.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use clap::Args;
use memif::{Link, Role};

use crate::endpoint::links::Links;
use crate::endpoint::metrics::Metrics;
use crate::endpoint::options::{EndpointOptions, WaitOptions};
use crate::endpoint::pinger::engine::{Engine, Finish};
use crate::endpoint::pinger::plan::{Plan, headers};
use crate::endpoint::pinger::runner::{Ended, Lines, Runner, tell_so_far};
use crate::endpoint::record::{Named, RecordOptions, Recording, RecordingView};
use crate::endpoint::report::InterfaceReport;
use crate::endpoint::responder::engine::Responder;
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::Inbox;
use crate::endpoint::values::{number, parse_any_host, parse_period, parse_seconds};
use crate::endpoint::vlan::VlanOption;
use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};
use crate::output::{report, say, warn};
use crate::packet::echo::{Manner, TIME_TO_LIVE};
use crate::packet::{Addresses, Encapsulation, Ends, Mac};
use crate::units::packet_bytes;

const EXAMPLES: &str = "\
Examples:
  memif ping 192.168.1.1
      connects to VPP at /run/vpp/memif.sock as interface 0 and pings until Ctrl-C
  memif ping 192.168.1.2 --role master --socket @lab --count 3 --size 8000
      waits for a slave (as `memif responder --socket @lab`) and sends three large packets
  memif ping fd00::2 --vlan 7 -i 10ms -w 5
      IPv6 on VLAN 7, a hundred times a second for five seconds
  memif ping 192.168.1.2 --role master --socket @lab --flood --count 100000
      sends each request as soon as the reply to the one before it came";

/// Options of `memif ping`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct PingOptions {
    /// The address to ping, IPv4 or IPv6
    #[arg(value_name = "ADDRESS", value_parser = parse_any_host)]
    target: IpAddr,

    /// Our own address [default: ADDRESS with .2 (or ::2) at its end, or 1 where ADDRESS ends in 2]
    #[arg(long, value_name = "OWN", value_parser = parse_any_host)]
    ip: Option<IpAddr>,

    /// Our own ethernet address [default: 02:fe and the last four bytes of our address]
    #[arg(long, value_name = "MAC")]
    mac: Option<Mac>,

    /// Requests to send [default: until Ctrl-C]
    #[arg(short, long, value_name = "N", value_parser = parse_count,
        allow_negative_numbers = true)]
    count: Option<u64>,

    /// Time between requests, in seconds or as in 10ms; 0 sends the next one when the reply came
    #[arg(short, long, value_name = "TIME", value_parser = parse_seconds, default_value = "1",
        allow_negative_numbers = true)]
    interval: Duration,

    /// Bytes of data in each request, as in ping(8), 9k are 9000: 28 bytes of headers come on top (IPv6: 48), and 14 in
    /// ethernet mode
    #[arg(short, long, value_name = "BYTES", default_value = "56", value_parser = packet_bytes(0, 65535), allow_negative_numbers = true)]
    size: u32,

    /// End after that time, however many requests were sent, in seconds or as in 1500ms. With --count, fewer replies
    /// than that are a failure (exit status 1)
    #[arg(short = 'w', long, value_name = "TIME", value_parser = parse_period, allow_negative_numbers = true)]
    deadline: Option<Duration>,

    /// Print no line for each reply, only the summary
    #[arg(short, long)]
    quiet: bool,

    /// Print when each line was printed, in seconds since 1970
    #[arg(short = 'D', long)]
    timestamps: bool,

    /// Send each request when the reply to the one before came, 100 per second at least; print only the summary
    #[arg(short, long, conflicts_with = "interval")]
    flood: bool,

    /// Let routers cut requests into fragments (IPv4)
    #[arg(long, overrides_with = "df")]
    no_df: bool,

    /// Forbid routers to do so; who cannot pass a request on answers with the MTU that is too small [default]
    #[arg(long, overrides_with = "no_df")]
    df: bool,

    /// Hops that a request may take
    #[arg(short, long, value_name = "N", default_value_t = TIME_TO_LIVE, value_parser = number::<u8>(1, 255),
        allow_negative_numbers = true)]
    ttl: u8,

    #[command(flatten)]
    vlan: VlanOption,

    /// How long to wait for an answer to ARP or neighbour discovery, and for the last replies, in seconds or as in
    /// 500ms
    #[arg(short = 'W', long, value_name = "TIME", value_parser = parse_period, default_value = "5",
        allow_negative_numbers = true)]
    timeout: Duration,

    #[command(flatten)]
    wait: WaitOptions,

    #[command(flatten)]
    record: RecordOptions,

    #[command(flatten)]
    end: EndpointOptions,
}

impl PingOptions {
    fn plan(&self) -> Result<Plan, Error> {
        let encapsulation = self.vlan.encapsulation(self.end.framing())?;
        let ip = self.ip.unwrap_or_else(|| own_address(self.target));
        if ip == self.target {
            return Err(Error::Usage(format!(
                "--ip {ip} is the address to ping: give the two ends different addresses"
            )));
        }
        let ends = Ends::new(ip, self.target).ok_or_else(|| {
            Error::Usage(format!("--ip {ip} and {} are of two families: give both IPv4 or both IPv6", self.target))
        })?;
        if self.no_df && self.target.is_ipv6() {
            return Err(Error::Usage("--no-df is for IPv4: routers never fragment IPv6; leave it out".to_owned()));
        }
        let largest = memif::MAX_PACKET_SIZE as usize - encapsulation.header_len() - headers(ends);
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if size > largest {
            let mode = match encapsulation {
                Encapsulation::Ethernet => "ethernet mode (--mode ip carries 14 more)",
                Encapsulation::Vlan(_) => "a VLAN",
                Encapsulation::Ip => "IP mode",
            };
            return Err(Error::Usage(format!(
                "--size {size} makes packets that are too long: give at most --size {largest} in {mode}"
            )));
        }
        let [low, high, ..] = std::process::id().to_le_bytes();
        Ok(Plan {
            mac: self.mac.unwrap_or_else(|| Mac::from_ip(ip)),
            ends,
            encapsulation,
            manner: Manner { time_to_live: self.ttl, dont_fragment: !self.no_df },
            id: u16::from_le_bytes([low, high]),
            size,
            count: self.count,
            interval: (!self.flood && !self.interval.is_zero()).then_some(self.interval),
            timeout: self.timeout,
            deadline: self.deadline,
        })
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "give a whole number of 1 or more".to_owned())
}

/// The address next to `target` that the seed's pair of addresses has: .1 and .2, or ::1 and ::2.
fn own_address(target: IpAddr) -> IpAddr {
    match target {
        IpAddr::V4(target) => {
            let [a, b, c, d] = target.octets();
            Ipv4Addr::new(a, b, c, if d == 2 { 1 } else { 2 }).into()
        }
        IpAddr::V6(target) => {
            let [a, b, c, d, e, f, g, h] = target.segments();
            Ipv6Addr::new(a, b, c, d, e, f, g, if h == 2 { 1 } else { 2 }).into()
        }
    }
}

/// Pings until all replies came, their time is over, or a signal ends it.
pub(crate) fn run(options: &PingOptions) -> Result<Outcome, Error> {
    let plan = options.plan()?;
    let role = options.end.role();
    let address = options.end.address()?;
    let packet = u32::try_from(plan.packet_len()).unwrap_or(u32::MAX);
    let config = options.end.config()?;
    if role == Role::Slave {
        // Our own ring must carry the requests; the error names the setting to change.
        config.clone().max_packet(packet).validate()?;
    }
    let name = format!("{role} interface {} on {address}", options.end.id);
    let comment = format!("memif ping {}: {name}", plan.ends.target());
    let recording = Recording::beside(&options.record, options.end.framing(), comment)?;
    let inbox = Inbox::new();
    let stop = Stop::listen_as_ping(inbox.sender())?;
    let mut links = Links::open(&options.end, config, options.wait.connect_timeout(), inbox, &Metrics::default())?;
    let addresses: Addresses = [plan.ends.own()].into_iter().collect();
    report(&InterfaceReport::with_station(options.end.id, role, &address, plan.mac, &addresses))?;
    if role == Role::Master {
        warn(format_args!("waiting for a slave on {address}"));
    }

    let mut engine = Engine::new(plan.clone());
    let mut link = links.next(&stop, || tell_so_far(&engine))?;
    say(format_args!(
        "PING {target} ({target}) {}({}) bytes of data.",
        plan.size,
        plan.size + headers(plan.ends),
        target = plan.ends.target(),
    ))?;
    let responder = Responder::new(plan.mac, addresses, plan.encapsulation);
    let lines = Lines { quiet: options.flood || options.quiet, timestamps: options.timestamps };
    let mut runner = Runner::new(&stop, responder, lines);
    let recorded = recording.as_ref().map(|recording| (recording.view(), name.as_str()));
    let ended = match &mut link {
        Some(link) => over_all_links(&mut links, link, (&stop, recorded), &mut runner, &mut engine),
        None => Ok(Finish::Done),
    };
    // Before the last link is dropped, which would be another end of it.
    links.close()?;
    drop(link);

    let target = engine.plan().ends.target();
    let statistics = engine.statistics();
    say(format_args!("\n--- {target} ping statistics ---\n{statistics}"))?;
    report(&statistics.report(target))?;
    recording.map_or(Ok(()), Recording::finish)?;
    match ended? {
        Finish::Done if statistics.complete() => {
            // As of ping(8): where both were given, all of them had to come in time.
            let short = engine.plan().falls_short(statistics.received);
            Ok(if short { Outcome::Lost } else { Outcome::Success })
        }
        Finish::Done => {
            if let Some(cause) = links.silence().filter(|_| statistics.is_silence()) {
                warn(format_args!("nothing came back: {cause}"));
            }
            Ok(Outcome::Lost)
        }
        Finish::Unresolved => {
            let cause = links.silence().map(|cause| format!("; {cause}")).unwrap_or_default();
            let question = if target.is_ipv6() { "neighbour discovery" } else { "ARP" };
            let vlan = match engine.plan().encapsulation.vlan() {
                Some(vlan) => format!("whether it is on VLAN {vlan}, too (--vlan)"),
                None => "whether it is on a VLAN (--vlan)".to_owned(),
            };
            warn(format_args!(
                "nobody answered {question} for {target} in {} s; check the address, whether the peer is up, and {vlan}{cause}",
                options.timeout.as_secs_f64(),
            ));
            Ok(Outcome::Lost)
        }
    }
}

/// Drives the run over one link after the other.
fn over_all_links(
    links: &mut Links,
    link: &mut Link,
    (stop, recorded): (&Stop, Option<(RecordingView, &str)>),
    runner: &mut Runner<'_>,
    engine: &mut Engine,
) -> Result<Finish, Error> {
    loop {
        let queues = (link.rx.len(), link.tx.len());
        runner.record(recorded.as_ref().map(|(view, description)| {
            let name = format!("memif{}", links.id());
            view.tap(&Named { name: &name, description }, queues)
        }));
        match runner.drive(engine, link, || links.glance())? {
            Ended::Finished(finish) => return Ok(finish),
            Ended::LinkDown => engine.link_down(),
        }
        if let Some(finish) = engine.finished() {
            return Ok(finish);
        }
        match links.next(stop, || tell_so_far(engine))? {
            Some(next) => *link = next,
            None => return Ok(Finish::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    fn plan(arguments: &str) -> Result<Plan, String> {
        typed::<PingOptions>(arguments)?.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn own_address_is_a_neighbour() {
        for (arguments, own) in [
            ("192.168.1.1", "192.168.1.2"),
            ("192.168.1.2", "192.168.1.1"),
            ("10.1.1.77 --ip 10.2.2.2", "10.2.2.2"),
            ("fd00::1", "fd00::2"),
            ("fd00::2", "fd00::1"),
            ("fe80::1:77", "fe80::1:2"),
        ] {
            assert_eq!(plan(arguments).unwrap().ends.own().to_string(), own, "{arguments}");
        }
    }

    #[test]
    fn defaults_are_those_of_ping() {
        let plan = plan("192.168.1.1").unwrap();
        assert_eq!((plan.size, plan.count), (56, None));
        assert_eq!(plan.interval, Some(Duration::from_secs(1)));
    }

    #[test]
    fn the_last_of_df_and_no_df_counts() {
        let manner = |arguments| plan(arguments).unwrap().manner;
        assert_eq!(manner("10.0.0.1"), Manner::default());
        assert!(!manner("10.0.0.1 --no-df").dont_fragment);
        assert!(manner("10.0.0.1 --no-df --df").dont_fragment);
        assert!(!manner("10.0.0.1 --df --no-df").dont_fragment);
        assert_eq!(manner("10.0.0.1 -t 3").time_to_live, 3);
    }

    #[test]
    fn times_and_sizes_have_units() {
        let plan = plan("192.168.1.1 -i 10ms -s 9k -W 500ms -w 2").unwrap();
        assert_eq!((plan.interval, plan.size), (Some(Duration::from_millis(10)), 9000));
        assert_eq!((plan.timeout, plan.deadline), (Duration::from_millis(500), Some(Duration::from_secs(2))));
    }

    #[test]
    fn flood_and_no_interval_follow_the_replies() {
        assert_eq!(plan("192.168.1.1 --flood").unwrap().interval, None);
        assert_eq!(plan("192.168.1.1 --interval 0").unwrap().interval, None);
    }

    #[test]
    fn largest_packet_is_known_in_both_modes() {
        assert_eq!(plan("192.168.1.1 --size 65493").unwrap().packet_len(), 65_535);
        assert_eq!(plan("192.168.1.1 --mode ip --size 65507").unwrap().packet_len(), 65_535);
        assert_eq!(plan("192.168.1.1 --vlan 7 --size 65489").unwrap().packet_len(), 65_535);
        assert_eq!(plan("fd00::1 --size 65473").unwrap().packet_len(), 65_535);
        assert_eq!(plan("fd00::1 --mode ip --size 65487").unwrap().packet_len(), 65_535);
        assert!(plan("fd00::1 --size 65474").unwrap_err().contains("--size 65473"));
        assert!(plan("192.168.1.1 --vlan 7 --size 65490").unwrap_err().contains("--size 65489"));
        assert!(plan("192.168.1.1 --size 65494").unwrap_err().contains("--size 65493"));
        assert!(plan("192.168.1.1 --mode ip --size 65508").unwrap_err().contains("--size 65507"));
    }

    #[test]
    fn every_option_used_wrongly_has_an_answer() {
        for (arguments, answer) in [
            ("", "<ADDRESS>"),
            ("vpp.example.org", "give an IPv4 or IPv6 address"),
            ("fd00::1 --ip 10.0.0.1", "give both IPv4 or both IPv6"),
            ("fd00::1 --no-df", "leave it out"),
            ("192.168.1.1 --vlan 7 --mode ip", "leave --mode ip out"),
            ("192.168.1.1 --vlan 0", "from 1 to 4094"),
            ("192.168.1.1 --ttl 0", "from 1 to 255"),
            ("255.255.255.255", "not the address of one host"),
            ("192.168.1.1 --ip 192.168.1.1", "different addresses"),
            ("192.168.1.1 --count 0", "1 or more"),
            ("192.168.1.1 --count -1", "1 or more"),
            ("192.168.1.1 --interval soon", "number of seconds"),
            ("192.168.1.1 --interval -1", "0 to 86400 seconds"),
            ("192.168.1.1 --size -1", "--size"),
            ("192.168.1.1 -w 0", "give a time from 1ms to a day"),
            ("192.168.1.1 -W 0", "give a time from 1ms to a day"),
            ("192.168.1.1 --flood --interval 1", "cannot be used with"),
            ("192.168.1.1 --mac 02", "six bytes"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }
}
