//! The subcommands: a folder for each, whose `mod.rs` has its options and its `run`.
//!
//! They do not use each other: what two of them need is in `endpoint`, `packet` or `output`.

pub(crate) mod bench;
pub(crate) mod bridge;
pub(crate) mod capture;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod links;
pub(crate) mod man;
pub(crate) mod ping;
pub(crate) mod replay;
pub(crate) mod responder;
pub(crate) mod show;
pub(crate) mod top;
