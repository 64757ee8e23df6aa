//! Sends packets from a slave to a master in the same process, and checks what arrives.
//!
//! `cargo run --example send_receive`

use std::time::Duration;

use memif::{InterfaceConfig, Socket};

const PACKETS: u32 = 1000;

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    // An abstract name needs no file and no permissions. One socket may hold both ends of a link.
    let name = format!("@memif-example-send-receive-{}", std::process::id());
    let mut socket = Socket::builder(&name).open()?;
    let master = socket.add_interface(InterfaceConfig::master(0))?;
    let slave = socket.add_interface(InterfaceConfig::slave(0))?;
    let mut receiving = socket.wait_connected(master, Duration::from_secs(5))?;
    let mut sending = socket.wait_connected(slave, Duration::from_secs(5))?;
    println!("connected to {} as {}", sending.peer.app_name, sending.peer.interface_name);

    let (Some(tx), Some(rx)) = (sending.tx.first_mut(), receiving.rx.first_mut()) else {
        return Err("the link has no queue from the slave to the master".into());
    };
    let (mut sent, mut received) = (0u32, 0u32);
    while received < PACKETS {
        // A batch is published as a whole by `commit`, with one store to shared memory.
        let mut batch = tx.reserve()?;
        while sent < PACKETS && batch.len() < 64 {
            let mut packet = vec![0; 60 + sent as usize % 4000]; // longer than a buffer: a chain
            packet[..4].copy_from_slice(&sent.to_be_bytes());
            match batch.push(&packet) {
                Ok(()) => sent += 1,
                Err(memif::SendError::Full) => break, // the rest goes with a later batch
                Err(error) => return Err(error.into()),
            }
        }
        batch.commit();

        // What is taken from a batch goes back to the sender when the batch is dropped.
        for packet in &mut rx.recv(64)? {
            let mut number = [0; 4];
            packet.copy_to(&mut number);
            assert_eq!(u32::from_be_bytes(number), received);
            assert_eq!(packet.len(), 60 + received as usize % 4000);
            received += 1;
        }
    }
    println!("sent {} packets, received {}", tx.counters().packets, rx.counters().packets);
    Ok(())
}
