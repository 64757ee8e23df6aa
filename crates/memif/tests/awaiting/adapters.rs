//! Streams, sinks and devices for what takes those: packet by packet, in order, and how each of them ends.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::FusedStream;
use futures_util::{SinkExt, StreamExt, stream};
use memif::awaiting::{IpDevice, Link, Reactor};
use memif::{InterfaceConfig, Mode, RecvError, SendError};
use testkit::traffic::{Dice, InOrder, packet};

use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads, both_ends, cancelled, give_way, some};

const PACKETS: u64 = 3_000;

pub(crate) fn streams_tokio() {
    streams::<OneThread>();
    streams::<Threads>();
}

pub(crate) fn streams_async_io() {
    streams::<AsyncIo>();
}

/// As adapters of `futures` use them: one forwards into a sink, one takes from a stream and drops futures meanwhile.
fn streams<R: Runtime>() {
    R::run(async {
        let ends = both_ends::<R>(InterfaceConfig::master(0).ring_size(64), InterfaceConfig::slave(0));
        let (control, mut there, mut here) = ends.await;
        let (sink, mut packets) = (there.tx.remove(0).into_sink(), here.rx.remove(0).into_stream());
        let sends = R::spawn(Box::pin(async move {
            let all = (0..PACKETS).map(|sequence| Ok(packet(1, sequence, 16 + sequence as usize % 3000)));
            stream::iter(all).forward(sink).await.expect("forwarding");
        }));
        let (mut dice, mut order) = (Dice::new(3), InOrder::of(1));
        while order.count() < PACKETS {
            if let Some(next) = cancelled(packets.next(), some(&mut dice)).await {
                order.take(&next.expect("a packet").expect("receiving"));
            }
        }
        sends.await;
        // The other end has no queue left but one to receive from; without that the link goes down.
        drop((there, control));
        let end = packets.next().await.expect("an error").expect_err("the end");
        assert_eq!(end.kind(), io::ErrorKind::NotConnected);
        assert_eq!(end.downcast::<RecvError>().expect("a reason"), RecvError::Disconnected);
        assert!(packets.is_terminated());
        assert!(packets.next().await.is_none());
        let mut sink = here.tx.remove(0).into_sink();
        let end = sink.send(packet(1, 0, 64)).await.expect_err("the end");
        assert_eq!(end.downcast::<SendError>().expect("a reason"), SendError::Disconnected);
    });
}

pub(crate) fn batches_tokio() {
    batches::<OneThread>();
}

pub(crate) fn batches_async_io() {
    batches::<AsyncIo>();
}

/// What was fed is sent as one batch by the flush, and not before; what cannot be sent costs nothing but itself.
fn batches<R: Runtime>() {
    R::run(async {
        let ends = both_ends::<R>(InterfaceConfig::master(0), InterfaceConfig::slave(0).ring_size(64));
        let (_control, mut there, mut here) = ends.await;
        let mut sink = here.tx.remove(0).into_sink();
        let mut packets = there.rx.remove(0).into_stream();
        for sequence in 0..50 {
            sink.feed(packet(1, sequence, 64)).await.expect("feeding");
        }
        for _ in 0..100 {
            assert!(cancelled(packets.next(), 0).await.is_none());
        }
        sink.flush().await.expect("flushing");
        let mut order = InOrder::of(1);
        for _ in 0..50 {
            order.take(&packets.next().await.expect("a packet").expect("receiving"));
        }
        assert_eq!(sink.feed(Vec::new()).await.expect_err("no packet").kind(), io::ErrorKind::InvalidInput);
        let max = 64 * 2048;
        for next in [packet(1, 50, 64), vec![0; max + 1], packet(1, 51, 64)] {
            sink.feed(next).await.expect("feeding");
        }
        let error = sink.flush().await.expect_err("too long").downcast::<SendError>().expect("a reason");
        assert!(matches!(error, SendError::TooLong { len, .. } if len == max + 1), "{error}");
        sink.flush().await.expect("flushing");
        for _ in 0..2 {
            order.take(&packets.next().await.expect("a packet").expect("receiving"));
        }
        // More than the ring takes: the sink is ready again when the peer has taken some.
        let mut fed = 52;
        while let Some(ready) = cancelled(sink.feed(packet(1, fed, 64)), 0).await {
            ready.expect("feeding");
            fed += 1;
        }
        assert!(fed >= 52 + 64 + 64, "{fed}");
        while order.count() < fed {
            order.take(&packets.next().await.expect("a packet").expect("receiving"));
            let _ = cancelled(sink.flush(), 0).await;
        }
        // Queues come back whole.
        let (mut tx, mut rx) = (sink.into_inner(), packets.into_inner());
        tx.send(&packet(1, fed, 64)).await.expect("sending");
        order.take(&rx.recv(1).await.expect("receiving").packets().next().expect("a packet").to_vec());
    });
}

