//! `memif bridge`: two network namespaces with a bridge in each, or with a veth pair between them; and one bridge with
//! small packets in either direction.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::job::Report;
use crate::port::kernel::{Kernel, ip};
use crate::port::{Port, Result, io_error};

/// Longest time until a link is up, or until a program that was told to go is gone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses of the two ends.
const HERE: &str = "10.77.0.1";
const THERE: &str = "10.77.0.2";
const PORT: u16 = 7777;
const DEVICE: &str = "cmp0";
/// Bytes of a datagram that makes a frame of 64 bytes, and datagrams in one call.
const PAYLOAD: usize = 22;
const BURST: usize = 64;

/// What goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// One stream of TCP from one namespace into the other.
    Stream,
    /// Frames of 64 bytes of the generator of `memif bench`, into the kernel.
    In,
    /// Frames of 64 bytes out of the kernel, to `memif responder`.
    Out,
}

/// Measures for about so long. `bridge` is the command whose bridge it is, none for a veth pair; `memif` is the one
/// that has the other end of small packets.
pub(crate) fn measure(
    work: Work,
    bridge: Option<&Path>,
    memif: &Path,
    place: &Path,
    length: Duration,
) -> Result<Report> {
    let first = Namespace::new("a")?;
    let socket = place.join("bridge.sock");
    match (work, bridge) {
        (Work::Stream, None) => {
            let second = Namespace::new("b")?;
            ip(&["-n", &first.0, "link", "add", DEVICE, "type", "veth", "peer", DEVICE, "netns", &second.0])?;
            stream(&first, &second, &[], length)
        }
        (Work::Stream, Some(program)) => {
            let second = Namespace::new("b")?;
            let master = Program::bridge(program, &first, &socket, "master")?;
            let slave = Program::bridge(program, &second, &socket, "slave")?;
            stream(&first, &second, &[&master, &slave], length)
        }
        (Work::In, Some(program)) => {
            let bridge = Program::bridge(program, &first, &socket, "master")?;
            first.address(HERE)?;
            let seconds = format!("{:.3}", length.as_secs_f64());
            let before = bridge.processor_time()?;
            let mut generator = Command::new(memif);
            generator.args(["bench", "throughput", "--part", "generator", "--size", "64", "--seconds", &seconds]);
            let output = generator.arg("--socket").arg(&socket).stdin(Stdio::null()).output();
            let output = output.map_err(io_error("running memif bench"))?;
            if !output.status.success() {
                return Err(format!("memif bench: {}", String::from_utf8_lossy(&output.stderr).trim()));
            }
            let used = bridge.processor_time()? - before;
            Ok(per_processor_second(bridge.end("from_memif")?, used))
        }
        (Work::Out, Some(program)) => {
            let bridge = Program::bridge(program, &first, &socket, "master")?;
            first.address(HERE)?;
            let mut responder = Command::new(memif);
            responder.args(["responder", "--ip", THERE, "--socket"]).arg(&socket);
            let _responder = Program::start(responder)?;
            first.wait_link()?;
            let before = bridge.processor_time()?;
            first.this_program(&["flood", &milliseconds(length)])?;
            let used = bridge.processor_time()? - before;
            Ok(per_processor_second(bridge.end("to_memif")?, used))
        }
        (_, None) => Err("a veth pair is measured with a stream alone".to_owned()),
    }
}

/// One stream from the first namespace into the second one, and what it cost the bridges.
fn stream(first: &Namespace, second: &Namespace, bridges: &[&Program], length: Duration) -> Result<Report> {
    for (namespace, address) in [(first, HERE), (second, THERE)] {
        namespace.address(address)?;
    }
    first.wait_link()?;
    second.wait_link()?;
    let sink = second.start_this_program(&["sink", &milliseconds(length)])?;
    let used = || bridges.iter().map(|bridge| bridge.processor_time()).sum::<Result<f64>>();
    let before = used()?;
    let source = first.start_this_program(&["source", &milliseconds(length)])?;
    let text = sink.wait_for_output()?;
    drop(source);
    let cpu = used()? - before;
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(bytes)), Some(Ok(nanoseconds))) => {
            Ok(Report { packets: bytes, nanoseconds: nanoseconds as f64, cpu, ..Report::default() })
        }
        _ => Err(format!("the stream gave no figures: {text}")),
    }
}

fn per_processor_second(packets: u64, cpu: f64) -> Report {
    Report { packets, cpu, ..Report::default() }
}

fn milliseconds(length: Duration) -> String {
    length.as_millis().to_string()
}

/// The ends inside of namespaces: this program again.
pub(crate) fn part(arguments: &[String]) -> Result<()> {
    let [part, length] = arguments else { return Err("a part and its milliseconds".to_owned()) };
    let length = Duration::from_millis(length.parse().map_err(|_| "no number of milliseconds")?);
    match part.as_str() {
        "sink" => sink(length),
        "source" => source(length),
        "flood" => flood(length),
        _ => Err(format!("no part {part}")),
    }
}

