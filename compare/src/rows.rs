//! The table: what is measured, over whom, and what is to be reached.

use std::path::PathBuf;

use crate::job::{Carrier, Report, Role, Task};
use crate::runner::{Slice, Spec};

/// A figure of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Million packets per second.
    Rate,
    /// Nanoseconds that half of the round trips did not exceed, and that 99 % did not.
    P50,
    P99,
    /// Nanoseconds per thing that was counted.
    Each,
}

impl Metric {
    pub(crate) fn of(self, report: &Report) -> f64 {
        match self {
            Metric::Rate => report.packets as f64 * 1e3 / report.nanoseconds,
            Metric::P50 => percentile(&report.times, 0.5),
            Metric::P99 => percentile(&report.times, 0.99),
            Metric::Each => report.nanoseconds / report.packets as f64,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Metric::Rate => "Mpps",
            Metric::P50 => "p50 ns",
            Metric::P99 => "p99 ns",
            Metric::Each => "ns",
        }
    }
}

/// The value that a part of the counted values does not exceed.
pub(crate) fn percentile(times: &[(u64, u64)], part: f64) -> f64 {
    let all: u64 = times.iter().map(|(_, count)| count).sum();
    let wanted = (all as f64 * part).ceil() as u64;
    let mut seen = 0;
    for (value, count) in times {
        seen += count;
        if seen >= wanted {
            return *value as f64;
        }
    }
    f64::NAN
}

/// What a figure is to be in relation to another one of the same row, by the median of the pairs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) metric: Metric,
    pub(crate) who: &'static str,
    pub(crate) base: &'static str,
    pub(crate) relation: Relation,
    pub(crate) ratio: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    AtLeast,
    AtMost,
}

impl Target {
    fn at_least(who: &'static str, base: &'static str, ratio: f64) -> Self {
        Self { metric: Metric::Rate, who, base, relation: Relation::AtLeast, ratio }
    }

    fn at_most(metric: Metric, who: &'static str, base: &'static str, ratio: f64) -> Self {
        Self { metric, who, base, relation: Relation::AtMost, ratio }
    }
}

/// One row of the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// By which `--rows` names it.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) metrics: &'static [Metric],
    pub(crate) contenders: Vec<(String, Slice)>,
    pub(crate) targets: Vec<Target>,
}

/// Names of contenders, as targets and tables have them.
pub(crate) const RUST: &str = "Rust API";
pub(crate) const OURS: &str = "our libmemif.so";
pub(crate) const REFERENCE: &str = "reference";
pub(crate) const BARE: &str = "bare ring";
pub(crate) const BARE_AGAIN: &str = "bare ring, again";
pub(crate) const LINE: &str = "one cache line, one way";
const TESTPMD: &str = "testpmd to testpmd";

/// What there is to compare with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    pub(crate) ours: Option<PathBuf>,
    pub(crate) references: Vec<PathBuf>,
    pub(crate) testpmd: bool,
}

impl Peers {
    /// The name of a reference: the first one is *the* reference.
    fn reference_name(at: usize) -> String {
        if at == 0 { REFERENCE.to_owned() } else { format!("{REFERENCE} {}", at + 1) }
    }

    /// The Rust API and all libraries.
    fn memif(&self, spec: impl Fn(Carrier) -> Spec) -> Vec<(String, Slice)> {
        let mut all = vec![(RUST.to_owned(), Slice::Pair(spec(Carrier::Rust)))];
        if let Some(path) = &self.ours {
            all.push((OURS.to_owned(), Slice::Pair(spec(Carrier::Library(path.clone())))));
        }
        for (at, path) in self.references.iter().enumerate() {
            let carrier = Carrier::Library(path.clone());
            all.push((Self::reference_name(at), Slice::Pair(spec(carrier))));
        }
        all
    }

