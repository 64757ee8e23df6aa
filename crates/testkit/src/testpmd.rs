//! DPDK's `dpdk-testpmd` with one memif port or two, as server or as client.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::patience::Patience;

/// Options of the program.
#[derive(Clone, Debug)]
pub struct Options {
    /// `server` or `client`.
    pub role: &'static str,
    /// Socket path or abstract name.
    pub socket: String,
    /// Whether the name is abstract.
    pub is_abstract: bool,
    /// Interface id.
    pub id: u32,
    /// log2 of the ring size.
    pub log2: u8,
    /// Bytes per buffer.
    pub buffer_size: u32,
    /// Secret.
    pub secret: Option<String>,
    /// `icmpecho`, `macswap`, `txonly`, `rxonly`, `flowgen` ...
    pub forward: &'static str,
    /// Queues each way, and transmit queues where they are of another number. It serves as many of each as it has of
    /// both.
    pub queues: u8,
    /// See [`queues`](Self::queues).
    pub tx_queues: Option<u8>,
    /// Interface id of a second port at the same socket: what one port receives the other one sends.
    pub second_id: Option<u32>,
    /// Lets it send packets that lie in chains of mbufs. It takes such from the ring in any case.
    pub jumbo: bool,
    /// Bytes per mbuf, headroom of 128 included (default 2176).
    pub mbuf_size: Option<u32>,
    /// Packet lengths that txonly sends, one per segment.
    pub tx_packets: Option<String>,
    /// Print what the driver says of its control channel, as the reason of a DISCONNECT.
    pub verbose: bool,
    /// Accept shared memory without copying (`zero-copy=yes`, client only).
    pub zero_copy: bool,
}

impl Options {
    /// One queue, ring 2^10, buffers of 2048.
    #[must_use]
    pub fn new(role: &'static str, socket: &Path, forward: &'static str) -> Self {
        Self {
            role,
            socket: socket.display().to_string(),
            is_abstract: false,
            id: 0,
            log2: 10,
            buffer_size: 2048,
            secret: None,
            forward,
            queues: 1,
            tx_queues: None,
            second_id: None,
            jumbo: false,
            mbuf_size: None,
            tx_packets: None,
            verbose: false,
            zero_copy: false,
        }
    }

    fn device(&self, number: u8, id: u32) -> String {
        let mut device = format!(
            "--vdev=net_memif{number},role={},id={id},socket={},socket-abstract={},rsize={},bsize={}",
            self.role,
            self.socket,
            if self.is_abstract { "yes" } else { "no" },
            self.log2,
            self.buffer_size
        );
        if let Some(secret) = &self.secret {
            device.push_str(&format!(",secret={secret}"));
        }
        if self.zero_copy {
            device.push_str(",zero-copy=yes");
        }
        device
    }

    fn arguments(&self, prefix: &str) -> Vec<String> {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cores = if cpus > 1 { "0@0,1@1" } else { "0@0,1@0" };
        let mut arguments: Vec<String> =
            ["--lcores", cores, "--no-huge", "-m", "512", "--no-pci"].map(str::to_owned).to_vec();
        if self.zero_copy {
            arguments.push("--single-file-segments".to_owned());
        }
        if self.verbose {
            arguments.push("--log-level=pmd.net.memif:debug".to_owned());
        }
        arguments.push(format!("--file-prefix={prefix}"));
        arguments.push(self.device(0, self.id));
        arguments.extend(self.second_id.map(|id| self.device(1, id)));
        arguments.extend(["--", "-i", "--total-num-mbufs=16384", "--no-flush-rx"].map(str::to_owned));
        arguments.push(format!("--forward-mode={}", self.forward));
        arguments.push(format!("--rxq={}", self.queues));
        arguments.push(format!("--txq={}", self.tx_queues.unwrap_or(self.queues)));
        if self.jumbo {
            // The driver reports a longest packet of 1518 and refuses to start with more, but takes any.
            arguments.push("--tx-offloads=0x8000".to_owned());
        }
        if let Some(bytes) = self.mbuf_size {
            arguments.push(format!("--mbuf-size={bytes}"));
        }
        if let Some(lengths) = &self.tx_packets {
            arguments.push(format!("--txpkts={lengths}"));
        }
        arguments
    }
}

/// Figures of `show port stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(pub HashMap<String, u64>);

impl Stats {
    /// A figure by its name, as `RX-packets`.
    #[must_use]
    #[track_caller]
    pub fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
    }
}

/// In the environment: the program to start in place of `dpdk-testpmd`, as `ci/peers.sh` makes one for each release. It
/// must become testpmd by `exec`, and see the sockets of the tests.
pub const PROGRAM: &str = "MEMIF_TESTPMD";

/// A running testpmd, ended when dropped.
#[derive(Debug)]
pub struct Testpmd {
    process: std::process::Child,
    output: Arc<Mutex<String>>,
    prefix: String,
    read_to: usize,
}

