//! What the two machines are told of their interface.

use crate::limits::Limits;
use crate::names::{Name, Secret};
use crate::terms::{CacheLine, Mode};

/// The interface that an INIT is admitted to.
#[derive(Clone, Debug)]
pub struct MasterParams {
    /// Mode that INIT must name.
    pub mode: Mode,
    /// Secret that INIT must carry; without one any is accepted.
    pub secret: Option<Secret>,
    /// Name to tell the slave.
    pub name: Name,
    /// Rings from slave to master that are accepted.
    pub max_s2m: u8,
    /// Rings from master to slave that are accepted.
    pub max_m2s: u8,
    /// Whether a slave may bring no ring in a direction in which some are accepted.
    pub one_way: bool,
    /// The cache line that rings must be laid out for; `None`: the one that their places tell of.
    pub cache_line: Option<CacheLine>,
    /// What is accepted of one link in all.
    pub limits: Limits,
    /// Whether memory that can still shrink is refused.
    pub require_sealed: bool,
}

/// The interface that connects.
#[derive(Clone, Debug)]
pub struct SlaveParams {
    /// Program and version to tell the master.
    pub app_name: Name,
    /// Interface name to tell the master.
    pub name: Name,
    /// The interface id.
    pub id: u32,
    /// The mode.
    pub mode: Mode,
    /// The secret to present.
    pub secret: Option<Secret>,
    /// Rings from slave to master wanted.
    pub s2m: u8,
    /// Rings from master to slave wanted.
    pub m2s: u8,
    /// Where the master is a DPDK by its HELLO: rings from master to slave wanted in place of [`m2s`](Self::m2s).
    pub m2s_of_dpdk: Option<u8>,
    /// Binary logarithm of the ring size wanted.
    pub log2_ring_size: u8,
}
