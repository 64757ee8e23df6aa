//! All rows of the table.

use std::path::PathBuf;

use crate::bridge::Work;
use crate::job::{Async, Carrier, Cores, Role, Task, Threads, Waiting};
use crate::metric::Metric;
use crate::row::{
    BARE, BENCH, BRIDGE, BRIDGE_BEFORE, Contenders, LINE, OURS, Peers, Plot, RATE, REFERENCE, RUST, Row, TESTPMD,
    TIMES, TO_TESTPMD, Target, VETH, alternatives, bare,
};
use crate::runner::{Slice, Spec};

/// Rows without a library.
pub(crate) const COMMAND_ALONE: [&str; 5] = ["bench", "bridge-tcp", "bridge-in", "bridge-out", "smoltcp-tcp"];

/// All rows. Targets of contenders that are not there are left out.
pub(crate) fn all(peers: &Peers) -> Vec<Row> {
    let mut rows = vec![
        one_way_s2m(peers),
        one_way_m2s(peers),
        one_way_large(peers, "one-way-512", "One way, 512 B", 512, 2048),
        one_way_large(peers, "one-way-1500", "One way, 1500 B", 1500, 2048),
        one_way_large(peers, "one-way-9000", "One way, 9000 B as chains of 2048 B", 9000, 2048),
        one_way_large(peers, "one-way-9000-whole", "One way, 9000 B in one buffer", 9000, 16_384),
        one_way_waiting(peers),
        command(peers),
        bridge_stream(peers),
        bridge_small(peers, "bridge-in", "64 B from memif into the kernel, memif bridge", Work::In),
        bridge_small(peers, "bridge-out", "64 B from the kernel into memif, memif bridge", Work::Out),
        #[cfg(feature = "smoltcp")]
        stacks(),
        round_trip(peers),
        round_trip_waiting(peers),
        round_trip_paused(peers),
        round_trip_one_core(peers),
        round_trip_moved(),
        echo(peers),
        forward(peers),
        queues(peers),
        set_up(peers),
        reconnection(peers),
        interfaces(peers),
        futures_one_way(),
        futures_round_trip(),
        by_size(peers),
        by_burst(peers),
        by_ring(peers),
    ];
    for row in &mut rows {
        let names: Vec<_> = row.contenders.iter().map(|(name, _)| name).collect();
        row.targets.retain(|target| names.contains(&&target.who) && names.contains(&&target.base));
    }
    rows
}

fn row(id: &'static str, title: &'static str, metrics: &'static [Metric], contenders: Contenders) -> Row {
    Row {
        id,
        title,
        metrics,
        contenders,
        targets: Vec::new(),
        plot: Plot::None,
        most_rounds: u32::MAX,
        least_rounds: 0,
    }
}

fn small_targets() -> Vec<Target> {
    vec![
        Target::at_least(RUST, REFERENCE, 1.4),
        Target::at_least(RUST, BARE, 0.95),
        Target::at_least(OURS, REFERENCE, 1.2),
    ]
}

fn one_way_s2m(peers: &Peers) -> Row {
    let mut contenders = peers.with_limit(Spec::one_way);
    let mut targets = small_targets();
    targets.extend([Target::at_least(OURS, REFERENCE, 2.5), Target::at_least(OURS, BARE, 0.93)]);
    if peers.testpmd {
        contenders.extend([
            (TESTPMD.to_owned(), Slice::TestpmdAlone),
            (TO_TESTPMD.to_owned(), Slice::Testpmd("rxonly", Task::Send)),
            ("testpmd to Rust API".to_owned(), Slice::Testpmd("txonly", Task::Receive)),
        ]);
        targets.push(Target::at_least(RUST, TESTPMD, 2.0));
        targets.push(Target::at_least(TO_TESTPMD, TESTPMD, 1.0));
    }
    contenders.extend(alternatives(Spec::one_way));
    Row { targets, ..row("one-way-64", "One way, 64 B, slave to master", RATE, contenders) }
}

fn one_way_m2s(peers: &Peers) -> Row {
    let spec = |carrier| Spec { role: Role::Master, ..Spec::one_way(carrier) };
    let contenders = peers.with_limit(spec);
    let row = row("one-way-64-m2s", "One way, 64 B, master to slave", RATE, contenders);
    Row { targets: small_targets(), ..row }
}

