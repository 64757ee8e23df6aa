//! One end of a link: from the options on the command line to a link in its loop.

pub(crate) mod address;
pub(crate) mod driver;
pub(crate) mod filter;
pub(crate) mod links;
pub(crate) mod metrics;
pub(crate) mod namespace;
pub(crate) mod options;
pub(crate) mod pinger;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod responder;
pub(crate) mod signals;
pub(crate) mod socket;
#[cfg(test)]
pub(crate) mod typed;
pub(crate) mod values;
pub(crate) mod vlan;
