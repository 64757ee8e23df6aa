//! Tasks that wait hear of the end, and receive what came before it.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use memif::awaiting::{Link, Reactor};
use memif::{DisconnectReason, Event, InterfaceConfig, RecvError, RxMode, SendError, SocketBuilder};
use testkit::patience::STEP;

use crate::runtimes::{AsyncIo, OneThread, Runtime, Task, Threads, address, socket};

pub(crate) fn peer_leaves_tokio() {
    peer_leaves::<OneThread>();
    peer_leaves::<Threads>();
}

pub(crate) fn peer_leaves_async_io() {
    peer_leaves::<AsyncIo>();
}

/// A slave in a thread of its own, which sends a packet, receives none, and is gone when it is told.
fn slave(socket: SocketBuilder, leave: std::sync::mpsc::Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut socket = socket.open().expect("a socket");
        let slave = socket.add_interface(InterfaceConfig::slave(0).ring_size(64)).expect("a slave");
        let mut link = socket.wait_connected(slave, STEP).expect("a link");
        link.tx[0].send(b"the last").expect("sending");
        leave.recv_timeout(STEP).expect("to be told");
    })
}

/// Tasks that receive, and that send into a full ring, end with the peer; `told` when both are about to wait.
pub(crate) fn wait_for_the_end<R: Runtime>(mut link: Link<R::Reactor>, told: Sender<()>) -> [Task; 2] {
    let (mut rx, mut tx) = (link.rx.remove(0), link.tx.remove(0));
    let receives = async move {
        let mut buffer = [0; 64];
        assert_eq!(rx.recv_into(&mut buffer).await, Ok(8));
        assert_eq!(&buffer[..8], b"the last");
        assert_eq!(rx.readable().await, Err(RecvError::Disconnected));
        assert!(matches!(rx.recv(64).await, Err(RecvError::Disconnected)));
    };
    let sends = async move {
        // The slave may have posted nothing yet.
        tx.send(&[1; 64]).await.expect("sending");
        while tx.get_mut().send(&[1; 64]) != Err(SendError::Full) {}
        let _ = told.send(());
        assert_eq!(tx.send(&[1; 64]).await, Err(SendError::Disconnected));
        assert!(matches!(tx.reserve(1).await, Err(SendError::Disconnected)));
        assert_eq!(tx.flush().await, Err(SendError::Disconnected));
    };
    [R::spawn(Box::pin(receives)), R::spawn(Box::pin(sends))]
}

/// The peer goes while tasks wait: with a driver, which tells why, and where nobody drives the socket.
fn peer_leaves<R: Runtime>() {
    for mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
        let (leave, left) = channel();
        let name = address();
        let peer = slave(socket(&name), left);
        R::run(async {
            let (control, driver) = R::drive(socket(&name).open().expect("a socket"));
            let mut events = control.events();
            let driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
            let key = control.add_interface(InterfaceConfig::master(0).rx_mode(mode)).expect("a master");
            for task in wait_for_the_end::<R>(control.connected(key).await.expect("a link"), leave) {
                task.await;
            }
            let event = events.next().await.expect("an event");
            let Event::Disconnected { interface, reason: DisconnectReason::Peer { .. } } = event else {
                panic!("{event:?}")
            };
            assert_eq!(interface, key);
            drop(control);
            driver.await;
            assert!(events.next().await.is_none());
        });
        peer.join().expect("the peer");

        let (leave, left) = channel();
        let name = address();
        let peer = slave(socket(&name), left);
        R::run(async {
            let mut socket = socket(&name).open().expect("a socket");
            let key = socket.add_interface(InterfaceConfig::master(0).rx_mode(mode)).expect("a master");
            let link = socket.wait_connected(key, STEP).expect("a link");
            for task in wait_for_the_end::<R>(Link::new(link).expect("a descriptor"), leave) {
                task.await;
            }
        });
        peer.join().expect("the peer");
    }
}

/// That of which the futures are made can be given to any thread.
#[allow(dead_code, reason = "to be compiled")]
fn futures_are_send<R: Reactor>(link: &mut Link<R>, control: memif::awaiting::Control<R>, key: memif::InterfaceKey) {
    fn send(_: impl Send) {}
    let (rx, tx) = (&mut link.rx[0], &mut link.tx[0]);
    send(async {
        let mut batch = rx.recv(1).await.expect("packets");
        let mut out = tx.reserve(1).await.expect("room");
        for packet in &mut batch {
            out.push_packet(&packet).expect("room");
        }
        std::future::ready(()).await;
        out.commit();
        drop(batch);
        tx.send(&[1]).await.expect("room");
    });
    send(async move {
        let _link = control.connected(key).await;
        let _event = control.events().next().await;
    });
}
