//! Which files hold the regions of a link beyond region 0.
//!
//! Their numbers stand in descriptors, and which file has which number stood in messages that are long gone. A file that
//! every process of the link has mapped may be one. They are numbered in the order in which a slave makes them: those
//! between its rings and the rings of the next link, or else what was there before: buffers that all its links share.

use crate::link::{Link, Region};
use crate::ring::Descriptor;

/// Regions that a link may have, beyond region 0.
const MOST: u16 = 255;
/// Descriptors of each ring that are looked at.
const SAMPLE: u16 = 64;

/// The descriptors that hold something now: between the cursors of each ring.
fn sample(link: &Link) -> Vec<Descriptor> {
    let mut sample = Vec::new();
    for ring in &link.rings {
        let Ok(cursors) = link.cursors(ring) else { continue };
        // What is behind the tail is old, and of a slave that fills its rings at the beginning as good.
        let from = cursors.tail.wrapping_sub(SAMPLE / 2);
        let _ = link.descriptors(ring, from, SAMPLE, &mut sample);
    }
    sample
}

/// The highest number of a region that descriptors name; 0 if they name none but region 0.
pub(crate) fn highest_named(link: &Link) -> u16 {
    let named = sample(link).into_iter().filter(|descriptor| descriptor.length > 0);
    named.map(|descriptor| descriptor.region).filter(|region| *region <= MOST).max().unwrap_or_default()
}

/// Adds the regions 1 to `highest` to a link, of those files.
pub(crate) fn number(link: &mut Link, mut candidates: Vec<Region>, highest: u16) {
    candidates.sort_by_key(|region| region.id);
    let alone = candidates.len() == 1;
    let own = link.id.0;
    let (mut before, after): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|region| region.id < own);
    let mut files = after;
    if files.is_empty() {
        files = std::mem::take(&mut before);
    }
    for (index, file) in (1..=highest).zip(files) {
        link.regions.push(Region { index, certain: alone, ..file });
    }
}
