//! A device polled by hand: what each call gives and leaves, when its task is woken, and what costs no busy loop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use memif::awaiting::IpDevice;
use memif::{InterfaceConfig, Mode, RecvError, RxMode, RxQueue, SendError, TxQueue};
use testkit::traffic::packet;

use crate::adapters::{Device, device};
use crate::runtimes::{AsyncIo, OneThread, Runtime, both_ends, give_way};

const SLOTS: u64 = 64;
/// After which a packet that found no room is lost.
const PATIENCE: Duration = Duration::from_millis(10);

/// How often a task was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A device, its task, and the queues at the other end of its link.
struct Bench<R: Device> {
    device: IpDevice<R::Reactor>,
    wakes: Arc<Wakes>,
    waker: Waker,
    rx: RxQueue,
    tx: TxQueue,
    control: memif::awaiting::Control<R::Reactor>,
}

impl<R: Device> Bench<R> {
    /// The device's queue signals, and nothing but a packet or the end of the link wakes who waits for a packet.
    async fn new() -> Self {
        let ip = |config: InterfaceConfig| config.mode(Mode::Ip).ring_size(64).rx_mode(RxMode::Interrupt);
        Self::with(ip(InterfaceConfig::slave(0))).await
    }

    async fn with(slave: InterfaceConfig) -> Self {
        let master = InterfaceConfig::master(0).mode(Mode::Ip);
        let (control, mut there, mut here) = both_ends::<R>(master, slave).await;
        let wakes = Arc::new(Wakes::default());
        Self {
            device: device(&mut here),
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
            rx: there.rx.remove(0).into_inner(),
            tx: there.tx.remove(0).into_inner(),
            control,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        R::poll_read(&mut self.device, &mut Context::from_waker(&self.waker), buffer)
    }

    fn write(&mut self, packet: &[u8]) -> Poll<io::Result<usize>> {
        R::poll_write(&mut self.device, &mut Context::from_waker(&self.waker), packet)
    }

    fn woken(&self) -> bool {
        self.wakes.0.swap(0, Ordering::Relaxed) > 0
    }

    /// Reads, as often as the task is woken, what is there or comes.
    async fn read_all(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Poll::Ready(read) = self.read(buffer) {
                return read;
            }
            self.wait().await;
        }
    }

    /// The same of a packet to be written.
    async fn write_all(&mut self, packet: &[u8]) -> io::Result<usize> {
        loop {
            if let Poll::Ready(written) = self.write(packet) {
                return written;
            }
            self.wait().await;
        }
    }

    /// Until the task is woken.
    async fn wait(&self) {
        while !self.woken() {
            give_way().await;
        }
    }

    /// Writes packets until the ring is full, and one more that waits.
    fn fill(&mut self) {
        for sequence in 0..SLOTS {
            assert_eq!(self.write(&packet(1, sequence, 100)).map(Result::unwrap), Poll::Ready(100));
        }
        self.asleep();
    }

    /// Writes a packet into a full ring until its task is not woken at once.
    fn asleep(&mut self) {
        loop {
            assert!(self.write(&packet(1, SLOTS, 100)).is_pending(), "the ring is full");
            if !self.woken() {
                break;
            }
        }
    }

    /// Takes packets at the other end.
    fn take(&mut self, sequences: std::ops::Range<u64>) {
        let mut taken = 0;
        let count = sequences.end - sequences.start;
        for (came, sequence) in (&mut self.rx.recv(count as usize).expect("packets")).into_iter().zip(sequences) {
            assert_eq!(came.to_vec(), packet(1, sequence, 100));
            taken += 1;
        }
        assert_eq!(taken, count);
    }
}

macro_rules! in_both {
    ($($test:ident, $tokio:ident, $async_io:ident;)*) => {$(
        pub(crate) fn $tokio() {
            OneThread::run($test::<OneThread>());
        }

        pub(crate) fn $async_io() {
            AsyncIo::run($test::<AsyncIo>());
        }
    )*};
}

in_both! {
    reads, reads_tokio, reads_async_io;
    writes, writes_tokio, writes_async_io;
    dropped, dropped_tokio, dropped_async_io;
    ends, ends_tokio, ends_async_io;
}

