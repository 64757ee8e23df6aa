//! An end that pings: sends ICMP echo requests and verifies every reply.

pub(crate) mod engine;
pub(crate) mod payload;
mod report;
pub(crate) mod runner;
pub(crate) mod statistics;