/// A device, by the traits of its runtime.
pub(crate) trait Device: Runtime {
    fn poll_read(
        device: &mut IpDevice<Self::Reactor>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;
    fn poll_write(device: &mut IpDevice<Self::Reactor>, cx: &mut Context<'_>, packet: &[u8])
    -> Poll<io::Result<usize>>;
}

macro_rules! tokio_device {
    ($runtime:ty) => {
        impl Device for $runtime {
            fn poll_read(
                device: &mut memif::tokio::IpDevice,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let mut buffer = tokio::io::ReadBuf::new(buffer);
                let read = tokio::io::AsyncRead::poll_read(Pin::new(device), cx, &mut buffer);
                read.map_ok(|()| buffer.filled().len())
            }

            fn poll_write(
                device: &mut memif::tokio::IpDevice,
                cx: &mut Context<'_>,
                packet: &[u8],
            ) -> Poll<io::Result<usize>> {
                tokio::io::AsyncWrite::poll_write(Pin::new(device), cx, packet)
            }
        }
    };
}

tokio_device!(OneThread);
tokio_device!(Threads);

impl Device for AsyncIo {
    fn poll_read(
        device: &mut memif::async_io::IpDevice,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncRead::poll_read(Pin::new(device), cx, buffer)
    }

    fn poll_write(
        device: &mut memif::async_io::IpDevice,
        cx: &mut Context<'_>,
        packet: &[u8],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write(Pin::new(device), cx, packet)
    }
}

async fn read<R: Device>(device: &mut IpDevice<R::Reactor>, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| R::poll_read(device, cx, buffer)).await
}

async fn write<R: Device>(device: &mut IpDevice<R::Reactor>, packet: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| R::poll_write(device, cx, packet)).await
}

pub(crate) fn device<R: Reactor>(link: &mut Link<R>) -> IpDevice<R> {
    IpDevice::new(link.rx.remove(0), link.tx.remove(0))
}

pub(crate) fn devices_tokio() {
    devices::<OneThread>();
    devices::<Threads>();
}

pub(crate) fn devices_async_io() {
    devices::<AsyncIo>();
}

/// One packet per call, both ways at once, while futures are dropped; a full ring loses packets after a while and holds
/// nothing up; the end of the link is an error.
fn devices<R: Device>() {
    R::run(async {
        let ip = |config: InterfaceConfig| config.mode(Mode::Ip).ring_size(64);
        let (control, mut there, mut here) =
            both_ends::<R>(ip(InterfaceConfig::master(0)), ip(InterfaceConfig::slave(0))).await;
        let (mut first, mut second) = (device(&mut there), device(&mut here));
        let answers = R::spawn(Box::pin(async move {
            let mut buffer = vec![0; 4000];
            for _ in 0..PACKETS {
                let len = read::<R>(&mut second, &mut buffer).await.expect("reading");
                assert_eq!(write::<R>(&mut second, &buffer[..len]).await.expect("writing"), len);
            }
            // As a stack does that has nothing more to do: nobody reads.
            let packet = packet(2, 0, 64);
            while second.lost() < 3 {
                assert_eq!(write::<R>(&mut second, &packet).await.expect("writing"), packet.len());
            }
        }));
        let (mut dice, mut order, mut sequence) = (Dice::new(5), InOrder::of(1), 0);
        let mut buffer = vec![0; 4000];
        while order.count() < PACKETS {
            if sequence < PACKETS && sequence - order.count() < 32 {
                let next = packet(1, sequence, 16 + sequence as usize % 3000);
                if let Some(sent) = cancelled(write::<R>(&mut first, &next), some(&mut dice)).await {
                    assert_eq!(sent.expect("writing"), next.len());
                    sequence += 1;
                }
            }
            // Only where an answer is under way: a read that sleeps is never pending again.
            if sequence == order.count() {
                give_way().await;
                continue;
            }
            if let Some(len) = cancelled(read::<R>(&mut first, &mut buffer), some(&mut dice)).await {
                order.take(&buffer[..len.expect("reading")]);
            }
            give_way().await;
        }
        assert_eq!(first.lost(), 0);
        answers.await;
        drop((here, control));
        // What the other one sent last, cut as it is read, and then the end.
        let end = loop {
            match read::<R>(&mut first, &mut buffer[..20]).await {
                Ok(len) => assert_eq!(len, 20),
                Err(end) => break end,
            }
        };
        assert_eq!(end.downcast::<RecvError>().expect("a reason"), RecvError::Disconnected);
        assert!(read::<R>(&mut first, &mut buffer).await.is_err());
        assert!(write::<R>(&mut first, &buffer[..64]).await.is_err());
    });
}
