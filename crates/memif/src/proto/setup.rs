//! What a slave told about its memory, checked as it comes in and as a whole.

use super::lines::{self, Announced};
use super::params::MasterParams;
use super::peer::{PeerFd, PeerNames, Sealing};
use crate::error::Breach;
use crate::limits::Limits;
use crate::terms::{CacheLine, MAX_LOG2_RING_SIZE, RingDirection};
use crate::wire::ring::{RING_ALIGNMENT, ring_bytes};
use crate::wire::{AddRegion, AddRing};

/// A region to map.
#[derive(Debug)]
pub struct RegionSetup<F> {
    /// Bytes to map; the file has at least as many.
    pub size: u64,
    /// What was found of the file. What is sealed stays so, and as long; anything else may be another by now.
    pub sealing: Sealing,
    /// The shared memory file.
    pub fd: F,
}

/// A ring, which lies wholly in its region and apart from all others.
#[derive(Debug)]
pub struct RingSetup<F> {
    /// Index within its direction, at most 254.
    pub index: u16,
    /// The region, an index into [`Setup::regions`].
    pub region: u16,
    /// Byte offset of the ring header, a multiple of 8.
    pub offset: u32,
    /// Binary logarithm of the number of slots, at most 14.
    pub log2_size: u8,
    /// The eventfd.
    pub interrupt: F,
}

/// Everything that a slave shares: checked against the limits and against itself, and not mapped yet.
#[derive(Debug)]
pub struct Setup<F> {
    /// The regions, in order of their index.
    pub regions: Vec<RegionSetup<F>>,
    /// Rings from slave to master, in order of their index.
    pub s2m: Vec<RingSetup<F>>,
    /// Rings from master to slave, in order of their index.
    pub m2s: Vec<RingSetup<F>>,
    /// The cache line that the rings are laid out for.
    pub cache_line: CacheLine,
    /// The slave's names.
    pub peer: PeerNames,
}

/// Collects regions and rings.
#[derive(Debug)]
pub(super) struct Collector<F> {
    regions: Vec<RegionSetup<F>>,
    total_size: u64,
    s2m: Vec<RingSetup<F>>,
    m2s: Vec<RingSetup<F>>,
    /// Of all rings so far.
    slots: u32,
    limits: Limits,
    max_s2m: u8,
    max_m2s: u8,
    one_way: bool,
    cache_line: Option<CacheLine>,
    require_sealed: bool,
}

impl<F: PeerFd> Collector<F> {
    pub(super) fn new(params: &MasterParams) -> Self {
        let MasterParams { limits, max_s2m, max_m2s, one_way, cache_line, require_sealed, .. } = *params;
        Self {
            regions: Vec::new(),
            total_size: 0,
            s2m: Vec::new(),
            m2s: Vec::new(),
            slots: 0,
            limits,
            max_s2m,
            max_m2s,
            one_way,
            cache_line,
            require_sealed,
        }
    }

    pub(super) fn descriptors(&self) -> usize {
        self.regions.len() + self.s2m.len() + self.m2s.len()
    }

    /// C10, C11, and the descriptor's own checks (F1 to F4).
    pub(super) fn add_region(&mut self, region: AddRegion, mut fd: F) -> Result<(), Breach> {
        let AddRegion { index, size } = region;
        let expected = count(&self.regions);
        if index != expected {
            return Err(Breach::RegionIndex { found: index, expected });
        }
        if expected >= self.limits.regions {
            return Err(Breach::TooManyRegions(self.limits.regions));
        }
        let room = self.limits.total_size.saturating_sub(self.total_size);
        let limit = self.limits.region_size.min(room);
        if size == 0 || size > limit {
            return Err(Breach::RegionSize { index, size, limit });
        }
        self.one_more_descriptor()?;
        let sealing = fd.check_region(index, size, self.require_sealed)?;
        self.total_size = self.total_size.saturating_add(size);
        self.regions.push(RegionSetup { size, sealing, fd });
        Ok(())
    }

