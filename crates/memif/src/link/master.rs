//! A master's side: maps what the slave offered, once, and trusts none of it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::fstat;

use super::connected::{Connected, queue_name};
use super::handle::LinkHandle;
use super::peer_fd;
use crate::config::{InterfaceConfig, Role, RxMode};
use crate::error::{Breach, Direction};
use crate::proto::{RingSetup, Sealing, Setup};
use crate::queue::{DriverSignals, InUse, LinkShared, QueueParts, QueueShared, RxQueue, TxQueue};
use crate::ring::RingMemory;
use crate::shm::{MappedRing, Mapping, Regions};
use crate::wire::RingDirection;
use crate::wire::ring::{COOKIE, CacheLine, FLAG_MASK_INT, ring_bytes};

/// Bytes of the regions of a link that are mapped ahead of use. A slave that offers one file as many regions pays once
/// for what takes time here: 4 ms for so much, in pages of 4 KiB.
const MOST_AHEAD: u64 = 64 << 20;

/// Memory of a connection whose slave has sent CONNECT.
#[derive(Debug)]
pub(crate) struct MasterMemory {
    regions: Regions,
    rx: Vec<QueueParts>,
    tx: Vec<QueueParts>,
}

impl MasterMemory {
    /// Maps all regions and finds all rings with their cookies. The region files are closed on return.
    ///
    /// The descriptors are [`ReceivedFd`](crate::sys::ReceivedFd)s that were checked.
    pub(crate) fn map<F: TryInto<OwnedFd>>(config: &InterfaceConfig, setup: Setup<F>) -> Result<Self, Breach> {
        let mut mappings = Vec::with_capacity(setup.regions.len());
        let mut ahead = if config.prefault { MOST_AHEAD } else { 0 };
        for (index, region) in setup.regions.into_iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let fd = region.fd.try_into().map_err(|_| Breach::RegionType(index))?;
            // Checked when it came; what can have changed since then is asked again. No seal goes away.
            let sealing = match region.sealing {
                Sealing::Sealed => Sealing::Sealed,
                Sealing::Guarded => peer_fd::region(&fd, index, region.size, config.require_sealed)?,
            };
            let guard = sealing == Sealing::Guarded;
            let refuse = |error: std::io::Error| {
                // The caller's words stay here: a peer is told less than that.
                Breach::RegionMap { index, error: error.to_string() }
            };
            let fd = Arc::new(fd);
            let callers = match &config.external {
                Some(external) if index > 0 => external.0.map(&fd, region.size).map_err(refuse)?,
                _ => None,
            };
            let mapping = match callers {
                Some(mapping) if (mapping.len() as u64) < region.size => {
                    return Err(refuse(std::io::ErrorKind::InvalidInput.into()));
                }
                Some(mapping) => {
                    if guard {
                        mapping.guard_callers().map_err(refuse)?;
                    }
                    mapping
                }
                None if guard => Arc::new(Mapping::map(&*fd, region.size, guard).map_err(refuse)?),
                None => Arc::new(Mapping::map_usual_pages(&*fd, region.size).map_err(refuse)?),
            };
            map_ahead(&fd, &mapping, &mut ahead);
            mappings.push(mapping);
        }
        let regions = Regions::new(mappings);
        let rx = parts(config, &regions, setup.s2m, RingDirection::S2m, setup.cache_line)?;
        let tx = parts(config, &regions, setup.m2s, RingDirection::M2s, setup.cache_line)?;
        let masked = if config.rx_mode == RxMode::Interrupt { 0 } else { FLAG_MASK_INT };
        for part in &rx {
            part.ring.store_flags(masked);
        }
        for part in rx.iter().chain(&tx) {
            part.ring.store_tail(0);
        }
        Ok(Self { regions, rx, tx })
    }

    /// After CONNECTED has gone out: makes the queues.
    pub(crate) fn connect(self, config: &InterfaceConfig, signals: &DriverSignals) -> Connected {
        let share = |parts: Vec<QueueParts>| -> Vec<_> {
            parts
                .into_iter()
                .map(|parts| {
                    let shared = QueueShared::new(Role::Master, &parts);
                    (parts, shared)
                })
                .collect()
        };
        let (rx, tx) = (share(self.rx), share(self.tx));
        let link = LinkShared::new(
            Role::Master,
            self.regions,
            signals,
            None,
            rx.iter().map(|(_, shared)| Arc::clone(shared)).collect(),
            tx.iter().map(|(_, shared)| Arc::clone(shared)).collect(),
        );
        let in_use = InUse::new(&link);
        Connected {
            rx: rx
                .into_iter()
                .map(|(parts, shared)| RxQueue::new(config, &link, parts, shared, &in_use, None))
                .collect(),
            tx: tx
                .into_iter()
                .map(|(parts, shared)| TxQueue::new(config, &link, parts, shared, &in_use, None))
                .collect(),
            handle: LinkHandle(link),
            in_use,
        }
    }
}

