//! Ends that are async functions, on tokio: the same work as in `work`, with an `await` where that calls and waits.

mod link;
mod sockets;
mod tun;
mod work;

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;

use self::link::Link;
use self::sockets::{Datagrams, Udp};
use self::tun::Tun;
use crate::end::meet;
use crate::job::{Async, Job, Report, Threads};
use crate::port::{Got, Result, io_error};
use crate::shared::Control;

/// One end, whose calls wait.
trait Port: Send + 'static {
    /// Sends packets with these bytes, each copied from `payload`, at least one and up to `count`. Returns how many.
    fn send(&mut self, payload: &[u8], count: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Receives packets, each copied whole to the start of `scratch`, at least one and up to `count`.
    fn receive(&mut self, scratch: &mut [u8], count: usize) -> impl Future<Output = Result<Got>> + Send;

    /// Sends back what comes, up to `count` packets. Returns how many.
    fn echo(&mut self, scratch: &mut [u8], count: usize) -> impl Future<Output = Result<usize>> + Send;

    /// The bytes of every packet.
    fn payload(&self, job: &Job) -> Vec<u8> {
        job.payload()
    }

    /// How many bytes at the start of a packet are others when it comes.
    fn changed(&self) -> usize {
        0
    }
}

/// Does the job, as a task of a runtime with the threads that the carrier says.
pub(crate) fn run(job: &Job, way: Async, threads: Threads) -> Result<Report> {
    // As many workers as this process may use processors: one.
    let mut builder = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::Workers => Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().map_err(io_error("a runtime"))?;
    let own = job.clone();
    let report = runtime.block_on(async move {
        let task = match way {
            Async::Memif => tokio::spawn(async move { start(Link::open(&own).await?, own).await }),
            Async::Udp => tokio::spawn(async move { start(Udp::open(&own).await?, own).await }),
            Async::Datagrams => tokio::spawn(async move { start(Datagrams::open(&own).await?, own).await }),
            Async::Tun => tokio::spawn(async move { start(Tun::open(&own).await?, own).await }),
        };
        task.await.map_err(|error| error.to_string())?
    });
    // A driver may be left.
    runtime.shutdown_timeout(Duration::from_secs(1));
    report
}

async fn start(mut port: impl Port, job: Job) -> Result<Report> {
    let control = Control::open(&job.control).map_err(io_error("opening the control page"))?;
    let distance = meet(&job, &control)?;
    Ok(Report { distance, ..work::run(&mut port, &job, &control).await? })
}
