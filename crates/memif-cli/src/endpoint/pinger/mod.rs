//! An end that pings: sends ICMP echo requests and verifies every reply.

pub(crate) mod engine;
mod heard;
pub(crate) mod payload;
pub(crate) mod plan;
mod report;
pub(crate) mod runner;
pub(crate) mod statistics;