impl Testpmd {
    /// Starts it and waits for its prompt. Forwarding is not started: see [`start`](Self::start).
    #[must_use]
    #[track_caller]
    pub fn spawn(options: &Options) -> Self {
        let prefix = format!("memif-{}", crate::seqsock::unique());
        let arguments = options.arguments(&prefix);
        // Its output is a pipe, so the C library would keep it back in blocks.
        // One of another release, in its chroot, is started by a command that the environment names.
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| "dpdk-testpmd".into());
        let mut process = Command::new("stdbuf")
            .args(["-oL", "-eL"])
            .arg(program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("starting dpdk-testpmd: {e}"));
        let output = Arc::new(Mutex::new(format!("dpdk-testpmd {}\n", arguments.join(" "))));
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(process.stdout.take().expect("stdout")), Box::new(process.stderr.take().expect("stderr"))];
        for mut pipe in pipes {
            let output = output.clone();
            std::thread::spawn(move || {
                let mut block = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut block) {
                    if let Ok(mut output) = output.lock() {
                        output.push_str(&String::from_utf8_lossy(&block[..count]));
                    }
                }
            });
        }
        let mut testpmd = Self { process, output, prefix, read_to: 0 };
        testpmd.wait_for("testpmd> ");
        testpmd
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Everything it printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().map(|o| o.clone()).unwrap_or_default()
    }

    /// Waits until it prints `text` after what was waited for before; everything up to there.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let mut patience = Patience::default();
        loop {
            let output = self.output();
            if let Some(at) = output[self.read_to..].find(text) {
                let end = self.read_to + at + text.len();
                let seen = output[self.read_to..end].to_owned();
                self.read_to = end;
                return seen;
            }
            let ended = matches!(self.process.try_wait(), Ok(Some(_)));
            assert!(!ended, "dpdk-testpmd ended before {text:?}:\n{}", self.output());
            assert!(patience.more(), "dpdk-testpmd did not print {text:?}:\n{}", self.output());
        }
    }

    /// Types a command.
    #[track_caller]
    pub fn command(&mut self, command: &str) {
        let stdin = self.process.stdin.as_mut().expect("stdin");
        let written = writeln!(stdin, "{command}").and_then(|()| stdin.flush());
        assert!(written.is_ok(), "dpdk-testpmd is gone:\n{}", self.output());
    }

    /// `start`: forwarding begins.
    #[track_caller]
    pub fn start(&mut self) {
        self.command("start");
        self.wait_for("packet forwarding");
        self.wait_for("testpmd> ");
    }

    /// `stop`: forwarding ends. The figures of forwarding are in the output.
    #[track_caller]
    pub fn stop(&mut self) -> String {
        self.command("stop");
        self.wait_for("Accumulated forward statistics");
        self.wait_for("Done.")
    }

    /// `set fwd`: what it does from the next [`start`](Self::start) on. Forwarding must be stopped.
    #[track_caller]
    pub fn set_forward(&mut self, mode: &str) {
        self.command(&format!("set fwd {mode}"));
        self.wait_for(&format!("Set {mode} packet forwarding mode"));
        self.wait_for("testpmd> ");
    }

    /// `stop`, `port stop 0`, `port start 0`, `start`: makes a client connect anew. Figures start over.
    #[track_caller]
    pub fn restart_port(&mut self) {
        self.stop();
        self.restart_stopped_port();
    }

    /// The same for one that was stopped before its link went down, which is the order that DPDK asks for.
    #[track_caller]
    pub fn restart_stopped_port(&mut self) {
        self.command("port stop 0");
        self.wait_for("Done");
        self.command("port start 0");
        self.wait_for("Done");
        self.start();
    }

    /// The figures of the port. They read as zero while no link is up; those of a server then go on, those of a
    /// client start over.
    #[track_caller]
    pub fn stats(&mut self) -> Stats {
        self.command("show port stats 0");
        self.wait_for("NIC statistics");
        let text = self.wait_for("Throughput");
        let mut figures = HashMap::new();
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            if let (Some(name), Some(next)) = (word.strip_suffix(':'), words.peek())
                && let Ok(number) = next.parse()
            {
                figures.insert(name.to_owned(), number);
            }
        }
        Stats(figures)
    }

    /// The MAC address of the port.
    #[must_use]
    #[track_caller]
    pub fn mac(&self) -> [u8; 6] {
        let output = self.output();
        let text = output.split("Port 0: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let bytes: Vec<u8> =
            text.unwrap_or_default().split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
        bytes.try_into().unwrap_or_else(|_| panic!("no address of port 0 in:\n{output}"))
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// kill -9 of one that something else owns.
    pub fn kill_now(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// `quit`, waits for the end.
    #[track_caller]
    pub fn quit(mut self) {
        self.command("quit");
        let mut patience = Patience::default();
        while !matches!(self.process.try_wait(), Ok(Some(_))) {
            assert!(patience.more(), "dpdk-testpmd does not end:\n{}", self.output());
        }
    }
}

impl Drop for Testpmd {
    fn drop(&mut self) {
        crate::crash::note("dpdk-testpmd", self.process.try_wait().ok().flatten());
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("---- output of dpdk-testpmd ----\n{}\n----", self.output());
        }
        let _ = std::fs::remove_dir_all(format!("/var/run/dpdk/{}", self.prefix));
    }
}
