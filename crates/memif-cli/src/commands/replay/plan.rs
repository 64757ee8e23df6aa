//! What is to be replayed, and how: the options, checked.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

use memif_capture::LinkType;
use memif_capture::filter::Filter;

use super::moment::Moment;
use super::pace::Pace;
use crate::error::Error;
use crate::packet::{Framing, Mac};

/// What becomes of packets that were not captured whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Truncated {
    /// As long as they were, with zeros for what is missing
    #[default]
    Pad,
    /// Not sent
    Skip,
    /// What was captured of them
    AsIs,
}

/// Where packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Standard input.
    Standard,
    File(PathBuf),
}

impl Source {
    /// The one that is given as `-` or a path.
    pub(super) fn new(file: &std::path::Path) -> Result<Self, Error> {
        if file.as_os_str() != "-" {
            return Ok(Self::File(file.to_owned()));
        }
        if stdin().is_terminal() {
            return Err(Error::Usage(
                "- is standard input, which is a terminal here: give a file, or pipe one in".to_owned(),
            ));
        }
        Ok(Self::Standard)
    }

    /// What people and programs are told.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Standard => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// What is done to each packet before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) framing: Framing,
    pub(super) filter: Option<Filter>,
    /// From when to before when.
    pub(super) between: Option<(Moment, Moment)>,
    pub(super) truncated: Truncated,
    pub(super) set_src: Option<Mac>,
    pub(super) set_dst: Option<Mac>,
    /// Whether packets are spread over several queues, each flow on one.
    pub(super) several_queues: bool,
}

/// What is to be replayed, and how.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) source: Source,
    pub(super) pace: Pace,
    /// How often; without end where that is `None`.
    pub(super) passes: Option<u64>,
    /// Whether a packet for which there is no room is left out.
    pub(super) no_wait: bool,
    pub(super) recipe: Recipe,
}

impl Recipe {
    /// The kind of packets that the interface carries.
    pub(super) fn link_type(&self) -> LinkType {
        match self.framing {
            Framing::Ethernet => LinkType::Ethernet,
            Framing::Ip => LinkType::RawIp,
        }
    }
}
