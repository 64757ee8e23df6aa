//! Looking changes nothing.

use memif_watch::{Link, ReadError};
use testkit::{Descriptor, FileKind, Ring, SharedFile};

use super::scanned;

const SIZE: u64 = 8 << 20;

/// A link whose rings are written and whose buffers are holes.
fn with_holes() -> SharedFile {
    let file = SharedFile::create(FileKind::Sealed, SIZE);
    let stride = testkit::ring::ring_bytes(8);
    for k in 0..2 {
        let ring = Ring::new(&file, k * stride, 8);
        ring.initialise();
        ring.set_head(200);
        for slot in 0..ring.size() {
            let offset = (2 * stride + u64::from(slot) * 16_384).try_into().unwrap();
            ring.set_descriptor(slot, Descriptor { flags: 0, region: 0, length: 2048, offset, metadata: 0 });
        }
    }
    file
}

/// Reads all that there is.
fn read_all(link: &Link) -> Result<usize, ReadError> {
    let mut bytes = Vec::new();
    for ring in link.rings() {
        link.cursors(ring)?;
        let mut descriptors = Vec::new();
        link.descriptors(ring, 0, ring.size, &mut descriptors)?;
        for descriptor in descriptors {
            link.buffer(descriptor.region, descriptor.offset, descriptor.length, &mut bytes)?;
        }
    }
    Ok(bytes.len())
}

pub(super) fn nothing_changes() {
    let file = with_holes();
    let all = || file.read_file(0, usize::try_from(SIZE).unwrap());
    let (before, pages) = (all(), file.allocated());
    assert!(pages < 100_000, "holes have {pages} bytes");
    let link = scanned(&file);
    assert_eq!(read_all(&link).unwrap(), 2 * 256 * 2048);
    assert_eq!(scanned(&file).rings(), link.rings());
    assert_eq!(link.still_there(), [std::process::id()]);
    assert_eq!(file.allocated(), pages);
    assert!(all() == before, "a byte changed");
}
