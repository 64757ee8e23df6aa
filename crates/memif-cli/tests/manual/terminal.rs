//! Terminals in a `/run` and a network of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::blocks::{Block, Talk, without_numbers};

/// How long any line may take.
const WATCHDOG: Duration = Duration::from_secs(180);
/// The repository.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What the terminals of one example share: a fresh `/run`, and a network with nothing but a loopback interface.
pub(crate) struct Rooms {
    holder: Child,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        let script = "mount -t tmpfs tmpfs /run && mkdir /run/vpp /run/netns /run/memif-bin && cp \"$0\" /run/memif-bin/memif \
                      && ip link set lo up && echo ready && exec sleep infinity";
        let mut holder = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private", "--", "sh", "-c", script])
            .arg(env!("CARGO_BIN_EXE_memif"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "no room for the example");
        Self { holder }
    }

    fn shell(&self, script: &str) -> Command {
        let root = Path::new(ROOT).canonicalize().unwrap();
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.holder.id()))
            .args(["--mount", "--net"])
            .arg(format!("--wd={}", root.display()))
            // Programs of others write whole lines to a pipe only when they are told to.
            .args(["--", "setsid", "stdbuf", "-oL", "bash", "-ec"])
            .arg(format!("PATH=/run/memif-bin:$PATH\n{script}"));
        command
    }
}

impl Rooms {
    /// Processes in the network of the example, daemons that went to the background among them.
    fn processes(&self) -> Vec<Pid> {
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let ours = network(&self.holder.id().to_string());
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|pid| ours.is_some() && network(pid) == ours)
            .filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw))
            .collect()
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = kill_process(process, Signal::KILL);
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A shell, and the lines that came from it.
pub(crate) struct Terminal {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    /// Lines of the block that are done.
    at: usize,
    /// Whether other lines may come before the next one.
    skips: bool,
}

impl Terminal {
    pub(crate) fn open(rooms: &Rooms, block: &Block) -> Self {
        let mut child = rooms
            .shell(&block.script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let input = child.stdin.take();
        Self { child, input, lines, seen: Vec::new(), at: 0, skips: false }
    }

    /// Goes on until the first line that is expected has come, and what is typed then is typed.
    pub(crate) fn expect_start(&mut self, block: &Block) {
        let is_line = |talk: &Talk| matches!(talk, Talk::Printed(_));
        let first = block.talk.iter().position(is_line).map_or(0, |first| first + 1);
        let quiet = |talk: &&Talk| matches!(talk, Talk::Typed(_) | Talk::Anything);
        let more = block.talk.iter().skip(first).take_while(quiet).count();
        self.go_on(block, first + more);
    }

    /// Goes on to the end of the block.
    pub(crate) fn expect_all(&mut self, block: &Block) {
        self.go_on(block, block.talk.len());
    }

    /// The same; drops `done` before Ctrl-C, or at the end, and goes on when all terminals have come as far.
    pub(crate) fn expect_until(&mut self, block: &Block, done: Sender<()>, over: &Receiver<()>) {
        let interrupt = block.talk.iter().position(|talk| *talk == Talk::Interrupt);
        self.go_on(block, interrupt.unwrap_or(block.talk.len()));
        drop(done);
        let _ = over.recv();
        self.expect_all(block);
    }

    /// Expects the shell to end well.
    pub(crate) fn expect_success(&mut self, block: &Block) {
        self.input = None;
        let deadline = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "line {}: does not end: {:#?}", block.line, self.seen);
            std::thread::sleep(Duration::from_millis(5));
        };
        self.seen.extend(self.lines.iter());
        assert!(status.success(), "line {}: {status}: {:#?}", block.line, self.seen);
    }

    fn go_on(&mut self, block: &Block, end: usize) {
        while let (true, Some(talk)) = (self.at < end, block.talk.get(self.at)) {
            match talk {
                Talk::Typed(line) => {
                    let input = self.input.as_mut().unwrap();
                    writeln!(input, "{line}").unwrap();
                }
                Talk::Anything => self.skips = true,
                Talk::Interrupt => self.interrupt(),
                Talk::Printed(line) => self.expect(block, line),
            }
            self.at += 1;
        }
    }

    /// Lines that the manual leaves out may come before, where it says so with `...`.
    fn expect(&mut self, block: &Block, wanted: &str) {
        let skips = std::mem::take(&mut self.skips);
        let deadline = Instant::now() + WATCHDOG;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = without_numbers(&line) == without_numbers(wanted);
                    let blank = line.trim().is_empty();
                    self.seen.push(line);
                    if found {
                        return;
                    }
                    assert!(skips || blank, "line {}: no {wanted:?} in {:#?}", block.line, self.seen);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("line {}: no {wanted:?} in {:#?}", block.line, self.seen)
                }
            }
        }
    }
}

impl Terminal {
    fn group(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn interrupt(&self) {
        if let Some(group) = self.group() {
            let _ = kill_process_group(group, Signal::INT);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.interrupt();
        if let Some(group) = self.group() {
            let deadline = Instant::now() + Duration::from_secs(5);
            while Instant::now() < deadline && self.child.try_wait().is_ok_and(|s| s.is_none()) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
