//! What a row of the table consists of: what is measured, over whom, and what is to be reached.

use std::path::PathBuf;

use crate::job::Carrier;
use crate::metric::Metric;
use crate::runner::{Slice, Spec};

/// What a figure is to be in relation to another one of the same row, by the median of the pairs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) metric: Metric,
    pub(crate) who: String,
    pub(crate) base: String,
    pub(crate) relation: Relation,
    pub(crate) ratio: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    AtLeast,
    AtMost,
}

impl Target {
    pub(crate) fn at_least(who: &str, base: &str, ratio: f64) -> Self {
        let (who, base) = (who.to_owned(), base.to_owned());
        Self { metric: Metric::Rate, who, base, relation: Relation::AtLeast, ratio }
    }

    pub(crate) fn at_most(metric: Metric, who: &str, base: &str, ratio: f64) -> Self {
        let (who, base) = (who.to_owned(), base.to_owned());
        Self { metric, who, base, relation: Relation::AtMost, ratio }
    }
}

/// What a row is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plot {
    None,
    /// How the round trips of each contender are distributed.
    Distribution,
    /// Contenders are called by name and number, as in "reference, 512": a line for each name over the numbers.
    Lines(&'static str),
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
    pub(crate) plot: Plot,
    /// Rounds that are enough.
    pub(crate) most_rounds: u32,
    /// Rounds that it takes, unless the whole comparison is a short one.
    pub(crate) least_rounds: u32,
}

impl Row {
    /// Rounds of this row, where so many were asked for.
    pub(crate) fn rounds(&self, asked: u32) -> u32 {
        let least = if asked < USUAL_ROUNDS { 0 } else { self.least_rounds };
        asked.max(least).min(self.most_rounds)
    }
}

/// Rounds that are measured if nothing else is asked for.
pub(crate) const USUAL_ROUNDS: u32 = 9;

/// Names of contenders, as targets and tables have them.
pub(crate) const RUST: &str = "Rust API";
pub(crate) const OURS: &str = "our libmemif.so";
pub(crate) const REFERENCE: &str = "reference";
pub(crate) const BARE: &str = "bare ring";
pub(crate) const BARE_AGAIN: &str = "bare ring, again";
/// The command, which `memif` brings.
pub(crate) const BENCH: &str = "memif bench";
/// Its bridge, that of the other build, and what the kernel has in place of two.
pub(crate) const BRIDGE: &str = "memif bridge";
pub(crate) const BRIDGE_BEFORE: &str = "memif bridge, before";
pub(crate) const VETH: &str = "veth";
pub(crate) const LINE: &str = "one cache line, there and back";
pub(crate) const TESTPMD: &str = "testpmd to testpmd";
pub(crate) const TO_TESTPMD: &str = "Rust API to testpmd";

pub(crate) const RATE: &[Metric] = &[Metric::Rate];
pub(crate) const TIMES: &[Metric] = &[Metric::P50, Metric::P99];

pub(crate) type Contenders = Vec<(String, Slice)>;

/// What there is to compare with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    pub(crate) ours: Option<PathBuf>,
    pub(crate) references: Vec<PathBuf>,
    /// The command, and another build of it.
    pub(crate) memif: Option<PathBuf>,
    pub(crate) memif_before: Option<PathBuf>,
    pub(crate) testpmd: bool,
}

impl Peers {
    /// The Rust API and all libraries. The first reference is *the* reference.
    pub(crate) fn carriers(&self) -> Vec<(String, Carrier)> {
        let mut all = vec![(RUST.to_owned(), Carrier::Rust)];
        all.extend(self.ours.iter().map(|path| (OURS.to_owned(), Carrier::Library(path.clone()))));
        for (at, path) in self.references.iter().enumerate() {
            let number = if at == 0 { String::new() } else { format!(" {}", at + 1) };
            all.push((format!("{REFERENCE}{number}"), Carrier::Library(path.clone())));
        }
        all
    }

    pub(crate) fn memif(&self, spec: impl Fn(Carrier) -> Spec) -> Contenders {
        let pair = |(name, carrier)| (name, Slice::Pair(spec(carrier)));
        self.carriers().into_iter().map(pair).collect()
    }

    /// The bare ring twice, with the Rust API and all libraries in between.
    pub(crate) fn with_limit(&self, spec: impl Fn(Carrier) -> Spec) -> Contenders {
        let bare = Slice::Pair(bare(&spec));
        let mut all = vec![(BARE.to_owned(), bare.clone())];
        all.extend(self.memif(spec));
        all.push((BARE_AGAIN.to_owned(), bare));
        all
    }

    /// Each of them in several variants, called by name and variant.
    pub(crate) fn variants<T: Copy + std::fmt::Display>(
        &self,
        variants: &[T],
        spec: impl Fn(Carrier, T) -> Option<Spec>,
    ) -> Contenders {
        let mut all = Vec::new();
        for (name, carrier) in self.carriers() {
            for variant in variants {
                if let Some(spec) = spec(carrier.clone(), *variant) {
                    all.push((format!("{name}, {variant}"), Slice::Pair(spec)));
                }
            }
        }
        all
    }
}

/// The limit of that work: buffers are as long as they must be, since the bare ring has no chains.
pub(crate) fn bare(spec: impl Fn(Carrier) -> Spec) -> Spec {
    let size = spec(Carrier::Rust).size;
    spec(Carrier::Bare { stride: if size > 2048 { 16_384 } else { 2048 } })
}

/// What a user would take instead.
pub(crate) fn alternatives(spec: impl Fn(Carrier) -> Spec) -> Contenders {
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
