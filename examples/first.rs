//! The program of the README: one packet there, and what comes back.
//!
//! `cargo run --example echo -- /run/vpp/memif.sock master` in another terminal, then `cargo run --example first`

use std::time::Duration;

use memif::{InterfaceConfig, Socket};

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = Socket::builder("/run/vpp/memif.sock").open()?;
    let interface = socket.add_interface(InterfaceConfig::slave(0))?;
    let mut link = socket.wait_connected(interface, Duration::from_secs(10))?;

    let (Some(tx), Some(rx)) = (link.tx.first_mut(), link.rx.first_mut()) else {
        return Err("the link has no queue in one direction".into());
    };
    tx.send(&[0; 60])?;
    rx.wait(Some(Duration::from_secs(10)))?;
    for packet in &mut rx.recv(64)? {
        println!("{} bytes", packet.len());
    }
    Ok(())
}