/// Maps the pages of a region ahead of use, if its slave has made them all. Of a file that has fewer, pages would be
/// made here and be this process's to pay for. A slave that takes them back at this moment pays no less than it makes
/// this process pay.
fn map_ahead(fd: &OwnedFd, mapping: &Mapping, left: &mut u64) {
    let size = mapping.len() as u64;
    if size > *left {
        return;
    }
    let there = fstat(fd).ok().and_then(|stat| u64::try_from(stat.st_blocks).ok());
    if there.is_some_and(|blocks| blocks.saturating_mul(512) >= size) {
        *left -= size;
        // What is not mapped now is mapped when it is used.
        let _ = mapping.map_all();
    }
}

/// Finds the rings of one direction in the mapped regions.
fn parts<F: TryInto<OwnedFd>>(
    config: &InterfaceConfig,
    regions: &Regions,
    rings: Vec<RingSetup<F>>,
    direction: RingDirection,
    line: CacheLine,
) -> Result<Vec<QueueParts>, Breach> {
    let name = match direction {
        RingDirection::S2m => Direction::Rx,
        RingDirection::M2s => Direction::Tx,
    };
    rings
        .into_iter()
        .enumerate()
        .map(|(k, setup)| {
            let RingSetup { index, region, offset, log2_size, interrupt, .. } = setup;
            let direction = direction.as_str();
            let mapping = regions.get(region).ok_or(Breach::RingRegion { direction, index, region })?;
            let ring = MappedRing::new(mapping, offset, log2_size, line).ok_or(Breach::RingPlace {
                direction,
                index,
                offset: u64::from(offset),
                end: u64::from(offset) + ring_bytes(line, log2_size.min(32)),
                size: mapping.len() as u64,
            })?;
            let interrupt = interrupt.try_into().map_err(|_| Breach::InterruptType { direction, index })?;
            let found = ring.cookie();
            if found != COOKIE {
                return Err(Breach::Cookie { direction, index, found });
            }
            Ok(QueueParts {
                name: queue_name(name, k),
                ring,
                log2: log2_size,
                region,
                offset,
                interrupt: Arc::new(interrupt),
                buffer_size: config.buffer_size,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::placement::tests::mapped_kib;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    #[test]
    fn what_the_slave_has_filled_is_mapped_ahead_and_nothing_else() {
        let size = 1 << 20;
        let fd = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&fd, size).unwrap();
        let slaves = Mapping::map(&fd, size, false).unwrap();
        slaves.slice(0, 1).unwrap().write(0, &[1]);

        let (ours, mut left) = (Mapping::map(&fd, size, false).unwrap(), MOST_AHEAD);
        map_ahead(&fd, &ours, &mut left);
        assert_eq!((mapped_kib(&ours), left), (0, MOST_AHEAD), "not filled");
        slaves.populate().unwrap();
        left = size - 1;
        map_ahead(&fd, &ours, &mut left);
        assert_eq!((mapped_kib(&ours), left), (0, size - 1), "too much");
        left = size;
        map_ahead(&fd, &ours, &mut left);
        assert_eq!((mapped_kib(&ours), left), (1024, 0), "filled");
    }
}
