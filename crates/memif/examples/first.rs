//! The program of the README: one packet there, and what comes back.
//!
//! `cargo run --example echo -- /run/vpp/memif.sock master` in another terminal, then `cargo run --example first`

use std::time::Duration;

use memif::{InterfaceConfig, Socket};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = Socket::builder("/run/vpp/memif.sock".parse()?).open()?;
    let interface = socket.add_interface(InterfaceConfig::slave(0))?;
    let mut link = socket.wait_connected(interface, Duration::from_secs(10))?;

    link.tx[0].send(&[0; 60])?;
    link.rx[0].wait(Some(Duration::from_secs(10)))?;
    for packet in &mut link.rx[0].recv(64)? {
        println!("{} bytes", packet.len());
    }
    Ok(())
}
