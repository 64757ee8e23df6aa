//! What a peer that left had published before.

use super::{Pair, packet};
use crate::config::RxMode;
use crate::error::{Breach, RecvError, SendError};
use crate::link::Connected;
use crate::queue::RxQueue;
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT};

const S2M: usize = 0;
const M2S: usize = 1;

fn direction(pair: &mut Pair, ring: usize) -> (&mut Connected, &mut Connected) {
    match ring {
        S2M => (&mut pair.slave, &mut pair.master),
        _ => (&mut pair.master, &mut pair.slave),
    }
}

fn sent() -> [Vec<u8>; 3] {
    [packet(1, 60), packet(2, 250), packet(3, 60)]
}

/// Three packets, one of them a chain, that way; then the receiver's driver sees that the sender has left.
fn left(ring: usize) -> Pair {
    let mut pair = Pair::sized(8, 100);
    let (from, to) = direction(&mut pair, ring);
    for bytes in sent() {
        from.tx[0].send(&bytes).unwrap();
    }
    to.handle.leave();
    pair
}

fn receive(rx: &mut RxQueue, max: usize) -> Result<Vec<Vec<u8>>, RecvError> {
    let mut batch = rx.recv(max)?;
    Ok((&mut batch).into_iter().map(|packet| packet.to_vec()).collect())
}

#[test]
fn it_is_received_first() {
    for ring in [S2M, M2S] {
        for mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
            let mut pair = left(ring);
            let (_, to) = direction(&mut pair, ring);
            let rx = &mut to.rx[0];
            rx.set_mode(mode);
            assert!(!rx.is_connected());
            assert_eq!(rx.wait(None), Ok(true));
            assert_eq!(receive(rx, 2).unwrap(), sent()[..2]);
            // What is not taken is not lost.
            drop(rx.recv(8).unwrap());
            assert_eq!(rx.wait(None), Ok(true));
            assert_eq!(receive(rx, 8).unwrap(), sent()[2..]);
            assert_eq!(receive(rx, 8), Err(RecvError::Disconnected));
            assert_eq!(rx.wait(None), Err(RecvError::Disconnected));
            assert_eq!(rx.counters().packets, 3);
            assert_eq!(to.tx[0].send(&[1]), Err(SendError::Disconnected));
        }
    }
}

#[test]
fn one_look_at_the_cursor_says_how_much_it_is() {
    for ring in [S2M, M2S] {
        let mut pair = left(ring);
        assert_eq!(receive(&mut direction(&mut pair, ring).1.rx[0], 1).unwrap().len(), 1);
        // Whoever has the memory yet goes on.
        for _ in 0..20 {
            match ring {
                S2M => pair.rings[ring].store_head(pair.rings[ring].load_head().wrapping_add(1)),
                _ => pair.rings[ring].store_tail(pair.rings[ring].load_tail().wrapping_add(1)),
            }
            let rx = &mut direction(&mut pair, ring).1.rx[0];
            if receive(rx, 1) == Err(RecvError::Disconnected) {
                break;
            }
        }
        assert_eq!(direction(&mut pair, ring).1.rx[0].counters().packets, 3);
    }
}

#[test]
fn a_cursor_out_of_range_leaves_nothing() {
    for ring in [S2M, M2S] {
        let mut pair = left(ring);
        match ring {
            S2M => pair.rings[ring].store_head(40_000),
            _ => pair.rings[ring].store_tail(40_000),
        }
        let rx = &mut direction(&mut pair, ring).1.rx[0];
        assert_eq!(rx.wait(None), Err(RecvError::Disconnected));
        assert_eq!(receive(rx, 8), Err(RecvError::Disconnected));
        assert_eq!(rx.counters().resyncs, 0);
    }
}

#[test]
fn bad_packets_and_a_chain_without_an_end_are_no_leftovers() {
    for ring in [S2M, M2S] {
        let mut pair = left(ring);
        let head = |flags, length| DescriptorHead { flags, region: 0, length }.to_word();
        pair.rings[ring].store_word(0, 0, head(0, 0));
        pair.rings[ring].store_word(4, 0, head(FLAG_NEXT, 10));
        let rx = &mut direction(&mut pair, ring).1.rx[0];
        assert_eq!(receive(rx, 8).unwrap(), sent()[1..2]);
        for _ in 0..2 {
            assert_eq!(receive(rx, 8), Err(RecvError::Disconnected));
            assert_eq!(rx.wait(None), Err(RecvError::Disconnected));
        }
        assert_eq!(rx.counters().dropped, 1);
    }
}

#[test]
fn nothing_is_left_of_a_link_that_ended_otherwise() {
    for ring in [S2M, M2S] {
        let mut pair = left(ring);
        let (_, to) = direction(&mut pair, ring);
        assert_eq!(receive(&mut to.rx[0], 1).unwrap().len(), 1);
        // A breach that another queue found.
        to.handle.shut();
        assert_eq!(receive(&mut to.rx[0], 8), Err(RecvError::Disconnected));
        assert_eq!(to.rx[0].wait(None), Err(RecvError::Disconnected));
    }
}

#[test]
fn a_breach_among_the_leftovers_ends_them() {
    let mut pair = left(M2S);
    let word = DescriptorHead { flags: 0, region: 0, length: 101 }.to_word();
    pair.rings[M2S].store_word(4, 0, word);
    let rx = &mut pair.slave.rx[0];
    assert_eq!(receive(rx, 2).unwrap().len(), 2);
    let result = receive(rx, 8);
    assert!(matches!(result, Err(RecvError::Breach(Breach::OverCapacity { slot: 4, .. }))));
    assert_eq!(receive(rx, 8), Err(RecvError::Disconnected));
}

#[test]
fn a_wait_for_several_queues_tells_of_leftovers_on_any() {
    let mut pair = left(S2M);
    let mut other = Pair::sized(8, 100);
    let (one, two) = (pair.master.rx.remove(0), other.master.rx.remove(0));
    let mut queues = [two, one];
    assert_eq!(RxQueue::wait_any(&mut queues, None), Ok(Some(1)));
    assert!(receive(&mut queues[0], 8).unwrap().is_empty());
    assert_eq!(receive(&mut queues[1], 8).unwrap(), sent());
    assert_eq!(RxQueue::wait_any(&mut queues, None), Err(RecvError::Disconnected));
}