fn one_way_large(peers: &Peers, id: &'static str, title: &'static str, size: usize, buffer_size: u32) -> Row {
    let spec = |carrier| Spec { size, buffer_size, ..Spec::one_way(carrier) };
    let mut targets = vec![Target::at_least(RUST, REFERENCE, 1.0), Target::at_least(OURS, REFERENCE, 1.0)];
    if size > buffer_size as usize {
        targets.push(Target::at_least(OURS, RUST, 0.95));
    } else if size > 2048 {
        targets.extend([RUST, OURS].map(|name| Target::at_least(name, BARE, 0.95)));
    }
    Row { targets, ..row(id, title, RATE, peers.with_limit(spec)) }
}

const WAYS: [Waiting; 3] = [Waiting::Polling, Waiting::Adaptive, Waiting::Interrupt];

/// The Rust API in these ways of waiting, libraries in those that they have.
fn waiting(peers: &Peers, ways: &[Waiting], spec: impl Fn(Carrier) -> Spec) -> Contenders {
    peers.variants(ways, |carrier, waiting| {
        (waiting != Waiting::Adaptive || carrier == Carrier::Rust).then(|| Spec { waiting, ..spec(carrier) })
    })
}

fn one_way_waiting(peers: &Peers) -> Row {
    let contenders = waiting(peers, &WAYS, Spec::one_way);
    let targets = vec![
        Target::at_least("Rust API, adaptive", "Rust API, polling", 0.8),
        Target::at_least("Rust API, interrupt", "reference, interrupt", 1.0),
        Target::at_least("our libmemif.so, interrupt", "reference, interrupt", 1.0),
    ];
    let title = "One way, 64 B, ways of waiting, sender busy";
    Row { targets, ..row("one-way-waiting", title, RATE, contenders) }
}

fn round_trip(peers: &Peers) -> Row {
    let mut contenders = peers.with_limit(Spec::round_trip);
    contenders.push((LINE.to_owned(), Slice::Pair(Spec::round_trip(Carrier::Line))));
    if peers.testpmd {
        let swap = Slice::Testpmd("macswap", Task::Ping);
        contenders.push(("Rust API, testpmd sends back".to_owned(), swap));
    }
    contenders.extend(alternatives(Spec::round_trip));
    let targets = vec![
        Target::at_most(Metric::P50, RUST, REFERENCE, 0.3),
        // Two and a half bounces.
        Target::at_most(Metric::P50, RUST, LINE, 1.25),
        Target::at_most(Metric::P99, RUST, REFERENCE, 0.1),
        Target::at_most(Metric::P50, OURS, REFERENCE, 0.3),
        Target::at_most(Metric::P99, OURS, REFERENCE, 0.1),
    ];
    let row = row("round-trip-64", "Round trip, 64 B, polling", TIMES, contenders);
    Row { targets, plot: Plot::Distribution, ..row }
}

fn round_trip_waiting(peers: &Peers) -> Row {
    let mut contenders = waiting(peers, &WAYS, Spec::round_trip);
    contenders.extend(kernel_that_blocks(Spec::round_trip));
    let targets = vec![
        Target::at_most(Metric::P50, "Rust API, adaptive", "Rust API, polling", 1.1),
        Target::at_most(Metric::P50, "Rust API, interrupt", "reference, interrupt", 0.9),
        Target::at_most(Metric::P50, "our libmemif.so, interrupt", "reference, interrupt", 0.9),
    ];
    let title = "Round trip, 64 B, ways of waiting";
    Row { targets, ..row("round-trip-waiting", title, TIMES, contenders) }
}

/// The kernel's own ways, asleep until packets come.
fn kernel_that_blocks(spec: impl Fn(Carrier) -> Spec) -> Contenders {
    [("Unix seqpacket, poll", Carrier::Seqpacket), ("UDP on loopback, poll", Carrier::Udp)]
        .map(|(name, carrier)| {
            let spec = Spec { waiting: Waiting::Interrupt, ..spec(carrier) };
            (name.to_owned(), Slice::Pair(spec))
        })
        .into()
}

/// Far enough apart that both ends sleep deeply in between: what a wake-up costs.
fn round_trip_paused(peers: &Peers) -> Row {
    let spec = |carrier| Spec { pause: 1000, ..Spec::round_trip(carrier) };
    let contenders = waiting(peers, &[Waiting::Interrupt], spec);
    let targets = [RUST, OURS]
        .map(|name| {
            let [who, base] = [name, REFERENCE].map(|name| format!("{name}, {}", Waiting::Interrupt));
            Target::at_most(Metric::P50, &who, &base, 1.05)
        })
        .into();
    let title = "Round trip, 64 B, asleep, one in a millisecond";
    Row { targets, least_rounds: 40, ..row("round-trip-paused", title, TIMES, contenders) }
}

