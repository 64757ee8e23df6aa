//! Control channel and packets in one loop of the program's own, here `poll`; epoll, mio or any other works alike.
//!
//! `cargo run --example event_loop`

use std::time::Duration;

use memif::{Event, InterfaceConfig, Link, RxMode, Socket};
use rustix::event::{PollFd, PollFlags, poll};

const PACKETS: u32 = 1000;

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let address: memif::SocketAddress = format!("@memif-example-event-loop-{}", std::process::id()).parse()?;
    let other = std::thread::spawn({
        let address = address.clone();
        move || sender(address).map_err(|error| error.to_string())
    });

    let mut socket = Socket::builder(address).open()?;
    // With interrupts on, the queue's descriptor is readable whenever packets came.
    socket.add_interface(InterfaceConfig::master(3).rx_mode(RxMode::Interrupt))?;
    let mut link: Option<Link> = None;
    let mut received = 0;
    loop {
        let mut fds = vec![PollFd::new(&socket, PollFlags::IN)];
        fds.extend(link.iter().flat_map(|link| &link.rx).map(|rx| PollFd::new(rx, PollFlags::IN)));
        poll(&mut fds, None)?;

        // One descriptor stands for the listener, all connections and all timers.
        while let Some(event) = socket.poll(Some(Duration::ZERO))? {
            match event {
                Event::Connected { link: new, .. } => link = Some(new),
                Event::Disconnected { reason, .. } => {
                    println!("{received} packets, then: {reason}");
                    assert_eq!(received, PACKETS);
                    other.join().map_err(|_| "sender panicked")??;
                    return Ok(());
                }
                Event::ConnectFailed { error, .. } => println!("not connected: {error}"),
                Event::Refused { reason, .. } => println!("refused a slave: {reason}"),
                Event::Left { reason, .. } => println!("a slave left without a link: {reason}"),
                _ => {}
            }
        }
        let Some(link) = &mut link else { continue };
        for rx in &mut link.rx {
            // First take the signal, then the packets, until there are none: a signal that comes in between
            // makes the descriptor readable again.
            rx.acknowledge();
            while let Ok(mut batch) = rx.recv(64) {
                if batch.is_empty() {
                    break;
                }
                received += (&mut batch).into_iter().count() as u32;
            }
        }
    }
}

fn sender(address: memif::SocketAddress) -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = Socket::builder(address).open()?;
    let slave = socket.add_interface(InterfaceConfig::slave(3))?;
    // Either side may start first: the slave tries again until the master listens.
    let mut link = socket.wait_connected(slave, Duration::from_secs(5))?;
    let tx = link.tx.first_mut().ok_or("the link has no queue to send on")?;
    for number in 0..PACKETS {
        tx.send_wait(&number.to_be_bytes())?;
    }
    // Not every receiver takes what it finds when the link is down already.
    if !tx.flush(Some(Duration::from_secs(5)))? {
        return Err("the other side has not taken everything".into());
    }
    Ok(())
}