    /// C12, C13, C14 (flags were checked with the message), and the descriptor's own checks (F10). The place is looked
    /// at in [`finish`](Self::finish), since nothing says that regions come first.
    pub(super) fn add_ring(&mut self, ring: AddRing, mut interrupt: F) -> Result<(), Breach> {
        if ring.private_hdr_size != 0 {
            return Err(Breach::PrivateHeader(ring.private_hdr_size));
        }
        let direction = ring.direction.as_str();
        let (rings, limit) = match ring.direction {
            RingDirection::S2m => (&self.s2m, self.max_s2m),
            RingDirection::M2s => (&self.m2s, self.max_m2s),
        };
        let expected = count(rings);
        if ring.index != expected {
            return Err(Breach::RingIndex { direction, found: ring.index, expected });
        }
        if expected >= u16::from(limit) {
            return Err(Breach::TooManyRings { direction, limit });
        }
        if self.s2m.len() + self.m2s.len() >= usize::from(self.limits.rings) {
            return Err(Breach::LinkRings(self.limits.rings));
        }
        let log2 = ring.log2_ring_size;
        if log2 > MAX_LOG2_RING_SIZE {
            return Err(Breach::RingSize { direction, index: ring.index, log2 });
        }
        // At most 510 rings of 2^14.
        let slots = self.slots + (1 << log2);
        if slots > self.limits.slots {
            return Err(Breach::LinkSlots(self.limits.slots));
        }
        self.one_more_descriptor()?;
        interrupt.check_interrupt(ring.direction, ring.index)?;
        self.slots = slots;
        let rings = match ring.direction {
            RingDirection::S2m => &mut self.s2m,
            RingDirection::M2s => &mut self.m2s,
        };
        rings.push(RingSetup {
            index: ring.index,
            region: ring.region,
            offset: ring.offset,
            log2_size: log2,
            interrupt,
        });
        Ok(())
    }

    /// Whether one more may be kept.
    fn one_more_descriptor(&self) -> Result<(), Breach> {
        let limit = self.limits.descriptors;
        if self.descriptors() < usize::from(limit) { Ok(()) } else { Err(Breach::LinkDescriptors(limit)) }
    }

    /// C15, C17 and C24.
    pub(super) fn finish(self, peer: PeerNames) -> Result<Setup<F>, Breach> {
        let Self { regions, s2m, m2s, .. } = self;
        if s2m.is_empty() && m2s.is_empty() {
            return Err(Breach::NoRings);
        }
        for (direction, rings, most) in
            [(RingDirection::S2m, &s2m, self.max_s2m), (RingDirection::M2s, &m2s, self.max_m2s)]
        {
            // Where none is accepted, the program wants no queue there.
            if rings.is_empty() && most > 0 && !self.one_way {
                return Err(Breach::NoRingOneWay(direction.as_str()));
            }
        }
        let line = line_of(self.cache_line, s2m.iter().chain(&m2s), &regions)?;
        let mut places = Vec::with_capacity(s2m.len() + m2s.len());
        let directions = [(RingDirection::S2m, &s2m), (RingDirection::M2s, &m2s)];
        for (direction, rings) in directions {
            for ring in rings {
                places.push(Place::new(direction.as_str(), ring, line, &regions)?);
            }
        }
        places.sort_unstable_by_key(|place| (place.region, place.offset));
        for pair in places.windows(2) {
            let [first, second] = pair else { continue };
            if first.region == second.region && second.offset < first.end {
                return Err(Breach::RingOverlap {
                    direction: second.direction,
                    index: second.index,
                    offset: second.offset,
                });
            }
        }
        Ok(Setup { regions, s2m, m2s, cache_line: line, peer })
    }
}

/// The cache line of those rings: the one that was set, which must not be another than they show, or that.
fn line_of<'a, F: 'a>(
    set: Option<CacheLine>,
    rings: impl Iterator<Item = &'a RingSetup<F>>,
    regions: &[RegionSetup<F>],
) -> Result<CacheLine, Breach> {
    let announced = rings.map(|ring| Announced { region: ring.region, offset: ring.offset, log2: ring.log2_size });
    let told = lines::told(announced.collect(), |region| Some(regions.get(usize::from(region))?.size));
    match (set, told) {
        (Some(master), Some(slave)) if master != slave => Err(Breach::CacheLine { slave, master }),
        (set, told) => Ok(set.or(told).unwrap_or_default()),
    }
}

/// Where a ring lies.
struct Place {
    direction: &'static str,
    index: u16,
    region: u16,
    offset: u64,
    end: u64,
}

impl Place {
    fn new<F>(
        direction: &'static str,
        ring: &RingSetup<F>,
        line: CacheLine,
        regions: &[RegionSetup<F>],
    ) -> Result<Self, Breach> {
        let RingSetup { index, region, .. } = *ring;
        let Some(size) = regions.get(usize::from(region)).map(|region| region.size) else {
            return Err(Breach::RingRegion { direction, index, region });
        };
        // 32 bits of offset and at most 256 + 16 * 2^14 bytes: the sum cannot wrap in 64 bits.
        let offset = u64::from(ring.offset);
        let end = offset + ring_bytes(line, ring.log2_size);
        if offset % RING_ALIGNMENT != 0 || end > size {
            return Err(Breach::RingPlace { direction, index, offset, end, size });
        }
        Ok(Self { direction, index, region, offset, end })
    }
}

/// Lengths here are bounded by the limits, which have 16 bits.
fn count<T>(items: &[T]) -> u16 {
    u16::try_from(items.len()).unwrap_or(u16::MAX)
}
