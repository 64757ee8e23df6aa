//! How fast it is: a report and no judgement, for a machine that is otherwise quiet.
//!
//! `MEMIF_RATE=5 cargo test --release -p memif-cli --test bridge -- --exact rate --nocapture` runs five rounds.
//! `MEMIF_RATE_OPTIONS` holds options for both bridges. The veth offloads segmentation and checksums as usual.

use testkit::Namespace;

use crate::bed::{Pair, TAP};
use crate::pair::iperf3;

/// How often each is measured; without it, nothing is.
pub(crate) const ROUNDS: &str = "MEMIF_RATE";
/// What is measured: name, options of iperf3.
const KINDS: [(&str, &str); 4] = [
    ("TCP, one stream", "-t 5"),
    ("TCP, four streams", "-t 5 -P 4"),
    ("TCP, the other way", "-t 5 -R"),
    ("UDP, 1472 bytes", "-t 5 -u -b 0 -l 1472"),
];

/// Megabits per second of what the receiver got, in `iperf3 -f m`.
fn megabits(said: &str) -> f64 {
    let mut lines = said.lines().rev().filter(|line| line.ends_with("receiver"));
    let sum = lines.clone().find(|line| line.contains("[SUM]"));
    let line = sum.or(lines.next()).unwrap_or_else(|| panic!("no receiver in {said}"));
    let words: Vec<_> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "Mbits/sec").expect(line);
    words[at - 1].parse().expect(line)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Two namespaces joined by a veth.
fn veth() -> [Namespace; 2] {
    let pair = [Namespace::new(), Namespace::new()];
    pair[0].ip(&format!("link add {TAP} type veth peer {TAP} netns {}", pair[1].name()));
    for (end, namespace) in pair.iter().enumerate() {
        namespace.ip(&format!("address add 10.0.0.{}/24 dev {TAP}", end + 1));
        namespace.ip(&format!("link set dev {TAP} up"));
    }
    pair
}

pub(crate) fn beside_a_veth() {
    let rounds = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok());
    let rounds: usize = rounds.unwrap_or_else(|| panic!("{ROUNDS} is no number of rounds"));
    assert!(rounds > 0, "{ROUNDS} is 0");
    let options = std::env::var("MEMIF_RATE_OPTIONS").unwrap_or_default();
    let (bridges, veth) = (Pair::new(&options), veth());
    for (kind, arguments) in KINDS {
        let measure = |pair| megabits(&iperf3(pair, &format!("-f m {arguments}")));
        let (mut over_bridges, mut over_veth) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            over_bridges.push(measure(&bridges.namespaces));
            over_veth.push(measure(&veth));
        }
        println!(
            "{kind}: two bridges {:.0} Mbit/s {over_bridges:?}, veth {:.0} Mbit/s {over_veth:?}",
            median(over_bridges.clone()),
            median(over_veth.clone()),
        );
    }
}
