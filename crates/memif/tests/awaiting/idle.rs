//! A thousand interfaces that wait cost nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use memif::awaiting::Link;
use memif::{InterfaceConfig, RxMode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::patience::{Patience, STEP};

use crate::runtimes::{OneExecutor, OneThread, Runtime, Threads, address, give_way, socket};

const MANY: u32 = 1_000;
/// While nothing may happen.
const WINDOW: Duration = Duration::from_millis(300);

pub(crate) fn tokio_one_thread() {
    idle::<OneThread>();
}

pub(crate) fn tokio_threads() {
    idle::<Threads>();
}

pub(crate) fn async_io() {
    idle::<OneExecutor>();
}

/// A task for each of a thousand links. Once all sleep, no task is asked for anything, and no thread is woken; then
/// each of them receives.
fn idle<R: Runtime>() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("more descriptors");
    let name = address();
    let mut theirs = socket(&name).open().expect("a socket");
    let mut ours = socket(&name).open().expect("a socket");
    let config = |config: InterfaceConfig, id: u32| {
        let mode = if id.is_multiple_of(2) { RxMode::Interrupt } else { RxMode::Adaptive };
        config.ring_size(8).rx_mode(mode)
    };
    let masters: Vec<_> =
        (0..MANY).map(|id| ours.add_interface(config(InterfaceConfig::master(id), id)).expect("a master")).collect();
    let slaves: Vec<_> =
        (0..MANY).map(|id| theirs.add_interface(config(InterfaceConfig::slave(id), id)).expect("a slave")).collect();
    let (polls, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&polls), Arc::clone(&received));
    // Links alone first, so that what tasks take can be told from what links take.
    let up = Arc::new(AtomicBool::new(false));
    let are_up = Arc::clone(&up);
    let drives = std::thread::spawn(move || {
        R::run(async {
            let (control, driver) = R::drive(ours);
            let driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
            let mut tasks = Vec::new();
            while !are_up.load(Ordering::Acquire) {
                give_way().await;
            }
            for key in masters {
                let Link { mut rx, .. } = control.connected(key).await.expect("a link");
                let (polls, received) = (Arc::clone(&counts.0), Arc::clone(&counts.1));
                tasks.push(R::spawn(Box::pin(async move {
                    let mut buffer = [0; 64];
                    let mut receive = pin!(rx[0].recv_into(&mut buffer));
                    let len = std::future::poll_fn(|cx| {
                        polls.fetch_add(1, Ordering::Relaxed);
                        receive.as_mut().poll(cx)
                    })
                    .await;
                    assert_eq!(len, Ok(5));
                    received.fetch_add(1, Ordering::Relaxed);
                })));
            }
            drop(control);
            for task in tasks {
                task.await;
            }
            driver.await;
        });
    });
    let mut links: Vec<_> = slaves.into_iter().map(|key| theirs.wait_connected(key, STEP).expect("a link")).collect();
    let without_tasks = resident();
    up.store(true, Ordering::Release);
    // All sleep when the counts stand still.
    let count = || (polls.load(Ordering::Relaxed), switches());
    let mut patience = Patience::default();
    loop {
        let (before, cpu) = (count(), processor_time());
        std::thread::sleep(WINDOW);
        let after = count();
        if before.0 >= u64::from(MANY) && before.0 == after.0 && after.1 - before.1 <= 4 {
            let used = processor_time().saturating_sub(cpu);
            let each = resident().saturating_sub(without_tasks) / u64::from(MANY);
            println!("{used:?} of a processor in {WINDOW:?}, {each} bytes per task with its queue");
            break;
        }
        assert!(patience.more(), "polls and sleeps go on: {before:?}, then {after:?}");
    }
    for link in &mut links {
        link.tx[0].send(b"hello").expect("sending");
    }
    let mut patience = Patience::default();
    while received.load(Ordering::Relaxed) < u64::from(MANY) {
        assert!(patience.more(), "{} of {MANY} tasks have received", received.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(links);
    // Whoever drops its links has the other side's driver end.
    let end = std::thread::spawn(move || {
        while !drives.is_finished() {
            theirs.poll(Duration::from_millis(10)).expect("polling");
        }
        drives.join().expect("the tasks");
    });
    end.join().expect("the end");
}

/// Bytes of memory that this process has now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

/// What all threads of this process have had of processors.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a time")
}

/// How often other threads of this process went to sleep so far: each time they were woken before.
fn switches() -> u64 {
    let own = rustix::thread::gettid().as_raw_nonzero().get().to_string();
    let threads = std::fs::read_dir("/proc/self/task").expect("threads");
    let of = |thread: std::fs::DirEntry| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:").map(str::to_owned));
        line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let others = threads.flatten().filter(|thread| thread.file_name().to_string_lossy() != own);
    others.map(of).sum()
}
