//! Sends every packet back where it came from, and serves one peer after the other.
//!
//! `cargo run --example echo -- /run/vpp/memif.sock slave 0`, or without arguments to echo to itself once.

use std::time::Duration;

use memif::{Event, InterfaceConfig, Link, RecvError, RxQueue, Socket, TxQueue};

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let Some(address) = args.next() else { return echo_to_itself() };
    let role: memif::Role = args.next().unwrap_or("slave".into()).parse()?;
    let id = args.next().unwrap_or("0".into()).parse()?;

    let mut socket = Socket::builder(&address).open()?;
    socket.add_interface(InterfaceConfig::new(role, id))?;
    println!("{role} on {address}");
    loop {
        match socket.poll(None)? {
            // The queues live in a thread of their own; this loop goes on with the control channel.
            Some(Event::Connected { link, .. }) => {
                println!("connected to {}", link.peer.app_name);
                std::thread::spawn(move || println!("echo ended: {}", echo(link)));
            }
            Some(Event::Disconnected { reason, .. }) => println!("{reason}"),
            Some(Event::ConnectFailed { error, retry_in: Some(wait), .. }) => {
                println!("{error}, next attempt in {} ms", wait.as_millis());
            }
            Some(Event::ConnectFailed { error, .. }) => println!("{error}, not tried again"),
            Some(Event::Refused { reason, .. }) => println!("refused a slave: {reason}"),
            Some(Event::Left { reason, .. }) => println!("a slave left without a link: {reason}"),
            _ => {}
        }
    }
}

/// Echoes until the link is down.
fn echo(mut link: Link) -> RecvError {
    loop {
        // Adaptive by default: looks at the rings for a while, then sleeps until the peer signals.
        if let Err(error) = RxQueue::wait_any(&mut link.rx, None) {
            return error;
        }
        // How many queues there are is the peer's to say: one each way unless the configuration allows more, and of
        // another number one way than the other then. What comes by one goes back by one of them.
        let queues = link.tx.len().max(1);
        for (number, rx) in link.rx.iter_mut().enumerate() {
            let mut packets = match rx.recv(64) {
                Ok(packets) => packets,
                Err(error) => return error,
            };
            let Some(Ok(mut replies)) = link.tx.get_mut(number % queues).map(TxQueue::reserve) else {
                continue;
            };
            for packet in &mut packets {
                // As slave the buffers change places and nothing is copied. A full ring drops the packet here.
                let _ = replies.forward(packet);
            }
            replies.commit();
        }
    }
}

fn echo_to_itself() -> Result<(), Box<dyn std::error::Error>> {
    let name = format!("@memif-example-echo-{}", std::process::id());
    let mut socket = Socket::builder(&name).open()?;
    let master = socket.add_interface(InterfaceConfig::master(0))?;
    let slave = socket.add_interface(InterfaceConfig::slave(0))?;
    let mut asking = socket.wait_connected(master, Duration::from_secs(5))?;
    let answering = socket.wait_connected(slave, Duration::from_secs(5))?;
    let echoing = std::thread::spawn(move || echo(answering));
    let (Some(tx), Some(rx)) = (asking.tx.first_mut(), asking.rx.first_mut()) else {
        return Err("the link has no queue in one direction".into());
    };
    for number in 0..1000u32 {
        tx.send_wait(&number.to_be_bytes())?;
        assert!(rx.wait(Some(Duration::from_secs(5)))?, "no reply in time");
        let mut reply = [0; 4];
        assert_eq!(rx.recv_into(&mut reply)?, Some(4));
        assert_eq!(reply, number.to_be_bytes());
    }
    drop(socket); // ends both links
    println!("1000 packets came back; echo ended: {}", echoing.join().map_err(|_| "echo panicked")?);
    Ok(())
}
