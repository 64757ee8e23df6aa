//! The traffic that is measured: both ends in one thread, bursts there and nothing back. `paths.c` is the same in C.

use std::hint::black_box;
use std::time::Duration;

use memif::{InterfaceConfig, RecvError, RxMode, RxQueue, SendError, Socket, TxQueue};

use crate::measure::Problem;

/// Packets of a burst. The ring has 1024 slots.
pub(crate) const BURST: u16 = 64;
/// Bytes of a packet.
const SIZE: usize = 64;

/// Sends bursts in that direction and receives each.
pub(crate) fn run(direction: &str, bursts: &str) -> Result<(), Problem> {
    let bursts: u32 = bursts.parse()?;
    let name = format!("@memif-gate-{}", std::process::id());
    let mut socket = Socket::builder(&name).open()?;
    let polling = |config: InterfaceConfig| config.ring_size(1024).rx_mode(RxMode::Polling);
    let master = socket.add_interface(polling(InterfaceConfig::master(0)))?;
    let slave = socket.add_interface(polling(InterfaceConfig::slave(0)))?;
    let mut master = socket.wait_connected(master, Duration::from_secs(30))?;
    let mut slave = socket.wait_connected(slave, Duration::from_secs(30))?;
    let (tx, rx) = match direction {
        "s2m" => (&mut slave.tx[0], &mut master.rx[0]),
        _ => (&mut master.tx[0], &mut slave.rx[0]),
    };
    let (packet, mut bytes) = ([0x5a; SIZE], [0; SIZE]);
    // What the first packets bring, queues make once.
    first_burst(tx, rx, &packet, &mut bytes)?;
    for _ in 0..bursts {
        measured_send(tx, black_box(&packet))?;
        let received = measured_receive(rx, black_box(&mut bytes))?;
        if received != usize::from(BURST) * SIZE || bytes != packet {
            return Err(format!("{received} bytes of a burst were received").into());
        }
    }
    Ok(())
}

#[inline(never)]
fn first_burst(tx: &mut TxQueue, rx: &mut RxQueue, packet: &[u8], bytes: &mut [u8]) -> Result<(), Problem> {
    send(tx, packet)?;
    receive(rx, bytes)?;
    Ok(())
}

#[inline(never)]
fn measured_send(tx: &mut TxQueue, packet: &[u8]) -> Result<(), SendError> {
    send(tx, packet)
}

#[inline(never)]
fn measured_receive(rx: &mut RxQueue, bytes: &mut [u8]) -> Result<usize, RecvError> {
    receive(rx, bytes)
}

#[inline(always)]
fn send(tx: &mut TxQueue, packet: &[u8]) -> Result<(), SendError> {
    let mut batch = tx.reserve()?;
    for _ in 0..BURST {
        batch.push(packet)?;
    }
    batch.commit();
    Ok(())
}

#[inline(always)]
fn receive(rx: &mut RxQueue, bytes: &mut [u8]) -> Result<usize, RecvError> {
    let mut received = 0;
    for packet in &mut rx.recv(usize::from(BURST))? {
        received += packet.copy_to(bytes);
    }
    Ok(received)
}
