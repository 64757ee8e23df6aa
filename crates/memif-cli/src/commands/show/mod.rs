//! `memif show`: explains a socket without ever connecting to it, so that nobody is disturbed (V2, L11). Everything
//! comes from the file system, from `/proc` and, where those do not tell, from a question to the kernel of which nobody
//! learns.

mod access;
mod examine;
mod probe;
mod processes;
mod report;

use clap::Args;

use crate::endpoint::address::{SocketPlace, default_socket, parse_socket};
use crate::endpoint::namespace;
use crate::error::Error;
use crate::output;
use crate::output::exit::{Outcome, STATUSES};
use processes::Survey;
use report::Verdict;

const EXAMPLES: &str = "\
Examples:
  memif show
      explains /run/vpp/memif.sock, or the socket that MEMIF_SOCKET names
  memif show @lab
      explains the abstract name lab (VPP: abstract:lab; DPDK: socket=lab)
  memif show --json /tmp/memif.sock | jq .verdict
      for programs: one JSON object";

/// Options of `memif show`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct ShowOptions {
    /// The socket: a path, or @NAME (as VPP writes it: abstract:NAME) for an abstract one, @NAME,netns=NS for one in
    /// another network namespace [default: that of MEMIF_SOCKET in the environment, or /run/vpp/memif.sock]
    #[arg(value_name = "PATH|@NAME", value_parser = parse_socket)]
    socket: Option<SocketPlace>,
}

/// Explains the socket.
pub(crate) fn run(options: &ShowOptions) -> Result<Outcome, Error> {
    let place = options.socket.clone().map_or_else(default_socket, Ok)?;
    if let Some(namespace) = place.namespace {
        namespace::enter(&namespace)?;
    }
    let report = examine::examine(&place.address, &Survey::take());
    output::say(format_args!("{report}"))?;
    output::report(&report)?;
    Ok(if report.verdict == Verdict::Ready { Outcome::Success } else { Outcome::No })
}
