//! Sends every packet back, with tokio. Ends with its process: links come and go.
//!
//! ```sh
//! cargo run -p memif --features tokio --example async_echo -- /run/vpp/memif.sock slave
//! ```

use std::error::Error;

use memif::tokio::{RxQueue, TxQueue};
use memif::{InterfaceConfig, Socket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(socket), Some(role)) = (arguments.next(), arguments.next()) else {
        return Err("usage: async_echo SOCKET master|slave".into());
    };
    let config = match role.as_str() {
        "master" => InterfaceConfig::master(0),
        "slave" => InterfaceConfig::slave(0),
        other => return Err(format!("{other} is no role: master or slave").into()),
    };
    let (control, driver) = memif::tokio::drive(Socket::builder(socket).open()?);
    let driver = tokio::spawn(driver);
    let key = control.add_interface(config)?;
    tokio::spawn(async move {
        // Links come and go; the queues of each are new.
        while let Ok(link) = control.connected(key).await {
            println!("link up: {}", link.peer);
            for (rx, tx) in link.rx.into_iter().zip(link.tx) {
                tokio::spawn(async move {
                    if let Err(end) = echo(rx, tx).await {
                        println!("queue ended: {end}");
                    }
                });
            }
        }
    });
    Ok(driver.await??)
}

/// Sends back what comes, batch by batch, until the link is down.
async fn echo(mut rx: RxQueue, mut tx: TxQueue) -> std::io::Result<()> {
    loop {
        let mut packets = rx.recv(64).await?;
        let mut replies = tx.reserve(packets.len()).await?;
        for packet in &mut packets {
            // One that is longer than a buffer takes several slots, and is lost where there are none.
            let _ = replies.forward(packet);
        }
        replies.commit();
    }
}
