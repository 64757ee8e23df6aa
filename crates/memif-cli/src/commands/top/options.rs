//! Options of `memif top`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;

use crate::endpoint::values::{number, parse_seconds};
use crate::output::exit::STATUSES;
use crate::output::speaks_json;

const EXAMPLES: &str = "\
Examples:
  memif top
      every link of the host, as far as this user may see them; ? tells the
      keys and the columns
  sudo memif top --pid $(pidof vpp)
      those of VPP
  memif top --once
      the figures of one second, in lines
  memif top --batch -n 60 -d 10 > day.txt
      sixty times ten seconds
  memif top --once --json | jq '.links[].rings[].packets_per_second'
      for programs: one JSON object for each period";

/// Options of `memif top`.
///
/// Looks at the shared memory of links between any programs, without touching either of them: rates each way, how full
/// the rings are, who waits for whom. Colours are left out where NO_COLOR is set in the environment.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct TopOptions {
    /// Only the links of this process
    #[arg(long, value_name = "PID", value_parser = number::<u32>(1, u64::from(u32::MAX)))]
    pub(super) pid: Option<u32>,

    /// Print lines, one period after the other, also where standard output is a terminal
    #[arg(short, long)]
    batch: bool,

    /// Print the figures of one period and end: --batch --count 1
    #[arg(long, conflicts_with = "count")]
    once: bool,

    /// Print so many periods, then end [default: until Ctrl-C]
    #[arg(short = 'n', long, value_name = "N", value_parser = number::<u64>(1, u64::from(u32::MAX)))]
    count: Option<u64>,

    /// How long a period is, in seconds or with a unit
    #[arg(short, long, value_name = "TIME", default_value = "1", value_parser = parse_delay)]
    pub(super) delay: Duration,
}

/// A period that can be shown.
fn parse_delay(text: &str) -> Result<Duration, String> {
    let delay = parse_seconds(text).ok().filter(|delay| *delay >= Duration::from_millis(100));
    delay.ok_or_else(|| "give a time from 100ms to a day, as in 500ms or 2s".to_owned())
}

impl TopOptions {
    /// How many periods are printed; `None` where there is no end.
    pub(super) fn count(&self) -> Option<u64> {
        if self.once { Some(1) } else { self.count }
    }

    /// Whether a screen is drawn: where somebody sees it and can hit keys, and nothing else was asked for.
    pub(super) fn is_live(&self) -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|kind| kind == "dumb");
        let plain = self.batch || self.count().is_some() || speaks_json() || dumb;
        !plain && io::stdin().is_terminal() && io::stdout().is_terminal()
    }
}
