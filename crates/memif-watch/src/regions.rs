//! Which files hold the regions of a link beyond region 0.
//!
//! Their numbers stand in descriptors, and which file has which number stood in messages that are long gone. A file
//! that every process of the link has mapped may be one. Where its name does not tell, files are numbered in the order
//! in which they were made: those between the rings of this link and of the next one; or else those between the rings
//! of the link before and this one's; or else what was there before all: buffers that all links share.

use crate::link::{Link, Region};
use crate::maps::FileId;
use crate::ring::Descriptor;

/// Regions that a link may have, beyond region 0.
const MOST: u16 = 255;
/// Descriptors of each ring that are looked at.
const SAMPLE: u16 = 64;

/// For each region that descriptors name, the first byte behind all that they name there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named(Vec<(u16, u64)>);

impl Named {
    /// What the rings of a link name now.
    pub(crate) fn by(link: &Link) -> Self {
        let mut descriptors = Vec::new();
        for ring in &link.rings {
            let Ok(cursors) = link.cursors(ring) else { continue };
            // What lies before the tail is old, and tells as much.
            let from = cursors.tail.wrapping_sub(SAMPLE / 2);
            let _ = link.descriptors(ring, from, SAMPLE, &mut descriptors);
        }
        Self::of(&descriptors)
    }

    fn of(descriptors: &[Descriptor]) -> Self {
        let mut ends: Vec<(u16, u64)> = Vec::new();
        for Descriptor { region, length, offset, .. } in descriptors {
            if *length == 0 || *region == 0 || *region > MOST {
                continue;
            }
            let end = u64::from(*offset) + u64::from(*length);
            match ends.iter_mut().find(|(known, _)| known == region) {
                Some((_, known)) => *known = end.max(*known),
                None => ends.push((*region, end)),
            }
        }
        ends.sort_unstable();
        Self(ends)
    }

    /// Whether region 0 holds everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn fits(&self, region: &Region) -> bool {
        self.0.iter().all(|(index, end)| *index != region.index || *end <= region.size)
    }
}

/// Adds further regions to a link, of the files that all its processes share; `rings` are the files of all links
/// between the same processes. A file that is too short for what descriptors name in its region is none.
pub(crate) fn add(link: &mut Link, candidates: Vec<Region>, rings: &[FileId], named: &Named) {
    let highest = named.0.last().map_or(0, |(index, _)| *index);
    let alone = candidates.len() == 1 && highest == 1;
    let numbered = match by_name(&candidates) {
        Some(numbered) => numbered,
        None => (1..=highest).zip(by_order(link.id.0, candidates, rings)).collect(),
    };
    for (index, file) in numbered {
        let region = Region { index, certain: alone, ..file };
        if index <= highest && named.fits(&region) {
            link.regions.push(region);
        }
    }
}

/// The regions whose files are named by their numbers, where no number comes twice.
fn by_name(candidates: &[Region]) -> Option<Vec<(u16, Region)>> {
    let mut numbered: Vec<(u16, Region)> =
        candidates.iter().filter_map(|region| Some((number(&region.name)?, region.clone()))).collect();
    numbered.sort_by_key(|(index, _)| *index);
    let twice = numbered.windows(2).any(|pair| matches!(pair, [(first, _), (second, _)] if first == second));
    (!numbered.is_empty() && !twice).then_some(numbered)
}

/// The number at the end of a name such as `/memfd:memif region 1 (deleted)`.
fn number(name: &str) -> Option<u16> {
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    let front = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let is_region = front.ends_with("region ") || front.ends_with("region_");
    let number = name.get(front.len()..)?.parse().ok()?;
    (is_region && number > 0).then_some(number)
}

/// The files in the order of their numbers.
fn by_order(own: FileId, mut candidates: Vec<Region>, rings: &[FileId]) -> Vec<Region> {
    // The kernel counts up all files in memory, whichever file system of its own they are in.
    candidates.sort_by_key(|region| region.id.inode);
    let own = own.inode;
    let others = || rings.iter().map(|other| other.inode);
    let next = others().filter(|other| *other > own).min().unwrap_or(u64::MAX);
    let last = others().filter(|other| *other < own).max().unwrap_or(0);
    for between in [own..next, last..own, 0..last] {
        let files: Vec<Region> =
            candidates.iter().filter(|region| between.contains(&region.id.inode)).cloned().collect();
        if !files.is_empty() {
            return files;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Memory;

    fn region(inode: u64, name: &str) -> Region {
        let memory = Arc::new(Memory::of_views(Vec::new()));
        let id = FileId { device: (0, 1), inode };
        Region { index: 0, size: 100, name: name.to_owned(), certain: false, id, memory }
    }

    fn order(own: u64, candidates: &[u64], rings: &[u64]) -> Vec<u64> {
        let id = |inode| FileId { device: (0, 1), inode };
        let candidates = candidates.iter().map(|inode| region(*inode, "x")).collect();
        let rings: Vec<FileId> = rings.iter().copied().map(id).collect();
        by_order(id(own), candidates, &rings).iter().map(|region| region.id.inode).collect()
    }

    #[test]
    fn regions_follow_their_rings_or_were_there_before() {
        // Two links of two files each, then three.
        assert_eq!(order(10, &[13, 11], &[10, 12]), [11]);
        assert_eq!(order(12, &[13, 11], &[10, 12]), [13]);
        assert_eq!(order(10, &[13, 12, 11], &[10]), [11, 12, 13]);
        // Memory that was made just before its rings.
        assert_eq!(order(12, &[9, 11], &[10, 12]), [11]);
        // Pools that all links share.
        assert_eq!(order(12, &[3, 2], &[10, 12]), [2, 3]);
        assert_eq!(order(12, &[], &[12]), [0; 0]);
    }

    #[test]
    fn names_tell_numbers() {
        for (name, expected) in [
            ("/memfd:memif region 1 (deleted)", Some(1)),
            ("/memfd:memif_region_12 (deleted)", Some(12)),
            ("/memfd:memif region 0 (deleted)", None),
            ("/memfd:memif region (deleted)", None),
            ("/dev/shm/pool1", None),
            ("/memfd:region 99999999 (deleted)", None),
            ("", None),
        ] {
            assert_eq!(number(name), expected, "{name}");
        }
        let files = [region(5, "region 2"), region(6, "other"), region(7, "region 1")];
        let numbered = by_name(&files).unwrap();
        assert_eq!(
            numbered.iter().map(|(index, region)| (*index, region.id.inode)).collect::<Vec<_>>(),
            [(1, 7), (2, 5)]
        );
        assert!(by_name(&[region(5, "region 1"), region(6, "region 1")]).is_none());
    }

    #[test]
    fn what_descriptors_name_must_fit() {
        let at = |region, offset, length| Descriptor { flags: 0, region, length, offset };
        let named = Named::of(&[at(2, 0, 50), at(1, 90, 10), at(1, 10, 20), at(0, 1, 1), at(3, 5, 0), at(300, 1, 1)]);
        assert_eq!(named, Named(vec![(1, 100), (2, 50)]));
        let numbered = |index| Region { index, ..region(1, "") };
        assert!(named.fits(&numbered(1)) && named.fits(&numbered(2)));
        assert!(!Named::of(&[at(1, 90, 11)]).fits(&numbered(1)));
        assert!(!Named::of(&[at(1, u32::MAX, u32::MAX)]).fits(&numbered(1)));
    }
}
