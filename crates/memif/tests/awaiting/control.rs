//! The driver and its handle.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use memif::awaiting::{Control, Reactor};
use memif::{Event, InterfaceConfig, SocketError};

use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads, address, both_ends, cancelled, give_way, socket};

pub(crate) fn links_stay_tokio() {
    links_stay::<OneThread>();
    links_stay::<Threads>();
}

pub(crate) fn links_stay_async_io() {
    links_stay::<AsyncIo>();
}

/// However often a wait for a link is given up, the link is there in the end. Interfaces come and go meanwhile.
fn links_stay<R: Runtime>() {
    R::run(async {
        let (control, driver) = R::drive(socket(&address()).open().expect("a socket"));
        let driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
        for id in 0..20 {
            let master = control.add_interface(InterfaceConfig::master(id)).expect("a master");
            let slave = control.add_interface(InterfaceConfig::slave(id)).expect("a slave");
            let other = control.clone();
            let waits = R::spawn(Box::pin(async move {
                let mut there = loop {
                    if let Some(link) = cancelled(other.connected(master), 0).await {
                        break link.expect("a link");
                    }
                    give_way().await;
                };
                assert_eq!((there.rx.len(), there.tx.len()), (1, 1));
                // The other end has its link, too: were this one dropped before, the next one would come.
                let mut buffer = [0; 64];
                assert_eq!(there.rx[0].recv_into(&mut buffer).await, Ok(2));
            }));
            let mut here = control.connected(slave).await.expect("a link");
            here.tx[0].send(b"go").await.expect("sending");
            waits.await;
            // The other end has dropped its link.
            assert!(here.rx[0].recv(1).await.is_err());
            control.remove_interface(slave).expect("an interface");
            assert!(matches!(control.connected(slave).await, Err(SocketError::NoSuchInterface)));
            control.remove_interface(master).expect("an interface");
        }
        // Whoever waits for a link of an interface that goes hears of it.
        let key = control.add_interface(InterfaceConfig::master(0)).expect("a master");
        let other = control.clone();
        let waits = R::spawn(Box::pin(async move {
            assert!(matches!(other.connected(key).await, Err(SocketError::NoSuchInterface)));
        }));
        give_way().await;
        control.remove_interface(key).expect("an interface");
        waits.await;
        drop(control);
        driver.await;
    });
}

pub(crate) fn driver_ends_tokio() {
    driver_ends::<OneThread>();
    driver_ends::<Threads>();
}

pub(crate) fn driver_ends_async_io() {
    driver_ends::<AsyncIo>();
}

/// It ends with the last link after the last handle; dropped, it takes all links down.
fn driver_ends<R: Runtime>() {
    R::run(async {
        let (control, driver) = R::drive(socket(&address()).open().expect("a socket"));
        let driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
        let master = control.add_interface(InterfaceConfig::master(0)).expect("a master");
        let slave = control.add_interface(InterfaceConfig::slave(0)).expect("a slave");
        let mut there = control.connected(master).await.expect("a link");
        let mut here = control.connected(slave).await.expect("a link");
        let events = control.events();
        drop((control, events));
        // The link lives on without a handle.
        for _ in 0..100 {
            here.tx[0].send(b"ping").await.expect("sending");
            let mut buffer = [0; 64];
            assert_eq!(there.rx[0].recv_into(&mut buffer).await, Ok(4));
        }
        drop((here, there));
        driver.await;
    });
    R::run(async {
        let (control, mut there, _here) = both_ends::<R>(InterfaceConfig::master(0), InterfaceConfig::slave(0)).await;
        assert_eq!(control.interfaces().expect("interfaces").len(), 2);
        for key in control.interfaces().expect("interfaces") {
            control.disconnect(key, "a word").expect("an interface");
        }
        assert!(there.rx[0].readable().await.is_err());
    });
    R::run(async {
        let (control, driver) = R::drive(socket(&address()).open().expect("a socket"));
        let mut events = control.events();
        let key = control.add_interface(InterfaceConfig::master(0)).expect("a master");
        let mut driver = Box::pin(driver);
        assert!(cancelled(driver.as_mut(), 0).await.is_none());
        drop(driver);
        assert!(matches!(control.connected(key).await, Err(SocketError::DriverEnded)));
        assert!(matches!(control.details(key), Err(SocketError::DriverEnded)));
        assert!(events.next().await.is_none());
    });
}