/// The command's generator and sink, which number and check every packet, beside the loop of the row above.
fn command(peers: &Peers) -> Row {
    let mut contenders = vec![(RUST.to_owned(), Slice::Pair(Spec::one_way(Carrier::Rust)))];
    contenders.extend(peers.memif.iter().map(|path| (BENCH.to_owned(), Slice::Bench(path.clone()))));
    let targets = vec![Target::at_least(BENCH, RUST, 0.85)];
    Row { targets, ..row("bench", "One way, 64 B, memif bench", RATE, contenders) }
}

/// The bridge of both builds, and what the kernel has in place of two of them.
fn bridges(peers: &Peers, work: Work) -> Contenders {
    let builds = [(BRIDGE, &peers.memif), (BRIDGE_BEFORE, &peers.memif_before)];
    let memif = peers.memif.clone().unwrap_or_default();
    let slice = |bridge: Option<PathBuf>| Slice::Bridge(work, bridge, memif.clone());
    let build = |(name, path): (&str, &Option<PathBuf>)| path.clone().map(|path| (name.to_owned(), slice(Some(path))));
    let mut all: Contenders = builds.into_iter().filter_map(build).collect();
    if work == Work::Stream {
        all.push((VETH.to_owned(), slice(None)));
    }
    all
}

/// Where the packets are large, the kernel's work for each of them is what a bridge can save.
fn bridge_stream(peers: &Peers) -> Row {
    let targets = vec![
        Target { metric: Metric::Gigabits, ..Target::at_least(BRIDGE, BRIDGE_BEFORE, 3.0) },
        Target::at_most(Metric::SecondsPerGigabyte, BRIDGE, BRIDGE_BEFORE, 0.35),
    ];
    let metrics = &[Metric::Gigabits, Metric::SecondsPerGigabyte];
    let title = "One stream of TCP between two network namespaces, memif bridge in each";
    Row { targets, ..row("bridge-tcp", title, metrics, bridges(peers, Work::Stream)) }
}

#[cfg(feature = "smoltcp")]
fn stacks() -> Row {
    use crate::stacks::Over;
    let (memif, tap) = ("smoltcp over memif", "smoltcp over TAP");
    let contenders = [(memif, Over::Memif), (tap, Over::Tap)];
    let contenders = contenders.map(|(name, over)| (name.to_owned(), Slice::Stacks(over))).into();
    let targets = vec![Target { metric: Metric::Gigabits, ..Target::at_least(memif, tap, 2.0) }];
    let title = "One stream of TCP between two processes with smoltcp in each, MTU 1500";
    Row { targets, ..row("smoltcp-tcp", title, &[Metric::Gigabits], contenders) }
}

fn bridge_small(peers: &Peers, id: &'static str, title: &'static str, work: Work) -> Row {
    let metric = Metric::RatePerProcessor;
    let targets = vec![Target { metric, ..Target::at_least(BRIDGE, BRIDGE_BEFORE, 1.3) }];
    Row { targets, ..row(id, title, &[Metric::RatePerProcessor], bridges(peers, work)) }
}

fn round_trip_one_core(peers: &Peers) -> Row {
    let spec = |carrier| Spec { cores: Cores::Shared, ..Spec::round_trip(carrier) };
    let mut contenders = waiting(peers, &[Waiting::Adaptive, Waiting::Interrupt], spec);
    contenders.extend(kernel_that_blocks(spec));
    let target = Target::at_most(Metric::P50, "Rust API, adaptive", "Rust API, interrupt", 1.3);
    let title = "Round trip, 64 B, both ends on one core";
    Row { targets: vec![target], ..row("round-trip-one-core", title, TIMES, contenders) }
}

fn round_trip_moved() -> Row {
    let pair = |waiting: Waiting, cores| {
        let spec = Spec { waiting, cores, ..Spec::round_trip(Carrier::Rust) };
        (format!("{RUST}, {waiting}"), Slice::Pair(spec))
    };
    let contenders = vec![pair(Waiting::Polling, Cores::Apart), pair(Waiting::Adaptive, Cores::SharedBefore)];
    let target = Target::at_most(Metric::P50, "Rust API, adaptive", "Rust API, polling", 1.1);
    let title = "Round trip, 64 B, adaptive ends that shared a core until 100 ms before";
    Row { targets: vec![target], ..row("round-trip-moved", title, TIMES, contenders) }
}

fn echo(peers: &Peers) -> Row {
    let spec = |carrier| Spec { tasks: (Task::Generate, Task::Echo), ..Spec::one_way(carrier) };
    let targets = vec![Target::at_least(RUST, REFERENCE, 1.3), Target::at_least(OURS, REFERENCE, 1.3)];
    let title = "Echo with one copy, 64 B, 512 packets under way";
    Row { targets, ..row("echo-64", title, RATE, peers.with_limit(spec)) }
}