/// A call gives one packet, cut where the buffer is short; without a packet it wakes its task when one comes.
async fn reads<R: Device>() {
    let mut bench = Bench::<R>::new().await;
    let mut buffer = [0; 2000];
    for (sequence, len) in [(0, 100), (1, 1500), (2, 20)] {
        bench.tx.send(&packet(1, sequence, len)).expect("room");
    }
    assert_eq!(bench.read_all(&mut buffer).await.expect("a packet"), 100);
    assert_eq!(buffer[..100], packet(1, 0, 100));
    // Nothing is read into no buffer, and nothing taken.
    assert_eq!(bench.read(&mut []).map(Result::unwrap), Poll::Ready(0));
    assert_eq!(bench.read_all(&mut buffer[..600]).await.expect("a packet"), 600);
    assert_eq!(buffer[..600], packet(1, 1, 1500)[..600]);
    assert_eq!(bench.read_all(&mut buffer).await.expect("a packet"), 20);
    assert_eq!(buffer[..20], packet(1, 2, 20));

    for sequence in 3..100 {
        while bench.read(&mut buffer).is_pending() && bench.woken() {}
        assert!(!bench.woken());
        bench.tx.send(&packet(1, sequence, 100)).expect("room");
        bench.wait().await;
        assert_eq!(bench.read_all(&mut buffer).await.expect("a packet"), 100);
        assert_eq!(buffer[..100], packet(1, sequence, 100));
    }
}

/// A call sends one packet, all of it. Where the ring is full its task is woken to look again: the packet goes when
/// there is room, and is lost when there is none for a while. What no buffer takes is an error of its own.
async fn writes<R: Device>() {
    let mut bench = Bench::<R>::new().await;
    bench.fill();
    bench.take(0..1);
    assert_eq!(bench.write_all(&packet(1, SLOTS, 100)).await.expect("room"), 100);
    assert_eq!(bench.device.lost(), 0);
    assert_eq!(bench.write_all(&packet(1, 0, 100)).await.expect("it is lost"), 100);
    assert_eq!(bench.device.lost(), 1);
    bench.take(1..SLOTS + 1);
    assert!(bench.rx.recv(1).expect("nothing").is_empty());
    for wrong in [&[][..], &packet(1, 0, 64 * 2048 + 1)] {
        assert_eq!(bench.write_all(wrong).await.expect_err("no packet").kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(bench.write_all(&packet(1, 0, 100)).await.expect("room"), 100);
    bench.take(0..1);
    assert_eq!(bench.device.lost(), 1);
}

/// A write that was dropped leaves nothing behind for the one after it: neither the time for which it waited, nor that
/// it waited.
async fn dropped<R: Device>() {
    let mut bench = Bench::<R>::new().await;
    bench.fill();
    let given_up = Instant::now();
    while given_up.elapsed() < PATIENCE {
        give_way().await;
    }
    // As much time as that was, it was not that of this packet.
    bench.asleep();
    assert_eq!(bench.device.lost(), 0);
    // A packet that cannot be sent ends a wait, too, and the next one is counted as another that met a full ring.
    assert!(matches!(bench.write(&[]), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidInput));
    bench.asleep();
    bench.take(0..SLOTS);
    assert_eq!(bench.write_all(&packet(1, SLOTS, 100)).await.expect("room"), 100);
    bench.take(SLOTS..SLOTS + 1);
    assert_eq!(bench.device.lost(), 0);
    assert_eq!(bench.device.into_inner().1.get_ref().counters().ring_full, 3);
}

/// Tasks that wait are woken by the end of the link, which is an error of both calls, after what had come before.
async fn ends<R: Device>() {
    let mut bench = Bench::<R>::new().await;
    bench.fill();
    let mut buffer = [0; 100];
    while bench.read(&mut buffer).is_pending() && bench.woken() {}
    bench.tx.send(&packet(1, 0, 100)).expect("room");
    let keys = bench.control.interfaces().expect("both");
    bench.control.disconnect(keys[0], "enough").expect("it is up");
    bench.wait().await;
    assert_eq!(bench.read_all(&mut buffer).await.expect("a packet"), 100);
    let end = bench.read_all(&mut buffer).await.expect_err("the end");
    assert_eq!(end.kind(), io::ErrorKind::NotConnected);
    assert_eq!(end.downcast::<RecvError>().expect("a reason"), RecvError::Disconnected);
    let end = bench.write_all(&packet(1, 0, 100)).await.expect_err("the end");
    assert_eq!(end.kind(), io::ErrorKind::NotConnected);
    assert_eq!(end.downcast::<SendError>().expect("a reason"), SendError::Disconnected);
    assert_eq!(bench.device.lost(), 0);
}

/// Outside of a runtime of tokio nothing can wait for room, and that is said.
pub(crate) fn without_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let mut bench = runtime.block_on(Bench::<OneThread>::new());
    for sequence in 0..SLOTS {
        assert!(bench.write(&packet(1, sequence, 100)).is_ready());
    }
    let said = std::iter::repeat_with(|| bench.write(&packet(1, SLOTS, 100)))
        .take(1_000)
        .find_map(|polled| if let Poll::Ready(said) = polled { Some(said) } else { None });
    let error = said.expect("an answer").expect_err("an error").downcast::<SendError>().expect("a reason");
    assert_eq!(error, SendError::RuntimeGone);
}
