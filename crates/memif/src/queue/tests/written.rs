//! Packets whose length shows when they are written.

use std::io::{self, Write};

use super::{Pair, packet};
use crate::error::SendError;

fn received(pair: &mut Pair) -> Vec<Vec<u8>> {
    (&mut pair.master.rx[0].recv(64).unwrap()).into_iter().map(|packet| packet.to_vec()).collect()
}

#[test]
fn a_packet_is_as_long_as_what_was_written() {
    // Buffers of 100 bytes: in one, at its end, in several.
    for len in [1, 99, 100, 101, 200, 250, 400] {
        let mut pair = Pair::sized(8, 100);
        let bytes = packet(7, len);
        let mut batch = pair.slave.tx[0].reserve().unwrap();
        batch.push(&packet(6, 60)).unwrap();
        let written = batch.push_written(400, |to| bytes.chunks(33).try_for_each(|part| to.write_all(part)));
        assert_eq!(written.unwrap(), len);
        // What it did not take is there for the next.
        batch.push(&packet(8, 60)).unwrap();
        assert_eq!(batch.commit(), 3);
        assert_eq!(received(&mut pair), [packet(6, 60), bytes, packet(8, 60)], "{len}");
        assert_eq!(pair.slave.tx[0].counters().bytes, 120 + len as u64);
    }
}

#[test]
fn what_was_not_written_whole_is_no_packet() {
    let mut pair = Pair::sized(8, 100);
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    let too_much = batch.push_written(150, |to| to.write_all(&packet(1, 151))).unwrap_err();
    assert_eq!(too_much.kind(), io::ErrorKind::WriteZero);
    let own = batch.push_written(150, |_| Err(io::Error::other("no"))).unwrap_err();
    assert_eq!(own.to_string(), "no");
    let empty = batch.push_written(150, |_| Ok(())).unwrap_err();
    assert!(empty.get_ref().is_some_and(|inner| inner.downcast_ref() == Some(&SendError::Empty)), "{empty}");
    let full = batch.push_written(801, |_| panic!("not called")).unwrap_err();
    assert!(matches!(full.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::WouldBlock), "{full}");
    batch.push(&packet(2, 60)).unwrap();
    assert_eq!(batch.commit(), 1);
    assert_eq!(received(&mut pair), [packet(2, 60)]);
}
