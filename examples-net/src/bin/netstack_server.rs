//! An HTTP server over tokio without a kernel: TCP by netstack-smoltcp on a memif in IP mode, at 192.168.1.2. `/100MB`
//! is 100,000,000 bytes.
//!
//! ```sh
//! cargo run --release --manifest-path examples-net/Cargo.toml --bin netstack_server -- /tmp/memif.sock master
//! ```
//!
//! From the kernel's own programs, as root in another terminal:
//!
//! ```sh
//! memif bridge --mode ip --tap tun0 --socket /tmp/memif.sock &
//! ip address add 192.168.1.1/24 dev tun0
//! curl -o /dev/null http://192.168.1.2/100MB
//! ```

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use examples_net::arguments::{self, Arguments};
use examples_net::{Result, http1};
use futures_util::{SinkExt, StreamExt};
use memif::tokio::Link;
use netstack_smoltcp::StackBuilder;

#[tokio::main]
async fn main() -> ExitCode {
    arguments::end(run().await)
}

async fn run() -> Result<()> {
    let arguments = Arguments::read("netstack_server SOCKET master|slave [MTU]", 0, 1)?;
    let mtu = arguments.mtu()?.into();
    let (control, key) = arguments.open()?;
    loop {
        let link = control.connected(key).await?;
        println!("serving http://192.168.1.2/100MB");
        if let Err(end) = serve(link, mtu).await {
            println!("{end}");
        }
    }
}

/// Serves until the link is down. Connections end with it.
async fn serve(mut link: Link, mtu: usize) -> io::Result<()> {
    let (Some(rx), Some(tx)) = (link.rx.pop(), link.tx.pop()) else {
        return Err(io::Error::other("the link has no queue in one direction"));
    };
    let (stack, runner, _udp, listener) =
        StackBuilder::default().enable_tcp(true).enable_icmp(true).mtu(mtu).build()?;
    let (Some(runner), Some(mut listener)) = (runner, listener) else {
        return Err(io::Error::other("a stack without TCP"));
    };
    let (mut to_stack, from_stack) = stack.split();
    let packets = async {
        let mut packets = rx.into_stream();
        while let Some(packet) = packets.next().await {
            match to_stack.send(packet?).await {
                // What is no packet of IP it refuses. `forward` would end with that, and the link of all others.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                sent => sent?,
            }
        }
        Ok(())
    };
    let own: SocketAddr = ([192, 168, 1, 2], 80).into();
    let connections = async {
        while let Some((connection, _client, server)) = listener.next().await {
            // A stack like this one takes connections to every address.
            if server == own {
                tokio::spawn(async move {
                    if let Err(error) = http1::serve(connection).await {
                        println!("connection: {error}");
                    }
                });
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = packets => ended,
        ended = from_stack.forward(tx.into_sink()) => ended,
        ended = runner => ended,
        ended = connections => ended,
    }
}
