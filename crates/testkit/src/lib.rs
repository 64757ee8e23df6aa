//! What the tests of memif stand on: peers that are written from the protocol description alone and can be told to
//! misbehave at every step, shared files, a census of descriptors and mappings, real DPDK and Open vSwitch, helper
//! processes, terminals and their pictures, and a test runner that cannot hang.
//!
//! Nothing here uses the `memif` crate, so a test does not share the mistakes of what it tests. Everything here
//! belongs to tests: it panics with a message instead of returning errors that no test would look at.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "tests report there")]
#![allow(clippy::missing_panics_doc, reason = "all of it panics when a step fails")]
// A number that does not fit is an error, not another number.
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss))]

pub mod census;
pub mod child;
mod crash;
pub mod dialect;
pub mod download;
pub mod filter;
pub mod injection;
pub mod master;
pub mod master_path;
pub mod netns;
pub mod ovs;
pub mod patience;
pub mod picture;
pub mod plan;
pub mod program;
pub mod ring;
pub mod seqsock;
pub mod shared;
pub mod slave;
pub mod slave_path;
pub mod suite;
pub mod surplus;
pub mod terminal;
pub mod testpmd;
pub mod traffic;
pub mod vpp;
pub mod wiremsg;

pub use census::Census;
pub use child::{Child, Parent};
pub use dialect::Dialect;
pub use master::{MasterLink, MasterPlan, Reply, ScriptedMaster};
pub use netns::Namespace;
pub use ovs::Ovs;
pub use patience::{Patience, eventually};
pub use plan::{Layout, Script, SlaveMemory, SlavePlan};
pub use program::{Directory, Program};
pub use ring::{Descriptor, Ring};
pub use seqsock::{Address, Received, SeqListener, SeqSocket};
pub use shared::{FileKind, SharedFile};
pub use slave::{Refusal, ScriptedSlave, SlaveLink};
pub use suite::{Need, Suite};
pub use surplus::SurplusQueue;
pub use terminal::Terminal;
pub use testpmd::Testpmd;
pub use vpp::{VppLikeMaster, VppLikeSlave};
