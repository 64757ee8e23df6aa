//! One-way throughput: one thread sends as fast as it can, another receives and verifies.

use std::thread;
use std::time::{Duration, Instant};

use etherparse::EtherType;
use memif::{RxQueue, SendError, TxQueue};
use serde::Serialize;

use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::json::milliseconds;
use crate::packet::{Mac, frame};

/// Bytes of each packet.
pub(crate) const PACKET: usize = 64;
/// Where the number of a packet stands in it.
const NUMBER: std::ops::Range<usize> = frame::ETHERNET_HEADER..frame::ETHERNET_HEADER + 8;
/// Packets that are handed over in one go.
const BURST: usize = 64;
/// Bursts between two looks at the clock.
const ROUNDS: u64 = 16;
/// Fruitless looks at a ring before the other thread gets this CPU, in case there is only one.
const PATIENCE: u32 = 1000;
/// An ether type that is free for experiments (IEEE 802).
const EXPERIMENT: EtherType = EtherType(0x88b5);

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figure {
    /// Packets sent.
    pub(crate) sent: u64,
    /// Packets received in order and with the bytes that were sent.
    pub(crate) received: u64,
    /// From the first packet sent to the last received.
    pub(crate) time: Duration,
}

/// What was measured, for programs.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "throughput")]
pub(crate) struct FigureReport {
    packet_bytes: usize,
    sent_packets: u64,
    /// Received in order and with the bytes that were sent.
    received_packets: u64,
    duration_ms: f64,
    packets_per_second: f64,
    bits_per_second: f64,
}

impl Figure {
    /// For programs.
    pub(crate) fn report(&self) -> FigureReport {
        let (packets_per_second, bits_per_second) = self.rates();
        FigureReport {
            packet_bytes: PACKET,
            sent_packets: self.sent,
            received_packets: self.received,
            duration_ms: milliseconds(self.time),
            packets_per_second,
            bits_per_second,
        }
    }

    /// Packets and bits per second.
    fn rates(&self) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a count of more than 2^52 takes centuries")]
        let rate = self.received as f64 / self.time.as_secs_f64().max(f64::MIN_POSITIVE);
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let bits = rate * (8 * PACKET) as f64;
        (rate, bits)
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rate, bits) = self.rates();
        let lost = match self.sent.saturating_sub(self.received) {
            0 => "none lost".to_owned(),
            lost => format!("{lost} lost or changed"),
        };
        write!(
            f,
            "{:.2} Mpps, {:.2} Gb/s ({} packets of {PACKET} bytes in {:.2} s, {lost})",
            rate / 1e6,
            bits / 1e9,
            self.sent,
            self.time.as_secs_f64(),
        )
    }
}

/// Sends from `tx` to `rx`, the two ends of one link, for that time or until a signal comes.
pub(crate) fn measure(mut tx: TxQueue, rx: &mut RxQueue, duration: Duration, stop: &Stop) -> Result<Figure, Error> {
    let stop = stop.clone();
    let start = Instant::now();
    let sender = thread::Builder::new()
        .name("sender".to_owned())
        .spawn(move || send(&mut tx, start + duration, &stop))
        .map_err(|source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limit of processes (ulimit -u)",
            source,
        })?;

    let mut figure = Figure::default();
    let mut next = 0;
    let mut scratch = [0; PACKET + 1];
    let mut idle = 0_u32;
    let mut all_sent = false;
    while let Ok(mut batch) = rx.recv(4 * BURST) {
        if batch.is_empty() {
            if all_sent {
                break;
            }
            // What was sent before the sender ended is on the ring: one more look after that.
            all_sent = sender.is_finished();
            idle = idle.wrapping_add(1);
            if idle.is_multiple_of(PATIENCE) {
                thread::yield_now();
            }
            continue;
        }
        idle = 0;
        for packet in &mut batch {
            let len = packet.copy_to(&mut scratch);
            let number = number(&scratch[..len]);
            if number == Some(next) {
                figure.received += 1;
            }
            next = number.unwrap_or(next).wrapping_add(1);
        }
    }
    figure.time = start.elapsed();
    // A panic of the thread was reported by itself.
    figure.sent = sender.join().unwrap_or_default();
    Ok(figure)
}

fn send(tx: &mut TxQueue, until: Instant, stop: &Stop) -> u64 {
    let mut packet = [0; PACKET];
    packet[..frame::ETHERNET_HEADER].copy_from_slice(&frame::header(
        Mac::BROADCAST,
        Mac([2, 0, 0, 0, 0, 1]),
        EXPERIMENT,
    ));
    let mut sent = 0_u64;
    let mut idle = 0_u32;
    for round in 0_u64.. {
        // The clock costs as much as several packets.
        if round.is_multiple_of(ROUNDS) && (Instant::now() >= until || stop.is_requested()) {
            break;
        }
        let Ok(mut batch) = tx.reserve() else { break };
        let mut pushed = 0;
        while pushed < BURST {
            packet[NUMBER].copy_from_slice(&(sent + pushed as u64).to_be_bytes());
            match batch.push(&packet) {
                Ok(()) => pushed += 1,
                Err(SendError::Full) => break,
                Err(_) => return sent,
            }
        }
        batch.commit();
        sent += pushed as u64;
        if pushed > 0 {
            idle = 0;
            continue;
        }
        idle = idle.wrapping_add(1);
        std::hint::spin_loop();
        if idle.is_multiple_of(PATIENCE) {
            thread::yield_now();
        }
    }
    sent
}

/// The number of a packet, `None` when it is none of ours.
fn number(packet: &[u8]) -> Option<u64> {
    let header = frame::parse(packet)?;
    if packet.len() != PACKET || header.ether_type != EXPERIMENT {
        return None;
    }
    packet.get(NUMBER)?.try_into().ok().map(u64::from_be_bytes)
}
