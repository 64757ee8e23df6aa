//! Starts the other end, where both are ours, and is it: another process of this program, or a thread.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use memif::Role;

use super::end::End;
use super::generator::{self, Flow, Generator};
use super::options::Work;
use super::order::{Order, Task};
use super::other::Other;
use super::place::Place;
use super::plan::Plan;
use super::until::Until;
use super::{cpus, crowd, echo};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::warn;

/// Starts the other end as the plan says.
pub(crate) fn start(plan: &Plan, role: Role, task: Task, until: &Until) -> Result<Other, Error> {
    let socket = plan.place.address.to_string();
    let cpu = match task {
        Task::Generate { .. } => plan.cpus.0,
        Task::Echo | Task::Crowd(_) => plan.cpus.1,
    };
    let order = Order { socket, master: role == Role::Master, cpu, task };
    if plan.threads {
        let (plan, own) = (plan.clone(), until.part());
        let over = own.clone();
        let (sender, ready) = mpsc::channel();
        let run = move || {
            let tell = move || {
                // Who started this may not wait for it.
                let _ = sender.send(());
            };
            if let Err(error) = serve(&order, &plan, &over, tell) {
                warn(format_args!("the other end: {error}"));
            }
        };
        let thread = thread::Builder::new().name("other end".to_owned()).spawn(run);
        let thread = Some(thread.map_err(cannot_start)?);
        return Ok(Other::Thread { until: own, thread, ready });
    }
    let text = serde_json::to_string(&order).map_err(|error| cannot_start(error.into()))?;
    // This program, even if its file was replaced since.
    let child = Command::new("/proc/self/exe")
        .arg0("memif")
        .args(std::env::args_os().skip(1))
        .arg(format!("--other-end={text}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot_start)?;
    Ok(Other::Process(child))
}

/// The whole life of a process that is the other end.
pub(crate) fn run(order: &Order, plan: &Plan, until: &Until) -> Result<Outcome, Error> {
    let over = until.clone();
    let watch = move || {
        let mut nothing = [0];
        // Whatever ends it: who started us is gone, or has what it wants.
        while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
        over.end();
    };
    thread::Builder::new().name("parent".to_owned()).spawn(watch).map_err(cannot_start)?;
    let ready = || {
        let mut out = std::io::stdout();
        // Who started this may be gone; then this ends, too.
        let _ = out.write_all(b"\n").and_then(|()| out.flush());
    };
    serve(order, plan, until, ready)?;
    Ok(Outcome::Success)
}

fn serve(order: &Order, plan: &Plan, until: &Until, ready: impl FnOnce()) -> Result<(), Error> {
    let place = Place { address: order.socket.parse()?, both: true, ..plan.place.clone() };
    let role = if order.master { Role::Master } else { Role::Slave };
    match &order.task {
        Task::Crowd(count) => {
            let _pinned = cpus::pin(order.cpu)?;
            crowd::echo(&place, role, *count, until, ready)
        }
        Task::Echo => {
            let mut end = End::open(&place, role)?;
            let _pinned = cpus::pin(order.cpu)?;
            while let Some(mut link) = end.link(until, true)? {
                if plan.work != Work::Setup {
                    echo::run(&mut link, plan.burst, plan.mode(), until, |_| ());
                }
            }
            Ok(())
        }
        Task::Generate { sizes, seconds, rate } => {
            let flow = Flow {
                sizes: sizes.parse().map_err(Error::Usage)?,
                time: Duration::try_from_secs_f64(*seconds).unwrap_or_default(),
                rate: *rate,
                ..plan.flow()
            };
            let mut end = End::open(&place, role)?;
            let _pinned = cpus::pin(order.cpu)?;
            let Some(mut link) = end.link(until, false)? else { return Ok(()) };
            let mut generator = Generator::new(&flow);
            let sent = generator.run(&mut link.tx, &flow, until, || false)?;
            if !sent.cut {
                generator.close(&mut link.tx);
                generator::linger(&link.tx, generator::LINGER, Some(until));
            }
            Ok(())
        }
    }
}

fn cannot_start(source: std::io::Error) -> Error {
    Error::System {
        what: "cannot start the other end".to_owned(),
        advice: "raise the limit of processes (ulimit -u), or use --threads",
        source,
    }
}
