//! Runs slices: starts the ends of one, waits for their reports.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::bridge::{self, Work};
use crate::clock;
use crate::job::{AFTER_VISIT, Carrier, Cores, Job, Report, Role, Task, Waiting};
use crate::port::{Result, bare, io_error};
use crate::shared::{self, Control};
use crate::testpmd::Testpmd;

/// Longest time for a whole slice.
const PATIENCE: Duration = Duration::from_secs(20);
/// Milliseconds before those that are measured.
const WARM_UP: u64 = 30;

/// How much longer bridges are measured: the kernel counts processors' time in hundredths of seconds.
const BRIDGE_TIMES: u64 = 10;

/// What is measured in a slice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    pub(crate) carrier: Carrier,
    /// What the end on the first core does, and what the one on the second does.
    pub(crate) tasks: (Task, Task),
    /// Role of the end on the first core.
    pub(crate) role: Role,
    pub(crate) waiting: Waiting,
    pub(crate) size: usize,
    pub(crate) burst: usize,
    pub(crate) log2_ring: u8,
    pub(crate) buffer_size: u32,
    pub(crate) queues: u8,
    pub(crate) interfaces: u32,
    pub(crate) cores: Cores,
    /// Microseconds between a round trip and the next one.
    pub(crate) pause: u64,
    /// Whether the socket has an abstract name and no path.
    pub(crate) abstract_name: bool,
}

impl Spec {
    /// 64 bytes one way from slave to master, polling, with the defaults of every peer.
    pub(crate) fn one_way(carrier: Carrier) -> Self {
        Self {
            carrier,
            tasks: (Task::Send, Task::Receive),
            role: Role::Slave,
            waiting: Waiting::Polling,
            size: 64,
            burst: 64,
            log2_ring: 10,
            buffer_size: 2048,
            queues: 1,
            interfaces: 1,
            cores: Cores::Apart,
            pause: 0,
            abstract_name: false,
        }
    }

    /// 64 bytes there and back, one packet at a time.
    pub(crate) fn round_trip(carrier: Carrier) -> Self {
        Self { tasks: (Task::Ping, Task::Echo), ..Self::one_way(carrier) }
    }
}

/// Who takes part, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slice {
    /// Two processes of this program.
    Pair(Spec),
    /// testpmd sends to testpmd.
    TestpmdAlone,
    /// The command at this path measures both of its ends.
    Bench(PathBuf),
    /// `memif bridge` of the command at the first path, or a veth pair; the command at the second one has other ends.
    Bridge(Work, Option<PathBuf>, PathBuf),
    /// TCP between two processes with smoltcp in each, over that.
    #[cfg(feature = "smoltcp")]
    Stacks(crate::stacks::Over),
    /// Our Rust API sends to testpmd, receives from it, or has its packets sent back by it.
    Testpmd(&'static str, Task),
}

/// Runs slices on two cores.
pub(crate) struct Runner {
    cpus: (usize, usize),
    milliseconds: u64,
    nanoseconds_per_tick: f64,
    place: PathBuf,
    control_path: PathBuf,
    control: Control,
    memory_path: PathBuf,
    _files: [std::fs::File; 2],
    slices: u32,
    /// testpmd that sends and one that receives.
    testpmds: Option<(Testpmd, Testpmd)>,
    /// testpmd as master of our slaves, and what it does.
    partner: Option<(Testpmd, &'static str)>,
}

impl Runner {
    pub(crate) fn new(cpus: (usize, usize), milliseconds: u64) -> Result<Self> {
        let place = std::env::temp_dir().join(format!("memif-compare-{}", std::process::id()));
        std::fs::create_dir_all(&place).map_err(io_error("making a directory"))?;
        let (control_file, control_path) = shared::create(shared::CONTROL_BYTES).map_err(io_error("shared memory"))?;
        let (memory_file, memory_path) = shared::create(bare::bytes(14, 2048)).map_err(io_error("shared memory"))?;
        Ok(Self {
            cpus,
            milliseconds,
            nanoseconds_per_tick: clock::calibrate(),
            place,
            control: Control::open(&control_path).map_err(io_error("shared memory"))?,
            control_path,
            memory_path,
            _files: [control_file, memory_file],
            slices: 0,
            testpmds: None,
            partner: None,
        })
    }