pub(crate) fn events_tokio() {
    events::<OneThread>();
    events::<Threads>();
}

pub(crate) fn events_async_io() {
    events::<AsyncIo>();
}

/// Failures, questions and ends are told; a slave that asks can be let in.
fn events<R: Runtime>() {
    R::run(async {
        let name = address();
        let (theirs, their_driver) = R::drive(socket(&name).open().expect("a socket"));
        let mut told = theirs.events();
        let _their_driver = R::spawn(Box::pin(async move { their_driver.await.expect("driving") }));
        let slave = theirs.add_interface(InterfaceConfig::slave(7)).expect("a slave");
        let event = told.next().await.expect("an event");
        assert!(matches!(event, Event::ConnectFailed { interface, .. } if interface == slave), "{event:?}");

        let (control, driver) = R::drive(socket(&name).accept_unknown(true).open().expect("a socket"));
        let mut events = control.events();
        let driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
        let Some(Event::Requested(request)) = events.next().await else { panic!("no request") };
        assert_eq!(request.id(), 7);
        let key = control.accept(request, InterfaceConfig::master(0)).expect("a master");
        let (of, link) = control.next_link().await.expect("a link");
        assert_eq!(of, key);
        let there = theirs.connected(slave).await.expect("a link");
        drop(link);
        let event = events.next().await.expect("an event");
        assert!(matches!(event, Event::Disconnected { interface, .. } if interface == key), "{event:?}");
        drop((there, theirs, control));
        driver.await;
    });
}

pub(crate) fn wakers_tokio() {
    wakers::<OneThread>();
}

pub(crate) fn wakers_async_io() {
    wakers::<AsyncIo>();
}

/// A task that asks the driver when it is woken, and when nobody can wake it any more, as one with a handle may.
struct Asking<R: Reactor> {
    control: Control<R>,
    asked: Arc<AtomicUsize>,
}

impl<R: Reactor> Asking<R> {
    fn ask(&self) {
        let _ = self.control.interfaces();
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

impl<R: Reactor> Wake for Asking<R> {
    fn wake(self: Arc<Self>) {
        self.ask();
    }
}

impl<R: Reactor> Drop for Asking<R> {
    fn drop(&mut self) {
        self.ask();
    }
}

/// Wakers are code of others: wherever one is woken or dropped, it may call the handle.
fn wakers<R: Runtime>() {
    R::run(async {
        let (control, driver) = R::drive(socket(&address()).open().expect("a socket"));
        let asked = Arc::new(AtomicUsize::new(0));
        let once = || {
            let asking = Asking { control: control.clone(), asked: Arc::clone(&asked) };
            Waker::from(Arc::new(asking))
        };
        let asked = || asked.swap(0, Ordering::Relaxed);
        let mut events = control.events();
        let key = control.add_interface(InterfaceConfig::master(0)).expect("a master");
        {
            let (mut link, mut event) = (pin!(control.connected(key)), pin!(events.next()));
            // The next waker takes the place of the one before.
            for others in 0..3 {
                assert!(link.as_mut().poll(&mut Context::from_waker(&once())).is_pending());
                assert!(event.as_mut().poll(&mut Context::from_waker(&once())).is_pending());
                assert_eq!(asked(), if others == 0 { 0 } else { 2 });
            }
            // Both are woken by a change, and gone then.
            control.remove_interface(key).expect("an interface");
            assert_eq!(asked(), 4);
            assert!(link.as_mut().poll(&mut Context::from_waker(&once())).is_ready());
            assert_eq!(asked(), 1);
            // One that nobody waits with any more.
            assert!(event.as_mut().poll(&mut Context::from_waker(&once())).is_pending());
        }
        drop(events);
        assert_eq!(asked(), 1);
        {
            let mut driver = Box::pin(driver);
            for _ in 0..3 {
                assert!(driver.as_mut().poll(&mut Context::from_waker(&once())).is_pending());
            }
            assert!(asked() >= 2);
            drop(driver);
            assert!(asked() >= 1);
        }
        assert!(matches!(control.interfaces(), Err(SocketError::DriverEnded)));
    });
}
