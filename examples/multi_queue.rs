//! Four queues each way, every queue in a thread of its own, no lock between them.
//!
//! `cargo run --release --example multi_queue`

use std::time::{Duration, Instant};

use memif::{InterfaceConfig, RxQueue, Socket, TxQueue};

const QUEUES: u8 = 4;
const PACKETS: u64 = 200_000;

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let name = format!("@memif-example-multi-queue-{}", std::process::id());
    let mut socket = Socket::builder(&name).open()?;
    let queues = |config: InterfaceConfig| config.rx_queues(QUEUES).tx_queues(QUEUES);
    let master = socket.add_interface(queues(InterfaceConfig::master(7)))?;
    let slave = socket.add_interface(queues(InterfaceConfig::slave(7)))?;
    let there = socket.wait_connected(master, Duration::from_secs(5))?;
    let here = socket.wait_connected(slave, Duration::from_secs(5))?;

    let start = Instant::now();
    std::thread::scope(|scope| {
        // Queues are `Send`: each is owned by whoever works on it. Transmit queue n of one end is receive
        // queue n of the other.
        let both_ways = here.tx.into_iter().zip(there.rx).chain(there.tx.into_iter().zip(here.rx));
        for (mut tx, mut rx) in both_ways {
            scope.spawn(move || send(&mut tx).expect("link stays up"));
            scope.spawn(move || receive(&mut rx).expect("link stays up"));
        }
        // The control channel needs no thread while links are up; a program that runs longer polls it.
    });
    let packets = 2 * u64::from(QUEUES) * PACKETS;
    let rate = packets as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("{packets} packets through {} queues, {rate:.1} million per second", 2 * QUEUES);
    Ok(())
}

fn send(tx: &mut TxQueue) -> Result<(), memif::SendError> {
    let mut sent = 0;
    while sent < PACKETS {
        let mut batch = tx.reserve()?;
        while sent < PACKETS && batch.len() < 64 {
            // Written in place, without a buffer in between.
            let full = batch.push_with(60, |writer| {
                writer.write_at(0, &sent.to_be_bytes());
            });
            if full.is_err() {
                break;
            }
            sent += 1;
        }
        if batch.commit() == 0 {
            std::thread::yield_now(); // nothing signals a freed slot
        }
    }
    Ok(())
}

fn receive(rx: &mut RxQueue) -> Result<(), memif::RecvError> {
    let mut expected = 0u64;
    while expected < PACKETS {
        rx.wait(None)?;
        for packet in &mut rx.recv(64)? {
            let mut number = [0; 8];
            packet.copy_to(&mut number);
            assert_eq!(u64::from_be_bytes(number), expected);
            expected += 1;
        }
    }
    Ok(())
}
