//! `memif links`: every link of the host, between whatever programs, without touching either of them.

mod report;
mod table;

use clap::Args;
use memif_watch::{Host, Link, Unseen};

use crate::error::Error;
use crate::output;
use crate::output::exit::{Outcome, STATUSES};
use crate::watching;
use report::{LinkReport, UnseenReport};

const EXAMPLES: &str = "\
Columns:
  LINK    number of the memory; --json has all that is known by it
  SLAVE, MASTER
          program, pid and user of each end; ? behind one: which end it is
          cannot be told; missing: has gone, or has not come yet; not seen:
          may be a process that this user may not look into
  MEMORY  bytes of all regions that are known
  QUEUES, WAIT, SENT, FLIGHT
          from slave to master / from master to slave
  RING    slots of each ring
  WAIT    a letter for each queue: its receiver polls (p), or wants to be
          signalled (i)
  SENT    slots that were filled so far, of all queues, modulo 65536; a packet
          in a chain of buffers takes several
  FLIGHT  slots that are filled and not given back yet; ?: what the ring says
          cannot be

Examples:
  memif links
      every link of the host, as far as this user may see them
  sudo memif links --pid $(pidof vpp)
      those of VPP
  memif links --json | jq 'select(.type == \"link\").rings[]'
      for programs: each queue's cursors";

/// Options of `memif links`.
///
/// A link is the memory that two programs share. `memif show` is about a socket, where a link could be made: who
/// listens, and may this user connect? This is about links that are up, whoever made them.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct LinksOptions {
    /// Only the links of this process
    #[arg(long, value_name = "PID", value_parser = parse_pid)]
    pid: Option<u32>,
}

fn parse_pid(text: &str) -> Result<u32, String> {
    let pid = text.parse().ok().filter(|pid| *pid > 0);
    pid.ok_or_else(|| "give the number of one process, as in 4711".to_owned())
}

/// Lists the links.
pub(crate) fn run(options: &LinksOptions) -> Result<Outcome, Error> {
    let Host { mut links, mut unseen, in_container, .. } = watching::scan()?;
    if let Some(pid) = options.pid {
        if !memif_watch::is_there(pid) {
            return Err(Error::Usage(format!("--pid: there is no process {pid}")));
        }
        links.retain(|link| link.ends().iter().any(|end| end.process.pid == pid));
        unseen.retain(|unseen| watching::concerns(unseen, pid));
    }
    tell(&links, &unseen, in_container)?;
    Ok(if links.is_empty() { Outcome::No } else { Outcome::Success })
}

fn tell(links: &[Link], unseen: &[Unseen], in_container: bool) -> Result<(), Error> {
    let links: Vec<LinkReport> = links.iter().map(LinkReport::of).collect();
    if output::speaks_json() {
        links.iter().try_for_each(output::report)?;
        return unseen.iter().try_for_each(|unseen| output::report(&UnseenReport::of(unseen)));
    }
    if links.is_empty() {
        output::say(format_args!("no link is seen"))?;
    }
    for line in table::lines(&links) {
        output::say(format_args!("{line}"))?;
    }
    for (what, why) in output::not_seen(unseen) {
        output::say(format_args!("not seen: {what}: {why}"))?;
    }
    if in_container {
        output::say(format_args!(
            "not seen: processes outside this container; run `memif links` on the host to see them"
        ))?;
    }
    Ok(())
}