fn forward(peers: &Peers) -> Row {
    let contenders = peers.variants(&["in place", "copying"], |carrier, how| {
        let task = if how == "in place" { Task::Forward } else { Task::Echo };
        // The slave, to whom the buffers belong, is the one that forwards.
        let (tasks, role) = ((Task::Generate, task), Role::Master);
        Some(Spec { tasks, role, size: 1500, ..Spec::one_way(carrier) })
    });
    let targets =
        [RUST, OURS].map(|name| Target::at_least(&format!("{name}, in place"), &format!("{name}, copying"), 1.5));
    let title = "Forwarding by the slave, 1500 B, 512 packets under way";
    Row { targets: targets.into(), ..row("forward-1500", title, RATE, contenders) }
}

fn queues(peers: &Peers) -> Row {
    let contenders = peers.variants(&[1, 2, 4, 8], |carrier, queues| Some(Spec { queues, ..Spec::one_way(carrier) }));
    let target = |queues| Target::at_least(&format!("{RUST}, {queues}"), &format!("{RUST}, 1"), 0.95);
    let row = row("queues", "One way, 64 B, total of several queues", RATE, contenders);
    Row { targets: [2, 4, 8].map(target).into(), plot: Plot::Lines("queues"), ..row }
}

fn set_up(peers: &Peers) -> Row {
    let spec =
        |carrier| Spec { tasks: (Task::Cycle, Task::Serve), waiting: Waiting::Interrupt, ..Spec::one_way(carrier) };
    let targets = [RUST, OURS].map(|who| Target::at_most(Metric::Each, who, REFERENCE, 0.5));
    let title = "Set-up of an interface: connect, link up, delete";
    let contenders = peers.memif(spec);
    Row { targets: targets.into(), ..row("set-up", title, &[Metric::Each], contenders) }
}

fn reconnection(peers: &Peers) -> Row {
    let spec =
        |carrier| Spec { tasks: (Task::Return, Task::Restart), waiting: Waiting::Interrupt, ..Spec::one_way(carrier) };
    let mut contenders = peers.memif(spec);
    let by_name = Spec { abstract_name: true, ..spec(Carrier::Rust) };
    contenders.insert(1, (format!("{RUST}, abstract name"), Slice::Pair(by_name)));
    let targets = vec![Target::at_most(Metric::Wait, RUST, REFERENCE, 0.25)];
    let title = "Reconnection: from the listener of a master that was restarted to the link";
    let metrics = &[Metric::Wait, Metric::LongestWait];
    Row { targets, most_rounds: 5, ..row("reconnection", title, metrics, contenders) }
}

fn interfaces(peers: &Peers) -> Row {
    let contenders = peers.variants(&[1, 10, 100, 1000], |carrier, interfaces| {
        Some(Spec {
            tasks: (Task::Crowd, Task::Serve),
            waiting: Waiting::Interrupt,
            burst: 8,
            interfaces,
            ..Spec::one_way(carrier)
        })
    });
    let name = |count: u32| format!("{RUST}, {count}");
    let mut targets = vec![
        // Linear: the thousandth costs no more than the tenth.
        Target::at_most(Metric::Each, &name(1000), &name(10), 1.5),
        // Independent of the others.
        Target::at_most(Metric::P50, &name(1000), &name(1), 1.2),
    ];
    for who in [RUST, OURS] {
        let to_reference = |metric, count: u32, ratio| {
            Target::at_most(metric, &format!("{who}, {count}"), &format!("{REFERENCE}, {count}"), ratio)
        };
        targets.extend([10, 100, 1000].map(|count| to_reference(Metric::Each, count, 1.0)));
        targets.push(to_reference(Metric::Memory, 1000, 1.1));
    }
    let title =
        "Interfaces on one socket: set-up, round trip beside idle ones, memory and descriptors of the slave's process";
    let metrics = &[Metric::Each, Metric::P50, Metric::Memory, Metric::Descriptors];
    Row { targets, most_rounds: 5, ..row("interfaces", title, metrics, contenders) }
}

/// What sends and receives in async functions.
const UDP_OF_TOKIO: &str = "UdpSocket of tokio";
const DATAGRAMS_OF_TOKIO: &str = "UnixDatagram of tokio";
const TUN: &str = "tun-rs, the kernel forwards";

