//! Filters against libpcap: the same verdict as tcpdump, for generated packets and filters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "what was compared is told")]

mod filters;
mod packets;
mod random;
mod tcpdump;

use std::path::PathBuf;

use memif_capture::LinkType;
use memif_capture::filter::Filter;
use packets::Packet;
use random::Random;
use testkit::{Need, Suite};

const NEEDS: &[Need] = &[Need::Program("tcpdump")];
/// Packets of a file.
const PACKETS: usize = 500;
/// Filters that are asked about each file.
const FILTERS: usize = 30;

fn main() {
    Suite::new()
        .test("same_verdict_as_libpcap", NEEDS, same_verdict_as_libpcap)
        .test("same_verdict_for_the_examples", NEEDS, same_verdict_for_the_examples)
        .test("what_is_taken_here_libpcap_takes", NEEDS, what_is_taken_here_libpcap_takes)
        .run()
}

/// At least 100,000 pairs of a packet and a filter, the same ones each time. `MEMIF_FILTER_ROUNDS` and
/// `MEMIF_FILTER_SEED` make it more, and others.
fn same_verdict_as_libpcap() {
    let mut bed = Bed::new();
    for round in 0..setting("MEMIF_FILTER_ROUNDS", 8) {
        let link_type = bed.next_file(round);
        for _ in 0..FILTERS {
            let text = filters::filter(&mut bed.random, link_type);
            let filter = Filter::parse(&text, link_type).unwrap_or_else(|error| panic!("{}", error.pointed()));
            bed.compare(&text, &filter, link_type);
        }
    }
    bed.conclude();
    assert!(bed.pairs >= 100_000);
}

/// Those of docs/filter.md.
fn same_verdict_for_the_examples() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/filter.md")).unwrap();
    let (_, examples) = manual.split_once("## Examples\n").unwrap();
    let mut bed = Bed::new();
    let link_type = bed.next_file(0);
    for text in examples.trim().lines().filter(|line| !line.starts_with("```")) {
        let filter = Filter::parse(text, link_type).unwrap_or_else(|error| panic!("{}", error.pointed()));
        bed.compare(text, &filter, link_type);
    }
    bed.conclude();
}

/// Filters with words changed: most are none any more, and what still is one here is one there, with the same verdict.
fn what_is_taken_here_libpcap_takes() {
    let mut bed = Bed::new();
    let mut refused = 0;
    for round in 0..setting("MEMIF_FILTER_ROUNDS", 8) {
        let link_type = bed.next_file(round);
        for _ in 0..10 * FILTERS {
            let text = filters::mutated(&mut bed.random, link_type);
            match Filter::parse(&text, link_type) {
                Ok(filter) => bed.compare(&text, &filter, link_type),
                Err(error) => {
                    refused += 1;
                    if std::env::var_os("MEMIF_FILTER_REFUSED").is_some()
                        && tcpdump::passed(&bed.path, &text, false, PACKETS).is_ok()
                    {
                        println!("taken by libpcap alone: {}", error.pointed());
                    }
                }
            }
        }
    }
    bed.conclude();
    assert!(bed.filters > 50, "of {refused} filters too few are still ones");
}

fn setting(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The packets in a file that filters are asked about, and how that went.
struct Bed {
    random: Random,
    path: PathBuf,
    packets: Vec<Packet>,
    filters: u64,
    pairs: u64,
    matched: u64,
    cut: u64,
    optimised_away: u64,
    mistaken: u64,
}

impl Bed {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("memif-filters-{}.pcap", std::process::id()));
        let random = Random::new(setting("MEMIF_FILTER_SEED", 1));
        Self {
            random,
            path,
            packets: Vec::new(),
            filters: 0,
            pairs: 0,
            matched: 0,
            cut: 0,
            optimised_away: 0,
            mistaken: 0,
        }
    }

    /// Packets of another kind now and then.
    fn next_file(&mut self, round: u64) -> LinkType {
        let link_type = if round % 4 == 3 { LinkType::RawIp } else { LinkType::Ethernet };
        self.packets = (0..PACKETS).map(|_| packets::packet(&mut self.random, link_type)).collect();
        std::fs::write(&self.path, tcpdump::file(&self.packets, link_type)).unwrap();
        link_type
    }

    /// The verdict has to be that of libpcap without its optimiser. With it, two things differ: of tests for a byte
    /// that is not there, which end a filter with no, the optimiser leaves some out; and now and then it leaves out one
    /// that mattered (`findings/`), once in some thousand filters of this kind.
    fn compare(&mut self, text: &str, filter: &Filter, link_type: LinkType) {
        let ask = |optimised| {
            tcpdump::passed(&self.path, text, optimised, self.packets.len())
                .unwrap_or_else(|error| panic!("tcpdump refuses \"{text}\", optimised {optimised}: {error}"))
        };
        let (plain, optimised) = (ask(false), ask(true));
        // An empty filter has no opposite.
        let opposite = Filter::parse(&format!("not ({text})"), link_type).ok();
        self.filters += 1;
        let mut mistaken = false;
        for ((packet, plain), optimised) in self.packets.iter().zip(plain).zip(optimised) {
            let Packet { data, original_length } = packet;
            let ours = filter.matches(data, *original_length);
            let told = || format!("\"{text}\" of {original_length} bytes: {data:02x?}");
            assert_eq!(ours, plain, "tcpdump -O differs, {}", told());
            // Such a test ends the filter, and its opposite, with no.
            let cut = !ours && opposite.as_ref().is_some_and(|filter| !filter.matches(data, *original_length));
            if !cut && ours != optimised {
                println!("tcpdump and tcpdump -O differ, {}", told());
                mistaken = true;
            }
            self.pairs += 1;
            self.matched += u64::from(ours);
            self.cut += u64::from(cut);
            self.optimised_away += u64::from(cut && ours != optimised);
        }
        self.mistaken += u64::from(mistaken);
    }

    fn conclude(&self) {
        let Self { filters, pairs, matched, cut, optimised_away, mistaken, .. } = self;
        println!(
            "{filters} filters, {pairs} pairs, {matched} matched; {cut} ended at a byte that is not there, of which the \
             optimiser lets {optimised_away} pass; {mistaken} filters that it makes others of"
        );
        assert!(mistaken * 100 <= *filters, "more than the optimiser's mistakes");
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
