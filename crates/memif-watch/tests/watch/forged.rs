//! Memory that lies: of this process alone, which looks at it as at any other.

use memif_watch::ReadError;
use testkit::traffic::Dice;
use testkit::{Descriptor, FileKind, Ring, SharedFile};

use super::found::packed;
use super::{link_of, scanned};

const COOKIE: [u8; 4] = 0x03E3_1F20_u32.to_ne_bytes();

/// Whatever stands there, a scan ends, and what it says can be read or not, by name.
pub(super) fn nonsense() {
    let mut dice = Dice::new(17);
    let files: Vec<SharedFile> = (0..60)
        .map(|round| {
            let size = [4, 100, 128, 4096, 65_860, 200_000][round % 6];
            let file = SharedFile::create(FileKind::Sealed, size);
            match round % 5 {
                // Cookies everywhere, or at random places among random bytes.
                0 => (0..size / 4).for_each(|k| file.write(4 * k, &COOKIE)),
                kind => {
                    if kind > 1 {
                        (0..size / 8).for_each(|k| file.write(8 * k, &dice.roll().to_ne_bytes()));
                    }
                    file.write(0, &COOKIE);
                    for _ in 0..dice.within(0, 200) {
                        let at = 16 * (dice.roll() % (size / 16).max(1));
                        if at + 4 <= size {
                            file.write(at, &COOKIE);
                        }
                    }
                }
            }
            file
        })
        .collect();
    let host = memif_watch::scan().unwrap();
    for file in &files {
        // What has a cookie at its beginning is a link, if one of which nothing can be told.
        let link = link_of(&host, file).unwrap();
        assert!(link.rings().len() <= 510);
        assert_eq!(link.rings().is_empty(), link.problem().is_some(), "{link:?}");
        let mut descriptors = Vec::new();
        for ring in link.rings() {
            assert!(ring.offset + 128 + 16 * u64::from(ring.size) <= file.size());
            let cursors = link.cursors(ring).unwrap();
            link.descriptors(ring, cursors.tail, u16::MAX, &mut descriptors).unwrap();
        }
        let mut bytes = Vec::new();
        for descriptor in descriptors {
            match link.buffer(descriptor.region, descriptor.offset, descriptor.length, &mut bytes) {
                Ok(()) => bytes.clear(),
                Err(ReadError::Short { .. } | ReadError::NoRegion(_) | ReadError::TooLong(_)) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(bytes.is_empty());
        }
    }
}

pub(super) fn cut() {
    let stride = testkit::ring::ring_bytes(4);
    let file = SharedFile::create(FileKind::Sealable, 1 << 20);
    for k in 0..2 {
        Ring::new(&file, k * stride, 4).initialise();
    }
    let link = scanned(&file);
    let [first, second] = [link.rings()[0], link.rings()[1]];
    let mut bytes = Vec::new();
    link.buffer(0, 500_000, 100, &mut bytes).unwrap();
    // From here on nothing touches the mapping.
    file.truncate(stride + 10).unwrap();
    assert!(link.cursors(&first).is_ok());
    assert!(matches!(link.cursors(&second), Err(ReadError::Short { region: 0, .. })));
    let error = link.buffer(0, 500_000, 100, &mut bytes).unwrap_err();
    assert_eq!((error.to_string().as_str(), bytes.len()), ("the memory ends before byte 500100 of region 0", 100));
    file.truncate(0).unwrap();
    assert!(link.cursors(&first).is_err());
    assert!(link.descriptors(&first, 0, 16, &mut Vec::new()).is_err());
    file.truncate(1 << 20).unwrap();
    assert!(matches!(link.cursors(&first), Err(ReadError::NoRing(0))));
    // It is no link any more.
    assert!(link_of(&memif_watch::scan().unwrap(), &file).is_none());
}

pub(super) fn jumps() {
    let (file, rings) = packed(1, 1, 4);
    let link = scanned(&file);
    let [s2m, m2s] = [link.rings()[0], link.rings()[1]];
    for (head, tail) in [(0, 1), (17, 0), (40_000, 0), (0, 40_000)] {
        for (ring, watched) in [(&rings[0], s2m), (&rings[1], m2s)] {
            ring.set_head(head);
            ring.set_tail(tail);
            let cursors = link.cursors(&watched).unwrap();
            assert_eq!((cursors.head, cursors.tail), (head, tail));
            assert_eq!((watched.in_flight(&cursors), watched.room(&cursors)), (None, None));
        }
    }
    rings[0].set_descriptor(3, Descriptor { flags: 0xffff, region: 0xffff, length: 1, offset: 0, metadata: 0 });
    rings[0].set_descriptor(4, Descriptor { flags: 0, region: 0, length: u32::MAX, offset: 1, metadata: 0 });
    rings[0].set_descriptor(5, Descriptor { flags: 0, region: 0, length: 60_000, offset: u32::MAX, metadata: 0 });
    let mut descriptors = Vec::new();
    link.descriptors(&s2m, 3, 3, &mut descriptors).unwrap();
    let mut bytes = Vec::new();
    let mut read = |k: usize| {
        let descriptor = &descriptors[k];
        link.buffer(descriptor.region, descriptor.offset, descriptor.length, &mut bytes)
    };
    assert!(matches!(read(0), Err(ReadError::NoRegion(0xffff))));
    assert!(matches!(read(1), Err(ReadError::TooLong(u32::MAX))));
    assert!(matches!(read(2), Err(ReadError::Short { region: 0, .. })));
}
