//! A slave's side: allocates all memory and all eventfds, and posts the buffers once the master is there.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::io::Errno;

use super::connected::{Connected, new_eventfd, queue_name};
use super::file_image::{FileImage, put_descriptors};
use super::handle::LinkHandle;
use super::peer_fd;
use crate::config::{InterfaceConfig, Memory, Role};
use crate::error::{Direction, SystemError};
use crate::proto::Sealing;
use crate::queue::{BufferRef, BufferRow, DriverSignals, InUse, LinkShared, QueueParts, QueueShared, RxQueue, TxQueue};
use crate::shm::layout::{BufferPlace, Layout};
use crate::shm::placement::HUGE_PAGE;
use crate::shm::{Decoy, MappedRing, Mapping, Regions, decoy};
use crate::wire::ring::{header_size, ring_bytes};
use crate::wire::{AddRing, RingDirection};

/// Memory of a connection that is being set up.
#[derive(Debug)]
pub(crate) struct SlaveMemory {
    layout: Layout,
    log2: u8,
    s2m: usize,
    region_fds: Vec<(Arc<OwnedFd>, u64)>,
    regions: Regions,
    rings: Vec<(AddRing, Arc<OwnedFd>)>,
    mapped_rings: Vec<MappedRing>,
    decoy: Decoy,
}

impl SlaveMemory {
    /// Allocates and plans everything for `s2m` transmit and `m2s` receive rings of `2^log2` slots. The rings are still
    /// to be written, see [`write_rings`](Self::write_rings).
    pub(crate) fn allocate(config: &InterfaceConfig, s2m: u8, m2s: u8, log2: u8) -> io::Result<Self> {
        let layout = config.layout(s2m, m2s, log2).map_err(io::Error::other)?;
        let line = config.cache_line.unwrap_or_default();
        let mut region_fds = Vec::with_capacity(layout.regions.len());
        let mut mappings = Vec::with_capacity(layout.regions.len());
        for (index, size) in layout.regions.iter().enumerate() {
            let provided = match &config.external {
                Some(external) if index > 0 => external.0.allocate(*size)?,
                _ => None,
            };
            if let Some(mapping) = provided {
                let (fd, mapping) = callers_mapping(mapping, *size)?;
                region_fds.push((fd, *size));
                mappings.push(mapping);
                continue;
            }
            let (fd, size, mapping) = match &config.memory {
                Memory::File { fd, size } if index > 0 => {
                    (Arc::clone(fd), *size, Arc::new(map_callers_file(fd, *size)?))
                }
                Memory::Mapped(mapping) if index > 0 => {
                    let size = mapping.len() as u64;
                    let (fd, mapping) = callers_mapping(Arc::clone(mapping), size)?;
                    (fd, size, mapping)
                }
                _ if config.huge_pages && index > 0 => huge_region(*size)?,
                _ => {
                    let fd = sealed_memfd(*size)?;
                    let mapping = Mapping::map_usual_pages(&fd, *size)?;
                    (Arc::new(fd), *size, Arc::new(mapping))
                }
            };
            if let Some(node) = config.numa_node {
                mapping.bind(node)?;
            }
            region_fds.push((fd, size));
            mappings.push(mapping);
        }
        fill(config, &mappings)?;

        let mut rings = Vec::with_capacity(layout.rings.len());
        let mut mapped_rings = Vec::with_capacity(layout.rings.len());
        for (k, offset) in layout.rings.iter().enumerate() {
            let ring = MappedRing::new(&mappings[0], *offset, log2, line)
                .ok_or_else(|| io::Error::other("ring does not fit its region"))?;
            let (direction, index) = match k.checked_sub(usize::from(s2m)) {
                None => (RingDirection::S2m, k),
                Some(index) => (RingDirection::M2s, index),
            };
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let message =
                AddRing { direction, index, region: 0, offset: *offset, log2_ring_size: log2, private_hdr_size: 0 };
            rings.push((message, Arc::new(new_eventfd()?)));
            mapped_rings.push(ring);
        }
        let decoy = Decoy::new(&mappings[0], line).ok_or_else(|| io::Error::other("decoy does not fit its region"))?;
        Ok(Self {
            decoy,
            layout,
            log2,
            s2m: usize::from(s2m),
            region_fds,
            regions: Regions::new(mappings),
            rings,
            mapped_rings,
        })
    }