    /// The bare ring twice, with the Rust API and all libraries in between.
    fn with_limit(&self, spec: impl Fn(Carrier) -> Spec) -> Vec<(String, Slice)> {
        let bare = Slice::Pair(spec(Carrier::Bare { stride: 2048 }));
        let mut all = vec![(BARE.to_owned(), bare.clone())];
        all.extend(self.memif(spec));
        all.push((BARE_AGAIN.to_owned(), bare));
        all
    }
}

/// What a user would take instead.
fn alternatives(spec: impl Fn(Carrier) -> Spec) -> Vec<(String, Slice)> {
    let mut all = vec![
        ("rtrb, two threads", Carrier::Threads),
        ("Unix seqpacket", Carrier::Seqpacket),
        ("UDP on loopback", Carrier::Udp),
        ("veth with AF_PACKET", Carrier::Veth),
    ];
    if cfg!(feature = "iceoryx2") {
        all.insert(1, ("iceoryx2", Carrier::Iceoryx));
    }
    let pair = |(name, carrier): (&str, Carrier)| (name.to_owned(), Slice::Pair(spec(carrier)));
    all.into_iter().map(pair).collect()
}

/// All rows.
pub(crate) fn all(peers: &Peers) -> Vec<Row> {
    let mut rows = vec![one_way_s2m(peers), one_way_m2s(peers), round_trip(peers)];
    for row in &mut rows {
        row.targets.retain(|target| {
            let has = |name: &str| row.contenders.iter().any(|(contender, _)| contender == name);
            has(target.who) && has(target.base)
        });
    }
    rows
}

fn one_way_s2m(peers: &Peers) -> Row {
    let mut contenders = peers.with_limit(Spec::one_way);
    if peers.testpmd {
        contenders.extend([
            (TESTPMD.to_owned(), Slice::TestpmdAlone),
            ("Rust API to testpmd".to_owned(), Slice::Testpmd("rxonly", Task::Send)),
            ("testpmd to Rust API".to_owned(), Slice::Testpmd("txonly", Task::Receive)),
        ]);
    }
    contenders.extend(alternatives(Spec::one_way));
    Row {
        id: "one-way-64",
        title: "One way, 64 B, slave to master",
        metrics: &[Metric::Rate],
        contenders,
        targets: vec![
            Target::at_least(RUST, REFERENCE, 1.4),
            Target::at_least(RUST, BARE, 0.95),
            Target::at_least(OURS, REFERENCE, 1.2),
            Target::at_least(RUST, TESTPMD, 2.0),
            Target::at_least("Rust API to testpmd", TESTPMD, 1.0),
        ],
    }
}

fn one_way_m2s(peers: &Peers) -> Row {
    let spec = |carrier| Spec { role: Role::Master, ..Spec::one_way(carrier) };
    Row {
        id: "one-way-64-m2s",
        title: "One way, 64 B, master to slave",
        metrics: &[Metric::Rate],
        contenders: peers.with_limit(spec),
        targets: vec![
            Target::at_least(RUST, REFERENCE, 1.4),
            Target::at_least(RUST, BARE, 0.95),
            Target::at_least(OURS, REFERENCE, 1.2),
        ],
    }
}

fn round_trip(peers: &Peers) -> Row {
    let mut contenders = peers.with_limit(Spec::round_trip);
    if peers.testpmd {
        let swap = Slice::Testpmd("macswap", Task::Ping);
        contenders.push(("Rust API, testpmd sends back".to_owned(), swap));
    }
    contenders.extend(alternatives(Spec::round_trip));
    Row {
        id: "round-trip-64",
        title: "Round trip, 64 B, polling",
        metrics: &[Metric::P50, Metric::P99],
        contenders,
        targets: vec![
            Target::at_most(Metric::P50, RUST, REFERENCE, 0.3),
            Target::at_most(Metric::P99, RUST, REFERENCE, 0.1),
            Target::at_most(Metric::P50, OURS, REFERENCE, 0.3),
            Target::at_most(Metric::P99, OURS, REFERENCE, 0.1),
        ],
    }
}
