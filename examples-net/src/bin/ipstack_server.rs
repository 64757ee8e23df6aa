//! An HTTP server over tokio without a kernel: TCP by ipstack on a memif in IP mode, at 192.168.1.2. `/100MB` is
//! 100,000,000 bytes.
//!
//! ```sh
//! cargo run --release --manifest-path examples-net/Cargo.toml --bin ipstack_server -- /tmp/memif.sock master
//! ```
//!
//! From the kernel's own programs, as root in another terminal:
//!
//! ```sh
//! memif bridge --mode ip --tap tun0 --socket /tmp/memif.sock &
//! ip address add 192.168.1.1/24 dev tun0
//! curl -o /dev/null http://192.168.1.2/100MB
//! ```

use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;

use examples_net::arguments::{self, Arguments};
use examples_net::{Result, http1};
use ipstack::{IpStack, IpStackConfig, IpStackStream};
use memif::Event;
use memif::tokio::{IpDevice, Link};

#[tokio::main]
async fn main() -> ExitCode {
    arguments::end(run().await)
}

async fn run() -> Result<()> {
    let arguments = Arguments::read("ipstack_server SOCKET master|slave [MTU]", 0, 1)?;
    let mtu = arguments.mtu()?;
    let (control, key) = arguments.open()?;
    let mut events = control.events();
    loop {
        let link = control.connected(key).await?;
        println!("serving http://192.168.1.2/100MB");
        let mut down = pin!(async { while !matches!(events.next().await, Some(Event::Disconnected { .. }) | None) {} });
        tokio::select! {
            Err(end) = serve(link, mtu) => {
                println!("{end}");
                // The event of this link is not to be taken for that of the next one.
                down.await;
            }
            // That it can no more read from its device the stack does not tell.
            () = &mut down => println!("link down"),
        }
    }
}

/// Serves on a link, whose connections end with it.
async fn serve(mut link: Link, mtu: u16) -> Result<()> {
    let (Some(rx), Some(tx)) = (link.rx.pop(), link.tx.pop()) else {
        return Err("the link has no queue in one direction".into());
    };
    let mut config = IpStackConfig::default();
    config.mtu(mtu)?;
    let mut stack = IpStack::new(config, IpDevice::new(rx, tx));
    let own: SocketAddr = ([192, 168, 1, 2], 80).into();
    loop {
        match stack.accept().await? {
            // A stack like this one takes connections to every address. The peer's peer is the server.
            IpStackStream::Tcp(connection) if connection.peer_addr() == own => {
                tokio::spawn(async move {
                    if let Err(error) = http1::serve(connection).await {
                        println!("connection: {error}");
                    }
                });
            }
            _ => {}
        }
    }
}