    pub(crate) fn run(&mut self, slice: &Slice) -> Result<Report> {
        self.control.reset();
        match slice {
            Slice::Pair(spec) => self.pair(spec),
            Slice::Bench(program) => self.bench(program),
            Slice::Bridge(work, bridge, memif) => {
                self.slices += 1;
                let place = self.place.join(self.slices.to_string());
                std::fs::create_dir_all(&place).map_err(io_error("making a directory"))?;
                let length = Duration::from_millis(self.milliseconds * BRIDGE_TIMES);
                let done = bridge::measure(*work, bridge.as_deref(), memif, &place, length);
                let _ = std::fs::remove_dir_all(&place);
                done
            }
            #[cfg(feature = "smoltcp")]
            Slice::Stacks(over) => {
                let length = Duration::from_millis(self.milliseconds);
                crate::stacks::measure(*over, self.cpus, &self.place, length)
            }
            Slice::TestpmdAlone => {
                let done = self.testpmd_alone();
                if done.is_err() {
                    self.testpmds = None;
                }
                done
            }
            Slice::Testpmd(mode, task) => {
                let done = self.testpmd(mode, *task);
                if done.is_err() {
                    self.partner = None;
                }
                done
            }
        }
    }

    fn job(&mut self, spec: &Spec, first: bool) -> Job {
        let first_core = first || spec.cores == Cores::Shared;
        let visits = (first && spec.cores == Cores::SharedBefore).then_some(self.cpus.1);
        Job {
            carrier: spec.carrier.clone(),
            task: if first { spec.tasks.0 } else { spec.tasks.1 },
            role: if first { spec.role } else { spec.role.other() },
            waiting: spec.waiting,
            size: spec.size,
            burst: spec.burst,
            log2_ring: spec.log2_ring,
            buffer_size: spec.buffer_size,
            queues: spec.queues,
            interfaces: spec.interfaces,
            cpu: if first_core { self.cpus.0 } else { self.cpus.1 },
            shared: spec.cores == Cores::Shared,
            visits,
            pause: spec.pause,
            milliseconds: self.milliseconds,
            warm_up: WARM_UP + visits.map_or(0, |_| AFTER_VISIT),
            own_packets: true,
            lingers: false,
            nanoseconds_per_tick: self.nanoseconds_per_tick,
            place: self.place.join(self.slices.to_string()),
            abstract_name: spec.abstract_name,
            control: self.control_path.clone(),
            memory: Some(self.memory_path.clone()),
            other: None,
        }
    }

    fn pair(&mut self, spec: &Spec) -> Result<Report> {
        self.slices += 1;
        let mut jobs = vec![self.job(spec, true), self.job(spec, false)];
        let place = jobs[0].place.clone();
        std::fs::create_dir_all(&place).map_err(io_error("making a directory"))?;
        if let Carrier::Bare { .. } = spec.carrier {
            self.clear_memory()?;
        }
        if spec.carrier == Carrier::Threads {
            jobs[0].other = jobs.pop().map(Box::new);
        }
        let mut ends = jobs.iter().map(End::start).collect::<Result<Vec<_>>>()?;
        let reports: Vec<_> = ends.iter_mut().map(|end| end.report(&self.control)).collect();
        drop(ends);
        let _ = std::fs::remove_dir_all(&place);
        let mut reports = reports.into_iter().collect::<Result<Vec<_>>>()?;
        // The end that broke down first says why; the other one only that it did.
        let errors = || reports.iter().filter_map(|report| report.error.clone());
        if let Some(error) = errors().find(|e| !e.contains("the other end")).or(errors().next()) {
            return Err(error);
        }
        let measuring = usize::from(!spec.tasks.0.measures()).min(reports.len() - 1);
        Ok(reports.swap_remove(measuring))
    }