/// Takes one stream, and says how many bytes came in how many nanoseconds from the first to the end of the time.
fn sink(length: Duration) -> Result<()> {
    let listener = TcpListener::bind((THERE, PORT)).map_err(io_error("listen"))?;
    let (mut stream, _) = listener.accept().map_err(io_error("accept"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(io_error("time-out"))?;
    let mut room = vec![0; 256 << 10];
    let (start, mut bytes) = (Instant::now(), 0);
    while start.elapsed() < length {
        match stream.read(&mut room).map_err(io_error("read"))? {
            0 => break,
            count => bytes += count,
        }
    }
    println!("{bytes} {}", start.elapsed().as_nanos());
    Ok(())
}

/// Sends until the other end has enough.
fn source(length: Duration) -> Result<()> {
    let start = Instant::now();
    let mut stream = loop {
        match TcpStream::connect((THERE, PORT)) {
            Ok(stream) => break stream,
            Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(io_error("connect")(error)),
        }
    };
    let room = vec![0x5a; 256 << 10];
    while start.elapsed() < length + PATIENCE && stream.write_all(&room).is_ok() {}
    Ok(())
}

/// Sends datagrams as fast as the kernel takes them.
fn flood(length: Duration) -> Result<()> {
    let socket = UdpSocket::bind((HERE, 0)).map_err(io_error("bind"))?;
    socket.connect((THERE, 9)).map_err(io_error("connect"))?;
    let mut sender = Kernel::sender(socket, PAYLOAD, BURST)?;
    let start = Instant::now();
    while start.elapsed() < length {
        sender.send(&[0; PAYLOAD], BURST)?;
    }
    Ok(())
}

/// A network namespace, which goes with it.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn new(which: &str) -> Result<Self> {
        let name = format!("memif-compare-{}{which}", std::process::id());
        ip(&["netns", "add", &name]).map_err(|error| format!("a network namespace (needs root): {error}"))?;
        let namespace = Self(name);
        ip(&["-n", &namespace.0, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    fn address(&self, address: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = ip(&["-n", &self.0, "address", "add", &format!("{address}/24"), "dev", DEVICE]) {
            if Instant::now() > until {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        ip(&["-n", &self.0, "link", "set", DEVICE, "up"])
    }

    /// Waits until the device has a link.
    fn wait_link(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let is_up = || {
            let output = Command::new("ip").args(["-n", &self.0, "link", "show", DEVICE]).output();
            output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("LOWER_UP"))
        };
        while !is_up() {
            if Instant::now() > until {
                return Err(format!("{DEVICE} has no link"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// A command inside of it.
    pub(crate) fn run(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    fn part(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.run(std::env::current_exe().map_err(io_error("finding this program"))?);
        command.arg("part").args(arguments);
        Ok(command)
    }

    fn this_program(&self, arguments: &[&str]) -> Result<()> {
        let output = self.part(arguments)?.output().map_err(io_error("running a part"))?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    }

    fn start_this_program(&self, arguments: &[&str]) -> Result<Program> {
        Program::start(self.part(arguments)?)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

/// A program that runs meanwhile, and is ended with it.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Self(command.spawn().map_err(io_error("starting a program"))?))
    }

    /// A bridge in a namespace. `ip netns exec` becomes the program, so its number is the bridge's.
    fn bridge(program: &Path, namespace: &Namespace, socket: &Path, role: &str) -> Result<Self> {
        let mut command = namespace.run(program);
        command.args(["--json", "bridge", "--tap", DEVICE, "--role", role, "--socket"]).arg(socket);
        let bridge = Self::start(command)?;
        let until = Instant::now() + PATIENCE;
        while role == "master" && !socket.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(bridge)
    }

    /// Seconds of a processor that the process had so far, the kernel's work in its calls among them.
    fn processor_time(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.0.id());
        let text = std::fs::read_to_string(path).map_err(io_error("reading /proc"))?;
        // Behind the name, which may hold anything: fields 14 and 15 of proc_pid_stat(5).
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Ends a bridge; returns the packets that it says it passed on in that direction.
    fn end(self, direction: &str) -> Result<u64> {
        terminate(&self.0);
        let text = self.wait_for_output()?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let packets = lines.filter_map(|line| line[direction]["packets"].as_u64()).next_back();
        packets.ok_or_else(|| "the bridge gave no figures".to_owned())
    }

    /// All that it says until it ends.
    pub(crate) fn wait_for_output(mut self) -> Result<String> {
        let mut text = String::new();
        if let Some(mut pipe) = self.0.stdout.take() {
            pipe.read_to_string(&mut text).map_err(io_error("reading what a program says"))?;
        }
        Ok(text)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        terminate(&self.0);
        let until = Instant::now() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn terminate(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}