    /// Writes all rings, with head and tail zero, as they must be until CONNECTED has come. To be called when INIT is
    /// out, so that it is done while the master works on that, and before a region is announced: a write waits for the
    /// lock of its file, and whoever has the file can hold that without end.
    ///
    /// Rings to receive on name all buffers, and are posted later with one store. Those to send on get a header alone:
    /// the first packet writes their descriptors.
    pub(crate) fn write_rings(&self, config: &InterfaceConfig) -> io::Result<()> {
        let Self { layout, region_fds, log2, s2m, .. } = self;
        let Some((file, _)) = region_fds.first() else { return Ok(()) };
        let line = config.cache_line.unwrap_or_default();
        let mut image = FileImage::new(file);
        decoy::image(layout.decoy_buffer, line, image.bytes(0, decoy::bytes(line))?);
        let (sends, receives) = layout.rings.split_at(*s2m);
        let mut sends = sends.iter();
        let mut receives = receives.iter().zip(layout.buffers.iter().skip(*s2m));
        // In the order in which they lie.
        loop {
            let (receive, send) = (receives.next(), sends.next());
            if let Some((offset, place)) = receive {
                let row = row(*place, layout.stride, config.buffer_size);
                put_descriptors(image.ring(*offset, ring_bytes(line, *log2))?, line, row);
            }
            if let Some(offset) = send {
                image.ring(*offset, header_size(line) as u64)?;
            }
            if receive.is_none() && send.is_none() {
                return image.write();
            }
        }
    }

    /// Whether it is what a connection with so many rings of that size needs.
    pub(crate) fn fits(&self, s2m: u8, m2s: u8, log2: u8) -> bool {
        let rings = usize::from(s2m) + usize::from(m2s);
        (self.s2m, self.rings.len(), self.log2) == (usize::from(s2m), rings, log2)
    }

    /// What to announce, by number: the file and the bytes to map.
    pub(crate) fn regions(&self) -> &[(Arc<OwnedFd>, u64)] {
        &self.region_fds
    }

    /// What to announce: S2M rings, then M2S rings, each with its eventfd.
    pub(crate) fn rings(&self) -> &[(AddRing, Arc<OwnedFd>)] {
        &self.rings
    }

    /// After CONNECTED has come: makes the queues and posts all receive buffers.
    pub(crate) fn connect(self, config: &InterfaceConfig, signals: &DriverSignals) -> Connected {
        let mut rx = Vec::new();
        let mut tx = Vec::new();
        let rings = self.rings.iter().zip(&self.mapped_rings).zip(&self.layout.buffers);
        for (k, (((message, interrupt), ring), place)) in rings.enumerate() {
            let sends = k < self.s2m;
            let (direction, index) = if sends { (Direction::Tx, k) } else { (Direction::Rx, k - self.s2m) };
            let parts = QueueParts {
                name: queue_name(direction, index),
                ring: ring.clone(),
                log2: self.log2,
                region: message.region,
                offset: message.offset,
                interrupt: Arc::clone(interrupt),
                buffer_size: config.buffer_size,
            };
            let row = row(*place, self.layout.stride, config.buffer_size);
            let shared = QueueShared::new(Role::Slave, &parts);
            if sends { &mut tx } else { &mut rx }.push((parts, shared, row));
        }
        let link = LinkShared::new(
            Role::Slave,
            self.regions,
            signals,
            Some(self.decoy),
            rx.iter().map(|(_, shared, _)| Arc::clone(shared)).collect(),
            tx.iter().map(|(_, shared, _)| Arc::clone(shared)).collect(),
        );
        let in_use = InUse::new(&link);
        Connected {
            rx: rx
                .into_iter()
                .map(|(parts, shared, row)| RxQueue::new(config, &link, parts, shared, &in_use, Some(row)))
                .collect(),
            tx: tx
                .into_iter()
                .map(|(parts, shared, row)| TxQueue::new(config, &link, parts, shared, &in_use, Some(row)))
                .collect(),
            handle: LinkHandle(link),
            in_use,
        }
    }
}

/// The buffers of a queue by the plan.
fn row(BufferPlace { region, offset }: BufferPlace, stride: u32, capacity: u32) -> BufferRow {
    BufferRow { first: BufferRef { region, offset, capacity }, stride }
}

/// A memfd that nobody can shrink, grow or seal further. Writing stays possible: the master must map it writable.
fn sealed_memfd(size: u64) -> io::Result<OwnedFd> {
    #[cfg(miri)]
    return crate::shm::stand_in::file(size);
    #[cfg(not(miri))]
    new_sealed_memfd(size)
}

