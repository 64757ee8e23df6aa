//! The runtimes, and what every test needs of one.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_executor::Executor;
use memif::awaiting::{Control, Driver, Link, Reactor};
use memif::{InterfaceConfig, Socket, SocketBuilder};
use testkit::traffic::Dice;

/// An address that no other test has.
pub(crate) fn address() -> String {
    format!("@memif-awaiting-{}", testkit::seqsock::unique())
}

/// A socket with settings that suit tests.
pub(crate) fn socket(address: &str) -> SocketBuilder {
    Socket::builder(address).retry_period(Duration::from_millis(20))
}

/// A future for any thread.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime.
pub(crate) trait Runtime: 'static {
    type Reactor: Reactor;
    fn drive(socket: Socket) -> (Control<Self::Reactor>, Driver<Self::Reactor>);
    /// Makes what the runtime keeps for good, before anything is counted.
    fn warm_up() {}
    /// Runs a future to its end.
    fn run<T>(future: impl Future<Output = T>) -> T;
    /// Runs a task beside others. The future ends with it.
    fn spawn(task: Task) -> Task;
}

/// Tokio with one thread.
pub(crate) enum OneThread {}
/// Tokio with several.
pub(crate) enum Threads {}
/// A thread for each task, on the reactor of async-io.
pub(crate) enum AsyncIo {}
/// All tasks on one thread, on the reactor of async-io.
pub(crate) enum OneExecutor {}

impl Runtime for OneThread {
    type Reactor = memif::tokio::Tokio;

    fn drive(socket: Socket) -> (Control<Self::Reactor>, Driver<Self::Reactor>) {
        memif::tokio::drive(socket)
    }

    // Without the timers of tokio, which are not needed.
    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(future)
    }

    fn spawn(task: Task) -> Task {
        let task = tokio::spawn(task);
        Box::pin(async move { task.await.expect("a task") })
    }
}

impl Runtime for Threads {
    type Reactor = memif::tokio::Tokio;

    fn drive(socket: Socket) -> (Control<Self::Reactor>, Driver<Self::Reactor>) {
        memif::tokio::drive(socket)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap().block_on(future)
    }

    fn spawn(task: Task) -> Task {
        OneThread::spawn(task)
    }
}

impl Runtime for AsyncIo {
    type Reactor = memif::async_io::AsyncIo;

    fn drive(socket: Socket) -> (Control<Self::Reactor>, Driver<Self::Reactor>) {
        memif::async_io::drive(socket)
    }

    fn warm_up() {
        async_io::block_on(async_io::Timer::after(Duration::from_millis(1)));
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        async_io::block_on(future)
    }

    fn spawn(task: Task) -> Task {
        /// The thread's end, and who waits for it.
        #[derive(Default)]
        struct End(Mutex<Option<Waker>>);

        impl Drop for End {
            fn drop(&mut self) {
                if let Some(waker) = self.0.get_mut().unwrap().take() {
                    waker.wake();
                }
            }
        }

        let end = Arc::new(End::default());
        let waits = Arc::downgrade(&end);
        let mut thread = Some(std::thread::spawn(move || {
            let _end = end;
            async_io::block_on(task);
        }));
        Box::pin(poll_fn(move |cx| {
            if let Some(end) = waits.upgrade() {
                *end.0.lock().unwrap() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            thread.take().expect("a thread").join().expect("a task");
            Poll::Ready(())
        }))
    }
}

impl Runtime for OneExecutor {
    type Reactor = memif::async_io::AsyncIo;

    fn drive(socket: Socket) -> (Control<Self::Reactor>, Driver<Self::Reactor>) {
        memif::async_io::drive(socket)
    }

    fn warm_up() {
        AsyncIo::warm_up();
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let executor = Rc::new(Executor::new());
        EXECUTOR.set(Some(Rc::clone(&executor)));
        let output = async_io::block_on(executor.run(future));
        EXECUTOR.set(None);
        output
    }

    fn spawn(task: Task) -> Task {
        /// Goes on when nobody waits for it.
        struct Detached(Option<async_executor::Task<()>>);

        impl Drop for Detached {
            fn drop(&mut self) {
                if let Some(task) = self.0.take() {
                    task.detach();
                }
            }
        }

        let spawned = EXECUTOR.with_borrow(|executor| executor.as_ref().expect("an executor").spawn(task));
        let mut spawned = Detached(Some(spawned));
        Box::pin(poll_fn(move |cx| Pin::new(spawned.0.as_mut().expect("a task")).poll(cx)))
    }
}

thread_local! {
    /// Of the future that is run.
    static EXECUTOR: RefCell<Option<Rc<Executor<'static>>>> = const { RefCell::new(None) };
}

/// Polls a future until it has been pending so often, and drops it then.
pub(crate) async fn cancelled<T>(future: impl Future<Output = T>, mut pendings: usize) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if pendings == 0 => Poll::Ready(None),
        Poll::Pending => {
            pendings -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Lets other tasks have the thread once.
pub(crate) async fn give_way() {
    let mut gave = false;
    poll_fn(|cx| {
        if gave {
            return Poll::Ready(());
        }
        gave = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How often a future is pending before it is dropped: mostly a few times.
pub(crate) fn some(dice: &mut Dice) -> usize {
    match dice.within(0, 3) {
        0 => 0,
        1 => 1,
        2 => dice.within(2, 5),
        _ => dice.within(0, 200),
    }
}

/// A socket that is driven, with both ends of one link.
pub(crate) async fn both_ends<R: Runtime>(
    master: InterfaceConfig,
    slave: InterfaceConfig,
) -> (Control<R::Reactor>, Link<R::Reactor>, Link<R::Reactor>) {
    let (control, driver) = R::drive(socket(&address()).open().expect("a socket"));
    let _driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
    let master = control.add_interface(master).expect("a master");
    let slave = control.add_interface(slave).expect("a slave");
    let there = control.connected(master).await.expect("a link");
    let here = control.connected(slave).await.expect("a link");
    (control, there, here)
}
