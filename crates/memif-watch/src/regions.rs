//! Which files hold the regions of a link beyond region 0.
//!
//! Their numbers stand in descriptors, and which file has which number stood in messages that are long gone. A file
//! that every process of the link has mapped may be one. Where its name does not tell, files are numbered in the order
//! in which they were made: those between the rings of this link and of the next one; or else those between the rings
//! of the link before and this one's; or else what was there before all: buffers that all links share.

use crate::link::Link;
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

    /// Whether all that they name in that region lies within so many bytes.
    pub(crate) fn fits(&self, region: u16, size: u64) -> bool {
        self.0.iter().all(|(index, end)| *index != region || *end <= size)
    }
}

/// A file that may hold a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: FileId,
    /// The number of a region, if its name ends with one.
    named: Option<u16>,
}

impl Candidate {
    pub(crate) fn new(id: FileId, name: &[u8]) -> Self {
        Self { id, named: number(name) }
    }
}

/// A file for each region beyond region 0 of the link whose rings lie in `own`, of the files that all its processes
/// share, none of them opened yet; `rings` are the files of all links between the same processes.
pub(crate) fn choose(own: FileId, candidates: &[Candidate], rings: &[FileId], named: &Named) -> Vec<(u16, FileId)> {
    let highest = named.0.last().map_or(0, |(index, _)| *index);
    let numbered = match by_name(candidates) {
        Some(numbered) => numbered,
        None => (1..=highest).zip(by_order(own, candidates, rings)).collect(),
    };
    numbered.into_iter().filter(|(index, _)| *index <= highest).collect()
}

/// Whether it is certain that these regions are the right ones.
pub(crate) fn is_certain(candidates: &[Candidate], named: &Named) -> bool {
    candidates.len() == 1 && matches!(named.0.last(), Some((1, _)))
}

/// The files that are named by the numbers of regions, where no number comes twice.
fn by_name(candidates: &[Candidate]) -> Option<Vec<(u16, FileId)>> {
    let mut numbered: Vec<(u16, FileId)> =
        candidates.iter().filter_map(|candidate| Some((candidate.named?, candidate.id))).collect();
    numbered.sort_by_key(|(index, _)| *index);
    let twice = numbered.windows(2).any(|pair| matches!(pair, [(first, _), (second, _)] if first == second));
    (!numbered.is_empty() && !twice).then_some(numbered)
}

/// The number at the end of a name such as `/memfd:memif region 1 (deleted)`.
fn number(name: &[u8]) -> Option<u16> {
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    let digits = name.iter().rev().take_while(|letter| letter.is_ascii_digit()).count();
    let (front, number) = name.split_at_checked(name.len().checked_sub(digits)?)?;
    let is_region = front.ends_with(b"region ") || front.ends_with(b"region_");
    let number = str::from_utf8(number).ok()?.parse().ok()?;
    (is_region && number > 0).then_some(number)
}

/// The files in the order of their numbers.
fn by_order(own: FileId, candidates: &[Candidate], rings: &[FileId]) -> Vec<FileId> {
    let own = own.inode;
    let others = || rings.iter().map(|other| other.inode);
    let next = others().filter(|other| *other > own).min().unwrap_or(u64::MAX);
    let last = others().filter(|other| *other < own).max().unwrap_or(0);
    for between in [own..next, last..own, 0..last] {
        let files = candidates.iter().map(|candidate| candidate.id).filter(|id| between.contains(&id.inode));
        let mut files: Vec<FileId> = files.collect();
        if !files.is_empty() {
            // The kernel counts up all files in memory, whichever file system of its own they are in.
            files.sort_unstable_by_key(|id| id.inode);
            return files;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(inode: u64) -> FileId {
        FileId { device: (0, 1), inode }
    }

    fn file(inode: u64, name: &str) -> Candidate {
        Candidate::new(id(inode), name.as_bytes())
    }

    fn order(own: u64, candidates: &[u64], rings: &[u64]) -> Vec<u64> {
        let candidates: Vec<Candidate> = candidates.iter().map(|inode| file(*inode, "x")).collect();
        let rings: Vec<FileId> = rings.iter().copied().map(id).collect();
        by_order(id(own), &candidates, &rings).iter().map(|file| file.inode).collect()
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
            assert_eq!(number(name.as_bytes()), expected, "{name}");
        }
        let files = [file(5, "region 2"), file(6, "other"), file(7, "region 1")];
        assert_eq!(by_name(&files).unwrap(), [(1, id(7)), (2, id(5))]);
        assert!(by_name(&[file(5, "region 1"), file(6, "region 1")]).is_none());
    }

    #[test]
    fn what_descriptors_name_must_fit() {
        let at = |region, offset, length| Descriptor { flags: 0, region, length, offset };
        let named = Named::of(&[at(2, 0, 50), at(1, 90, 10), at(1, 10, 20), at(0, 1, 1), at(3, 5, 0), at(300, 1, 1)]);
        assert_eq!(named, Named(vec![(1, 100), (2, 50)]));
        assert!(named.fits(1, 100) && named.fits(2, 100));
        assert!(!Named::of(&[at(1, 90, 11)]).fits(1, 100));
        assert!(!Named::of(&[at(1, u32::MAX, u32::MAX)]).fits(1, 100));
        // However many files there are, no more are opened than descriptors name.
        let files: Vec<Candidate> = (20..3000).map(|inode| file(inode, "x")).collect();
        assert_eq!(choose(id(10), &files, &[id(10)], &named), [(1, id(20)), (2, id(21))]);
        assert!(is_certain(&files[..1], &Named::of(&[at(1, 0, 1)])));
        assert!(!is_certain(&files[..1], &named) && !is_certain(&files, &Named::of(&[at(1, 0, 1)])));
    }
}
