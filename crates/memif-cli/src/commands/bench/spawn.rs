//! Starts the other end, where both are ours, and is it: another process of this program, or a thread.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use memif::Role;

use super::crew::Crew;
use super::end::End;
use super::generator::{self, Flow, Generator};
use super::options::Work;
use super::order::{Order, Task};
use super::other::{Kind, Other};
use super::place::Place;
use super::plan::Plan;
use super::until::Until;
use super::{cpus, crowd, duplex, echo};
use crate::error::{Error, about_call};
use crate::output::exit::Outcome;
use crate::output::warn;
use crate::program;

/// Starts the other end as the plan says.
pub(crate) fn start(plan: &Plan, role: Role, task: Task, until: &Until) -> Result<Other, Error> {
    let socket = plan.place.address.to_string();
    let cpus = match task {
        Task::Generate { .. } => plan.cpus.0.clone(),
        Task::Both { .. } | Task::Echo | Task::Crowd(_) => plan.cpus.1.clone(),
    };
    let order = Order { socket, master: role == Role::Master, cpus, task };
    if plan.threads {
        let (plan, own) = (plan.clone(), until.part());
        let over = own.clone();
        let (sender, lines) = mpsc::channel();
        let run = move || {
            let tell = move |line: String| {
                // Who started this may not wait for it.
                let _ = sender.send(line);
            };
            if let Err(error) = serve(&order, &plan, &over, tell) {
                warn(format_args!("the other end: {error}"));
            }
        };
        let thread = thread::Builder::new().name("other end".to_owned()).spawn(run);
        let thread = Some(thread.map_err(cannot_start)?);
        return Ok(Other { kind: Kind::Thread { until: own, thread }, lines });
    }
    let text = serde_json::to_string(&order).map_err(|error| cannot_start(error.into()))?;
    let mut child = program::again()
        .arg(format!("--other-end={text}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot_start)?;
    let output = child.stdout.take();
    let (sender, lines) = mpsc::channel();
    // From here on it ends with this.
    let other = Other { kind: Kind::Process(child), lines };
    let read = move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
        // Until it ends, or nobody waits for it any more.
        let _ = lines.map_while(Result::ok).try_for_each(|line| sender.send(line));
    };
    thread::Builder::new().name("other end".to_owned()).spawn(read).map_err(cannot_start)?;
    Ok(other)
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
    let tell = |line: String| {
        let mut out = std::io::stdout();
        // Who started this may be gone; then this ends, too.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    serve(order, plan, until, tell)?;
    Ok(Outcome::Success)
}

fn serve(order: &Order, plan: &Plan, until: &Until, tell: impl FnOnce(String)) -> Result<(), Error> {
    let place = Place { address: order.socket.parse()?, both: true, ..plan.place.clone() };
    let role = if order.master { Role::Master } else { Role::Slave };
    match &order.task {
        Task::Crowd(count) => {
            let _pinned = cpus::pin_first(&order.cpus)?;
            crowd::echo(&place, role, *count, true, until, || tell(String::new()))
        }
        Task::Echo => {
            let mut end = End::open(&place, role)?;
            let _pinned = cpus::pin_first(&order.cpus)?;
            while let Some(mut link) = end.link(until, true)? {
                if plan.work == Work::Setup {
                    link.keep_up();
                } else {
                    echo::run(&mut link, plan.burst, plan.mode(), until, |_| ());
                }
            }
            Ok(())
        }
        Task::Generate { sizes, seconds, rate } => {
            let flow = flow(plan, sizes, *seconds, *rate)?;
            let mut end = End::open(&place, role)?;
            let pinned = (!plan.thread_per_queue).then(|| cpus::pin_first(&order.cpus));
            let _pinned = pinned.transpose()?;
            let Some(mut link) = end.link(until, false)? else { return Ok(()) };
            let sent = if plan.thread_per_queue {
                let crew = Crew::new(link.tx.len());
                let (sent, error) = generator::run_threads(&mut link.tx, &flow, &crew, &order.cpus, until);
                if let Some(error) = error {
                    end.give_up(&error);
                    return Err(error);
                }
                sent
            } else {
                let mut generator = Generator::new(&flow);
                let sent = generator.run(&mut link.tx, &flow, until, || false)?;
                if !sent.cut {
                    generator.close(&mut link.tx);
                }
                sent
            };
            if !sent.cut {
                generator::linger(&link.tx, generator::LINGER, Some(until));
            }
            Ok(())
        }
        Task::Both { sizes, seconds, rate } => {
            let flow = flow(plan, sizes, *seconds, *rate)?;
            let mut end = End::open(&place, role)?;
            let _pinned = cpus::pin_first(&order.cpus)?;
            let Some(mut link) = end.link(until, false)? else { return Ok(()) };
            let crews = (Crew::new(1), Crew::new(1));
            let (_, received) = duplex::run(&mut link, &flow, &plan.catch(), (&crews.0, &crews.1), until)?;
            // Nothing in it can fail to be written.
            tell(serde_json::to_string(&received).unwrap_or_default());
            generator::linger(&link.tx, generator::LINGER, Some(until));
            Ok(())
        }
    }
}

/// What is sent, by an order.
fn flow(plan: &Plan, sizes: &str, seconds: f64, rate: Option<f64>) -> Result<Flow, Error> {
    Ok(Flow {
        sizes: sizes.parse().map_err(Error::Usage)?,
        time: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
        rate,
        ..plan.flow()
    })
}

fn cannot_start(source: std::io::Error) -> Error {
    Error::System {
        what: "cannot start the other end".to_owned(),
        advice: about_call(source.raw_os_error())
            .unwrap_or("raise the limit of processes (ulimit -u), or use --threads"),
        source,
    }
}
