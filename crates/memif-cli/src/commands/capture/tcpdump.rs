//! What options of tcpdump and dumpcap are here.

use clap::Arg;

use crate::foreign;

const INTERFACE: &str =
    "--socket and --id say which interface, --attach which link of other programs (`memif links` lists them)";
const PROCESS: &str = "--attach PID watches a link of that process";
const READ: &str = "tcpdump -r, tshark -r and Wireshark read files; `memif replay FILE` sends what is in one";
const NUMBERS: &str = "addresses and ports are numbers here anyway: leave it out";
const AT_ONCE: &str = "lines are printed, and packets written, as they come: leave it out";
const LOOKS: &str =
    "for other lines, or bytes, let tcpdump print them: memif capture -w - | tcpdump -r - with its options";
const SIZE: &str = "--rotate-size begins another file after so many bytes, as in 100M";
const TIME: &str = "--rotate-time begins another file after that time, as in 10min";
const FILES: &str = "--files keeps so many files, with --rotate-size or --rotate-time";
const FILTER: &str = "the filter is what stands behind all options: memif capture tcp port 80";

/// Options that are typed here out of habit.
pub(super) fn options() -> Vec<Arg> {
    foreign::options(&[
        ("i", INTERFACE),
        ("interface", INTERFACE),
        ("pid", PROCESS),
        ("r", READ),
        ("n", NUMBERS),
        ("l", AT_ONCE),
        ("U", AT_ONCE),
        ("e", LOOKS),
        ("q", LOOKS),
        ("t", LOOKS),
        ("x", LOOKS),
        ("X", LOOKS),
        ("A", LOOKS),
        ("C", SIZE),
        ("G", TIME),
        ("W", FILES),
        ("f", FILTER),
    ])
}
