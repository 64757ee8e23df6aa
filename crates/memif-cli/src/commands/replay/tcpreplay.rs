//! What options of tcpreplay are here.

use clap::Arg;

use crate::foreign;

const INTERFACE: &str = "--socket and --id say which interface; `memif show` tells of a socket";
const PACKETS: &str = "--rate N is packets per second, as in 100k";
const BITS: &str = "--rate Nbps is bits per second, as in 10Mbps";
const SPEED: &str = "--speed X is so many times as fast as captured";
const TOP: &str = "--topspeed is as fast as it goes";
const LOOP: &str = "--loop N is so many passes, 0 for passes until Ctrl-C";
const FILE: &str = "FILE is named without it: memif replay trace.pcap";

/// Options that are typed here out of habit.
pub(super) fn options() -> Vec<Arg> {
    foreign::options(&[
        ("i", INTERFACE),
        ("interface", INTERFACE),
        ("intf1", INTERFACE),
        ("p", PACKETS),
        ("pps", PACKETS),
        ("M", BITS),
        ("mbps", BITS),
        ("x", SPEED),
        ("multiplier", SPEED),
        ("t", TOP),
        ("l", LOOP),
        ("r", FILE),
    ])
}