#[cfg_attr(miri, expect(dead_code, reason = "Miri knows no memfd"))]
fn new_sealed_memfd(size: u64) -> io::Result<OwnedFd> {
    let fd = memfd(MemfdFlags::empty())?;
    ftruncate(&fd, size)?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(fd)
}

/// A memfd that nobody can run as a program, which hardened systems demand (`vm.memfd_noexec`). Kernels before 6.3 do
/// not know the flag.
fn memfd(more: MemfdFlags) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | more;
    match memfd_create("memif", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => Ok(memfd_create("memif", flags)?),
        made => Ok(made?),
    }
}

/// A region on huge pages, sealed as above. Its pages are reserved by the mapping, but the peer can punch holes, and
/// then others may take them: hence the guard.
fn huge_region(size: u64) -> io::Result<(Arc<OwnedFd>, u64, Arc<Mapping>)> {
    let made = || {
        let fd = memfd(MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB)?;
        ftruncate(&fd, size)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mapping = Mapping::map(&fd, size, true)?;
        Ok((Arc::new(fd), size, Arc::new(mapping)))
    };
    made().map_err(|error: io::Error| {
        let pages = size / HUGE_PAGE;
        let what = format!(
            "no {pages} huge pages of 2 MiB for the buffers: reserve more as root (sysctl vm.nr_hugepages=N), or do \
             without"
        );
        SystemError::because(what, &error).into()
    })
}

/// Makes all pages of the regions now, where that is asked for. Huge pages are made in any case: the mapping reserves
/// them, but whatever their node and whatever the limit of the control group, and the first access to one that is not
/// to be had is a fault.
fn fill(config: &InterfaceConfig, mappings: &[Arc<Mapping>]) -> io::Result<()> {
    if !config.prefault && !config.huge_pages {
        return Ok(());
    }
    mappings.iter().try_for_each(|mapping| mapping.populate()).map_err(|error| {
        let node = config.numa_node.map(|node| format!(" on NUMA node {node}")).unwrap_or_default();
        if config.huge_pages {
            // What the kernel says of it is "bad address".
            return io::Error::other(format!("huge pages ran out{node} (hugetlb limit of the control group?)"));
        }
        SystemError::because(format!("not all memory{node} is to be had"), &error).into()
    })
}

/// A mapping of the caller with the file behind it, of which `size` bytes are shared.
fn callers_mapping(mapping: Arc<Mapping>, size: u64) -> io::Result<(Arc<OwnedFd>, Arc<Mapping>)> {
    let invalid = |problem| io::Error::new(io::ErrorKind::InvalidInput, problem);
    let fd = mapping.caller_fd().ok_or_else(|| invalid("mapping has no file of the caller"))?;
    if (mapping.len() as u64) < size {
        return Err(invalid("the mapping of the buffers is shorter than what is to be shared"));
    }
    let (fd, sealing) = (Arc::clone(fd), check_callers_file(fd, size)?);
    if sealing == Sealing::Sealed {
        return Ok((fd, mapping));
    }
    mapping.guard_callers()?;
    let mapping = mapping.again().map_err(|error| {
        let problem = format!("memory that a peer took away could not be mapped again ({error})");
        io::Error::new(error.kind(), problem)
    })?;
    Ok((fd, mapping))
}

/// Maps a file of the caller.
fn map_callers_file(fd: &OwnedFd, size: u64) -> io::Result<Mapping> {
    let sealing = check_callers_file(fd, size)?;
    Mapping::map(fd, size, sealing == Sealing::Guarded)
}

/// Looks at a file of the caller. The peer gets the file too and could shrink it, so it is sealed where that is
/// possible and its mapping guarded where not.
fn check_callers_file(fd: &OwnedFd, size: u64) -> io::Result<Sealing> {
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidInput, problem);
    if u64::try_from(fstat(fd)?.st_size).unwrap_or(0) < size {
        let problem = format!(
            "the file for the buffers is shorter than the {size} bytes to share: make it so long, also where a peer \
             has cut it"
        );
        return Err(invalid(problem));
    }
    // This waits for the file's lock, which no peer can hold yet: the first time the file is still ours alone, and
    // later the seal is there. Failure shows in the seals.
    // Against further seals, too: with one against writing, a peer would end all later links on this file.
    if fcntl_get_seals(fd).is_ok_and(|seals| !seals.contains(SealFlags::SEAL)) {
        let _ = fcntl_add_seals(fd, SealFlags::SHRINK | SealFlags::SEAL);
    }
    peer_fd::region(fd, 1, size, false)
        .map_err(|_| invalid("the file for the buffers is neither a memfd nor on tmpfs or a huge page mount".into()))
}
