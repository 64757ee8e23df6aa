//! `memif capture`: packets of an interface, of a link that leads through here, or of one of other programs, into files
//! or lines; and `memif extcap`, which is the same for Wireshark.

mod attach;
mod ends;
mod extcap;
mod lines;
mod options;
mod progress;
mod recording;
mod report;
mod start;
mod tally;
mod tapper;
mod target;
mod tcpdump;

pub(crate) use extcap::{ExtcapOptions, arguments as extcap_arguments, run as extcap};
pub(crate) use options::{CaptureOptions, advise};
pub(crate) use start::run;
