//! The other end, where we start both: another process of this program, or a thread.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memif::Role;
use serde::{Deserialize, Serialize};

use super::generator::{self, Flow, Generator};
use super::link::{Place, Until};
use super::{Plan, Work, cpus, crowd, echo};
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::warn;

/// How long a process has to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the other end does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) socket: String,
    pub(crate) master: bool,
    pub(crate) cpu: usize,
    pub(crate) task: Task,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Sends all packets of one link.
    Generate { sizes: String, seconds: f64, rate: Option<f64> },
    /// Sends back what comes, on one link after the other.
    Echo,
    /// Sends back what comes on that many interfaces.
    Crowd(u32),
}

impl std::str::FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("this is for memif itself: {error}"))
    }
}

/// The other end at work. Dropping it ends it.
#[derive(Debug)]
pub(crate) enum Other {
    Process(Child),
    Thread { until: Until, thread: Option<JoinHandle<()>>, ready: Receiver<()> },
}

impl Other {
    /// Starts it as the plan says.
    pub(crate) fn start(plan: &Plan, role: Role, task: Task, until: &Until) -> Result<Self, Error> {
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
            return Ok(Self::Thread { until: own, thread, ready });
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
        Ok(Self::Process(child))
    }

    /// Waits until a crowd can be connected to, or the other end is gone.
    pub(crate) fn wait_ready(&mut self) {
        match self {
            Self::Process(child) => {
                if let Some(output) = &mut child.stdout {
                    // Its end, too, ends the wait: then no link comes up, and that is told.
                    let _ = output.read(&mut [0]);
                }
            }
            Self::Thread { ready, .. } => {
                let _ = ready.recv();
            }
        }
    }

    /// An error when it is gone, though nobody asked it to end.
    pub(crate) fn check(&mut self, until: &Until) -> Result<(), Error> {
        let how = match self {
            Self::Process(child) => match child.try_wait() {
                Ok(Some(status)) => format!(" ({status})"),
                _ => return Ok(()),
            },
            Self::Thread { thread, .. } if thread.as_ref().is_some_and(JoinHandle::is_finished) => String::new(),
            Self::Thread { .. } => return Ok(()),
        };
        if until.is_over() {
            return Ok(());
        }
        Err(Error::NotConnected(format!("the other end ended before a link was up{how}; what it says above tells why")))
    }

    /// Its process, if it is another one.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Process(child) => Some(child.id()),
            Self::Thread { .. } => None,
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        match self {
            Self::Process(child) => {
                // The end of its input is the sign to end.
                drop(child.stdin.take());
                let start = Instant::now();
                while start.elapsed() < PATIENCE {
                    if !matches!(child.try_wait(), Ok(None)) {
                        return;
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Thread { until, thread, .. } => {
                until.end();
                if let Some(thread) = thread.take() {
                    // A panic there was reported by itself.
                    let _ = thread.join();
                }
            }
        }
    }
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
            let mut end = place.open(role)?;
            let _pinned = cpus::pin(order.cpu)?;
            while let Some(mut link) = end.link(until, true)? {
                if plan.work != Work::Setup {
                    echo::run(&mut link, plan.burst, plan.mode(), until);
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
            let mut end = place.open(role)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::signals::Stop;

    #[test]
    fn an_end_that_is_gone_is_noticed() {
        let until = Until::signalled(Stop::default());
        let start = |program: &str| {
            let child = Command::new(program).stdin(Stdio::piped()).spawn().unwrap();
            Other::Process(child)
        };
        // It ends when its input does.
        let mut there = start("cat");
        there.check(&until).unwrap();
        let mut gone = start("false");
        let error = loop {
            match gone.check(&until) {
                Ok(()) => thread::yield_now(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("exit status: 1"), "{error}");
        there.check(&until).unwrap();
        until.end();
        gone.check(&until).unwrap();
    }
}
