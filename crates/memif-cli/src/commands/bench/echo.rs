//! The end that sends every packet back.

use std::hint::spin_loop;
use std::thread;

use memif::{ForwardError, Link, RxMode, RxQueue, SendError, TxBatch, TxQueue};

use super::generator::PATIENCE;
use super::until::{LOOK, Until};

/// Sends back until the link goes down or it should end. Says how many packets went back, and so far to whoever asks.
pub(crate) fn run(link: &mut Link, burst: usize, mode: RxMode, until: &Until, so_far: fn(u64)) -> u64 {
    let mut packets = 0;
    let mut idle = 0_u32;
    loop {
        if until.takes_figures() {
            so_far(packets);
        }
        let mut got = false;
        for (at, rx) in link.rx.iter_mut().enumerate() {
            let queues = link.tx.len().max(1);
            let Some(tx) = link.tx.get_mut(at % queues) else { return packets };
            match forward(rx, tx, burst, until) {
                Some(sent) => {
                    got |= sent > 0;
                    packets += sent as u64;
                }
                None => return packets,
            }
        }
        if got {
            idle = 0;
            continue;
        }
        idle = idle.wrapping_add(1);
        if mode != RxMode::Polling {
            if RxQueue::wait_any(&mut link.rx, Some(LOOK)).is_err() || until.is_over() {
                return packets;
            }
        } else if idle.is_multiple_of(PATIENCE) {
            if until.is_over() {
                return packets;
            }
            thread::yield_now();
        }
    }
}

/// Sends a batch back; `None` when the link is down, or it should end.
pub(crate) fn forward(rx: &mut RxQueue, tx: &mut TxQueue, burst: usize, until: &Until) -> Option<usize> {
    let mut batch = rx.recv(burst).ok()?;
    if batch.is_empty() {
        return Some(0);
    }
    let mut out = tx.reserve().ok()?;
    let mut sent = 0;
    for mut packet in &mut batch {
        let mut waits = 0_u32;
        loop {
            match out.forward(packet) {
                Ok(()) => break,
                Err(ForwardError { error: SendError::Full, packet: back }) => {
                    packet = back;
                    sent += TxBatch::commit(out);
                    waits = waits.wrapping_add(1);
                    spin_loop();
                    if waits.is_multiple_of(PATIENCE) {
                        if until.is_over() {
                            return None;
                        }
                        thread::yield_now();
                    }
                    out = tx.reserve().ok()?;
                }
                // Too long for a ring of the other direction: it does not come back, and is missed there.
                Err(_) => break,
            }
        }
    }
    Some(sent + out.commit())
}
