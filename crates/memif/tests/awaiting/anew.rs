//! Futures that are made anew for each poll, as a `poll` function of one's own makes them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use memif::InterfaceConfig;
use memif::awaiting::RxQueue;
use testkit::patience::Patience;

use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads, both_ends, give_way};

pub(crate) fn tokio() {
    anew::<OneThread>();
    anew::<Threads>();
}

pub(crate) fn async_io() {
    anew::<AsyncIo>();
}

/// Polls a call once: whether its packet came.
type Call<R> = fn(&mut RxQueue<R>, &mut Context<'_>) -> bool;

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each call, in the adaptive mode that is the default: it looks again and again, and sleeps in the end, until a packet
/// comes.
fn anew<R: Runtime>() {
    R::run(async {
        let (control, mut there, mut here) =
            both_ends::<R>(InterfaceConfig::master(0), InterfaceConfig::slave(0)).await;
        let (rx, tx) = (&mut there.rx[0], &mut here.tx[0]);
        let calls: [Call<R::Reactor>; 3] = [
            |rx, cx| ready(rx.readable(), cx).is_some_and(|ready| ready == Ok(())),
            |rx, cx| ready(rx.recv(64), cx).is_some_and(|batch| batch.expect("packets").packets().count() == 1),
            |rx, cx| ready(rx.recv_into(&mut [0; 64]), cx).is_some_and(|len| len == Ok(5)),
        ];
        for _ in 0..20 {
            for (number, call) in calls.iter().enumerate() {
                let woken = Arc::new(Woken::default());
                let waker = Waker::from(Arc::clone(&woken));
                let mut patience = Patience::default();
                loop {
                    assert!(!call(rx, &mut Context::from_waker(&waker)), "nothing came");
                    if !woken.0.swap(false, Ordering::Relaxed) {
                        break;
                    }
                    assert!(patience.more(), "call {number} never sleeps");
                    // A turn of this task has a budget, of which each call takes a part.
                    give_way().await;
                }
                tx.send(b"hello").await.expect("room");
                while !call(rx, &mut Context::from_waker(&waker)) {
                    while !woken.0.swap(false, Ordering::Relaxed) {
                        give_way().await;
                    }
                }
                if number == 0 {
                    assert_eq!(rx.recv(64).await.expect("packets").packets().count(), 1);
                }
            }
        }
        drop(control);
    });
}

fn ready<T>(future: impl Future<Output = T>, cx: &mut Context<'_>) -> Option<T> {
    match pin!(future).poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