/// `memif::tokio` in both flavours of the runtime and these ways of waiting.
fn futures(ways: &[Waiting], spec: impl Fn(Carrier) -> Spec) -> Contenders {
    let mut all = Vec::new();
    for (flavour, threads) in [("one thread", Threads::One), ("workers", Threads::Workers)] {
        for waiting in ways {
            let carrier = Carrier::Tokio { way: Async::Memif, threads };
            let spec = Spec { waiting: *waiting, ..spec(carrier) };
            all.push((format!("memif::tokio, {flavour}, {waiting}"), Slice::Pair(spec)));
        }
    }
    all
}

fn of_tokio(name: &str, way: Async, spec: impl Fn(Carrier) -> Spec) -> (String, Slice) {
    (name.to_owned(), Slice::Pair(spec(Carrier::Tokio { way, threads: Threads::One })))
}

fn futures_one_way() -> Row {
    let mut contenders = vec![(RUST.to_owned(), Slice::Pair(Spec::one_way(Carrier::Rust)))];
    contenders.extend(futures(&[Waiting::Adaptive, Waiting::Polling], Spec::one_way));
    contenders.push(of_tokio(UDP_OF_TOKIO, Async::Udp, Spec::one_way));
    contenders.push(of_tokio(TUN, Async::Tun, Spec::one_way));
    let mut targets = Vec::new();
    for who in ["memif::tokio, one thread, adaptive", "memif::tokio, workers, adaptive"] {
        for (base, ratio) in [(RUST, 0.8), (UDP_OF_TOKIO, 80.0), (TUN, 40.0)] {
            targets.push(Target::at_least(who, base, ratio));
        }
    }
    let title = "One way, 64 B, in async functions on tokio";
    Row { targets, ..row("async-one-way", title, RATE, contenders) }
}

fn futures_round_trip() -> Row {
    let spec = |carrier| Spec { pause: 1000, waiting: Waiting::Interrupt, ..Spec::round_trip(carrier) };
    let sync = format!("{RUST}, {}", Waiting::Interrupt);
    let mut contenders = vec![(sync.clone(), Slice::Pair(spec(Carrier::Rust)))];
    contenders.extend(futures(&[Waiting::Interrupt, Waiting::Adaptive], spec));
    contenders.push(of_tokio(UDP_OF_TOKIO, Async::Udp, spec));
    contenders.push(of_tokio(DATAGRAMS_OF_TOKIO, Async::Datagrams, spec));
    let mut targets = Vec::new();
    for who in contenders.iter().map(|(name, _)| name).filter(|name| name.starts_with("memif::tokio")) {
        for (base, ratio) in [(&*sync, 1.2), (UDP_OF_TOKIO, 1.0), (DATAGRAMS_OF_TOKIO, 1.0)] {
            targets.push(Target::at_most(Metric::P50, who, base, ratio));
        }
    }
    let title = "Round trip, 64 B, in async functions on tokio, asleep, one in a millisecond";
    Row { targets, least_rounds: 40, ..row("async-round-trip", title, TIMES, contenders) }
}

/// A row that is there for its plot: a line for the limit and one for each memif.
fn curve(
    peers: &Peers,
    id: &'static str,
    title: &'static str,
    axis: &'static str,
    numbers: &[usize],
    spec: impl Fn(Carrier, usize) -> Spec,
) -> Row {
    let limit = |number: &usize| {
        let spec = bare(|carrier| spec(carrier, *number));
        (format!("{BARE}, {number}"), Slice::Pair(spec))
    };
    let mut contenders: Contenders = numbers.iter().map(limit).collect();
    contenders.extend(peers.variants(numbers, |carrier, number| Some(spec(carrier, number))));
    Row { plot: Plot::Lines(axis), most_rounds: 3, ..row(id, title, RATE, contenders) }
}

fn by_size(peers: &Peers) -> Row {
    let sizes = [64, 128, 256, 512, 1024, 1500, 2048, 4096, 9000];
    curve(peers, "by-size", "One way by packet size", "bytes", &sizes, |carrier, size| Spec {
        size,
        ..Spec::one_way(carrier)
    })
}

fn by_burst(peers: &Peers) -> Row {
    let bursts = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    curve(peers, "by-burst", "One way, 64 B, by burst", "packets", &bursts, |carrier, burst| Spec {
        burst,
        ..Spec::one_way(carrier)
    })
}

fn by_ring(peers: &Peers) -> Row {
    let rings = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384];
    curve(peers, "by-ring", "One way, 64 B, by ring size", "slots", &rings, |carrier, slots| Spec {
        log2_ring: slots.ilog2() as u8,
        ..Spec::one_way(carrier)
    })
}
