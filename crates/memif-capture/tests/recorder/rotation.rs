//! Many files in a row.

use std::fs;
use std::time::Duration;

use memif_capture::write::{Rotation, Target};

use super::{BEGIN, Directory, blocks_of, limits, packet, packets_of, put, record};

/// Records so many packets of 100 bytes, one each second, and gives the numbers of the packets in each file.
fn recorded(rotation: Rotation, packets: u64) -> (Directory, Vec<Vec<u64>>) {
    let directory = Directory::new();
    let target = Target::Path(directory.0.join("a.pcapng"));
    let (recorder, writer, first) = record(target, rotation, limits(200), |_| {});
    for number in 0..packets {
        put(&recorder, first, BEGIN + number * 1_000_000_000, &packet(number, 100));
    }
    let (summary, finished) = writer.finish(Duration::from_secs(60));
    finished.unwrap();
    assert_eq!((summary.written, summary.counts.missed), (packets, 0));
    let number = |data: &[u8]| u64::from_le_bytes(data[..8].try_into().unwrap());
    let of_file = |path| {
        let bytes = fs::read(path).unwrap();
        let blocks = blocks_of(&bytes);
        assert_eq!(blocks.iter().filter(|block| block.kind == 0x0a0d_0d0a).count(), 1, "a file has one section");
        assert_eq!(blocks.last().unwrap().kind, 5, "every file has statistics at its end");
        packets_of(&bytes).iter().map(|block| number(block.data())).collect()
    };
    let files = directory.files().into_iter().map(of_file).collect();
    (directory, files)
}

pub(crate) fn by_size() {
    // The head of the test's files is 65 kB long.
    let most = 90_000;
    let (directory, files) = recorded(Rotation { bytes: Some(most), ..Rotation::default() }, 1000);
    assert!(files.len() > 5, "{} files", files.len());
    assert_eq!(files.concat(), (0..1000).collect::<Vec<_>>());
    for path in directory.files() {
        let length = fs::metadata(&path).unwrap().len();
        assert!(length <= most, "{path:?} has {length} bytes");
    }
    // A file that is full when it begins has a packet all the same.
    let (_, files) = recorded(Rotation { bytes: Some(1), ..Rotation::default() }, 20);
    assert_eq!(files, (0..20).map(|number| vec![number]).collect::<Vec<_>>());
}

pub(crate) fn by_time() {
    let rotation = Rotation { time: Some(Duration::from_secs(10)), ..Rotation::default() };
    let (directory, files) = recorded(rotation, 35);
    let wanted: Vec<Vec<u64>> = [0..10, 10..20, 20..30, 30..35].into_iter().map(Iterator::collect).collect();
    assert_eq!(files, wanted);
    let names: Vec<_> = directory.files().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names[0], "a_00001_20260101T000000Z.pcapng");
    assert_eq!(names[3], "a_00004_20260101T000030Z.pcapng");
}

pub(crate) fn oldest_go() {
    let rotation = Rotation { time: Some(Duration::from_secs(10)), files: Some(2), ..Rotation::default() };
    let (_directory, files) = recorded(rotation, 55);
    assert_eq!(files, [(40..50).collect::<Vec<_>>(), (50..55).collect()]);
}