    /// The command says itself what it measured.
    fn bench(&self, program: &Path) -> Result<Report> {
        let seconds = format!("{:.3}", Duration::from_millis(self.milliseconds).as_secs_f64());
        let output = Command::new(program)
            .args(["--json", "bench", "--size", "64", "--seconds", &seconds, "--cpus"])
            .arg(format!("{},{}", self.cpus.0, self.cpus.1))
            .stdin(Stdio::null())
            .output()
            .map_err(io_error("running memif bench"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find_map(|line| line["packets_per_second"].as_f64());
        match rate {
            Some(rate) if output.status.success() => Ok(of_rate(rate)),
            _ => Err(format!("memif bench: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// The bare ring starts with cursors at zero.
    fn clear_memory(&self) -> Result<()> {
        let memory = shared::Mapping::open(&self.memory_path).map_err(io_error("shared memory"))?;
        memory.clear();
        Ok(())
    }

    fn sleep(&self, milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    fn testpmd_alone(&mut self) -> Result<Report> {
        if self.testpmds.is_none() {
            let socket = self.place.join("testpmd.sock");
            let (first, second) = self.cpus;
            let mut sink = Testpmd::start("server", &socket, "rxonly", second, first, 64)?;
            let mut source = Testpmd::start("client", &socket, "txonly", first, second, 64)?;
            sink.wait_link()?;
            source.wait_link()?;
            self.testpmds = Some((source, sink));
        }
        let milliseconds = self.milliseconds;
        let (source, sink) = self.testpmds.as_mut().ok_or("no dpdk-testpmd")?;
        sink.forward()?;
        source.forward()?;
        std::thread::sleep(Duration::from_millis(WARM_UP));
        sink.received_per_second()?;
        std::thread::sleep(Duration::from_millis(milliseconds));
        let rate = sink.received_per_second()?;
        source.stop()?;
        sink.stop()?;
        Ok(of_rate(rate))
    }

    /// testpmd as master on the second core, our slave on the first.
    fn testpmd(&mut self, mode: &'static str, task: Task) -> Result<Report> {
        let place = self.place.join("partner");
        if self.partner.is_none() {
            std::fs::create_dir_all(&place).map_err(io_error("making a directory"))?;
            let socket = place.join("memif.sock");
            let (first, second) = self.cpus;
            let testpmd = Testpmd::start("server", &socket, mode, second, first, 64)?;
            self.partner = Some((testpmd, mode));
        }
        let mut spec = Spec::one_way(Carrier::Rust);
        spec.tasks.0 = task;
        let job = Job { place, own_packets: false, lingers: true, ..self.job(&spec, true) };
        let mut end = End::start(&job)?;
        while self.control.ready().load(Ordering::Acquire) == 0 && !self.control.stopped() {
            self.sleep(1);
        }
        let milliseconds = self.milliseconds;
        let (testpmd, current) = self.partner.as_mut().ok_or("no dpdk-testpmd")?;
        if *current != mode {
            testpmd.set_mode(mode)?;
            *current = mode;
        }
        testpmd.forward()?;
        self.control.ready().fetch_add(1, Ordering::AcqRel);
        let mut measured = None;
        if !task.measures() {
            std::thread::sleep(Duration::from_millis(WARM_UP));
            testpmd.received_per_second()?;
            std::thread::sleep(Duration::from_millis(milliseconds));
            measured = Some(of_rate(testpmd.received_per_second()?));
            self.control.stop();
        }
        let report = end.report(&self.control);
        // Before the link goes: 22.11 reads on in memory that another thread of it unmaps.
        testpmd.stop()?;
        self.control.release();
        let report = report?;
        report.error.clone().map_or_else(|| Ok(measured.unwrap_or(report)), Err)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.testpmds = None;
        self.partner = None;
        let _ = std::fs::remove_dir_all(&self.place);
    }
}

fn of_rate(per_second: f64) -> Report {
    Report { packets: per_second as u64, nanoseconds: 1e9, ..Report::default() }
}

/// A process of this program that has one end.
struct End {
    process: Child,
    output: Receiver<String>,
}

impl End {
    fn start(job: &Job) -> Result<Self> {
        let program = std::env::current_exe().map_err(io_error("finding this program"))?;
        Self::start_program(&program, job)
    }

    fn start_program(program: &Path, job: &Job) -> Result<Self> {
        let text = serde_json::to_string(job).map_err(|e| e.to_string())?;
        let mut process = Command::new(program)
            .arg("end")
            .arg(text)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(io_error("starting an end"))?;
        let (sender, output) = channel();
        if let Some(pipe) = process.stdout.take() {
            // The report is one line; the process may stay after it.
            std::thread::spawn(move || {
                let mut line = String::new();
                let _ = BufReader::new(pipe).read_line(&mut line);
                let _ = sender.send(line);
            });
        }
        Ok(Self { process, output })
    }

    /// Waits for the report. An end that gives none is killed.
    fn report(&mut self, control: &Control) -> Result<Report> {
        let line = self.output.recv_timeout(PATIENCE).unwrap_or_default();
        serde_json::from_str(&line).map_err(|_| {
            control.stop();
            let _ = self.process.kill();
            match self.process.wait() {
                Ok(status) => format!("an end gave no report: {status}"),
                Err(error) => format!("an end gave no report: {error}"),
            }
        })
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It has reported, or is of no use. Those that linger were released.
        for _ in 0..200 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
