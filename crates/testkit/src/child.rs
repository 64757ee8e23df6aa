//! Helper processes: the test binary started again with a scenario, spoken to by lines.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::patience::STEP;

/// Environment variable with the name of the scenario.
pub const SCENARIO: &str = "MEMIF_TEST_SCENARIO";
/// Environment variable with its arguments, separated by line feeds.
pub const ARGUMENTS: &str = "MEMIF_TEST_ARGUMENTS";
/// A helper that outlives everything else ends itself after this time.
const LIFETIME: Duration = Duration::from_secs(900);
/// In front of lines that are meant for the other side, so that other output does no harm.
const MARK: &str = "::";

/// A helper process, killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    name: String,
    lines: Receiver<String>,
    heard: VecDeque<String>,
    log: Arc<Mutex<String>>,
    wrapped: bool,
}

impl Child {
    /// Starts this test binary again to run `scenario`.
    #[must_use]
    #[track_caller]
    pub fn start(scenario: &str, arguments: &[&str]) -> Self {
        Self::start_under(&[], scenario, arguments)
    }

    /// As [`start`](Self::start), under another program, as `strace -c -f`.
    #[must_use]
    #[track_caller]
    pub fn start_under(wrapper: &[&str], scenario: &str, arguments: &[&str]) -> Self {
        let own = std::env::current_exe().expect("the path of this test");
        let mut command = match wrapper.split_first() {
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(own);
                command
            }
            None => Command::new(own),
        };
        command
            .env(SCENARIO, scenario)
            .env(ARGUMENTS, arguments.join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|e| panic!("starting {wrapper:?}: {e}"));
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = channel();
        let stdout = process.stdout.take().expect("stdout");
        let stderr = process.stderr.take().expect("stderr");
        let note = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                append(&note, &line);
                if let Some(text) = line.strip_prefix(MARK) {
                    let _ = sender.send(text.to_owned());
                }
            }
        });
        let note = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                append(&note, &line);
            }
        });
        let name = format!("{scenario} {arguments:?}");
        Self { process, name, lines, heard: VecDeque::new(), log, wrapped: !wrapper.is_empty() }
    }

    /// Sends a line.
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        let stdin = self.process.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).unwrap_or_else(|e| self.fail(&e.to_string()));
    }

    /// Waits for a line that starts with `prefix`; what follows it. Other lines are kept for later.
    #[track_caller]
    pub fn expect(&mut self, prefix: &str) -> String {
        self.expect_within(prefix, STEP)
    }

    /// As [`expect`](Self::expect) within `time`.
    #[track_caller]
    pub fn expect_within(&mut self, prefix: &str, time: Duration) -> String {
        if let Some(at) = self.heard.iter().position(|line| line.starts_with(prefix)) {
            let line = self.heard.remove(at).expect("a line");
            return line[prefix.len()..].trim().to_owned();
        }
        let end = Instant::now() + time;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(prefix) => {
                    return line[prefix.len()..].trim().to_owned();
                }
                Ok(line) => self.heard.push_back(line),
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("did not say {prefix:?} in time")),
                Err(RecvTimeoutError::Disconnected) => self.fail(&format!("ended before saying {prefix:?}")),
            }
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("helper {} {what}; its output:\n{}", self.name, self.output());
    }

    /// Everything that it printed.
    #[must_use]
    pub fn output(&self) -> String {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// Process number: of the helper itself, also under a wrapper.
    #[must_use]
    pub fn pid(&self) -> u32 {
        if !self.wrapped {
            return self.process.id();
        }
        let children = format!("/proc/{0}/task/{0}/children", self.process.id());
        crate::eventually("the helper under its wrapper", || {
            let text = std::fs::read_to_string(&children).ok()?;
            text.split_whitespace().next()?.parse().ok()
        })
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) {
        if self.wrapped {
            let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw);
            let _ = rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::KILL);
        } else {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }

    /// Waits for its end; it must end well.
    #[track_caller]
    pub fn finish(&mut self) {
        drop(self.process.stdin.take());
        let status = crate::eventually(&format!("the end of helper {}", self.name), || {
            self.process.try_wait().expect("waiting for a child")
        });
        if !status.success() {
            self.fail(&format!("ended with {status}"));
        }
    }

    /// Waits for its end, however that is.
    #[track_caller]
    pub fn wait(&mut self) -> std::process::ExitStatus {
        crate::eventually(&format!("the end of helper {}", self.name), || {
            self.process.try_wait().expect("waiting for a child")
        })
    }
}

fn append(log: &Mutex<String>, line: &str) {
    if let Ok(mut log) = log.lock() {
        log.push_str(line);
        log.push('\n');
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            if self.wrapped {
                // Ends the helper, and its wrapper with it.
                drop(self.process.stdin.take());
                let end = Instant::now() + Duration::from_secs(5);
                while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Sends a line to the test, from any thread of a helper.
pub fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{MARK}{line}");
    let _ = out.flush();
}

/// The starting process, seen from a helper.
#[derive(Debug)]
pub struct Parent {
    /// What it was started with.
    pub arguments: Vec<String>,
    commands: Receiver<String>,
}

impl Parent {
    /// The scenario that this process was started for, if any.
    #[must_use]
    pub fn scenario() -> Option<(String, Self)> {
        let scenario = std::env::var(SCENARIO).ok()?;
        let arguments = std::env::var(ARGUMENTS).unwrap_or_default();
        let arguments = arguments.split('\n').filter(|a| !a.is_empty()).map(str::to_owned).collect();
        std::thread::spawn(|| {
            std::thread::sleep(LIFETIME);
            eprintln!("helper outlived {LIFETIME:?}");
            std::process::abort();
        });
        let (sender, commands) = channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
            // The test is gone: nobody needs this process any more.
            drop(sender);
            std::thread::sleep(Duration::from_secs(2));
            std::process::exit(3);
        });
        Some((scenario, Self { arguments, commands }))
    }

    /// An argument.
    #[must_use]
    #[track_caller]
    pub fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).unwrap_or_else(|| panic!("argument {index} of {:?}", self.arguments))
    }

    /// A number among the arguments.
    #[must_use]
    #[track_caller]
    pub fn number(&self, index: usize) -> u64 {
        self.argument(index).parse().unwrap_or_else(|e| panic!("argument {index}: {e}"))
    }

    /// Sends a line to the test.
    pub fn say(&self, line: impl std::fmt::Display) {
        say(line);
    }

    /// The next line of the test, or `None` when it is gone.
    #[must_use]
    pub fn hear(&self) -> Option<String> {
        self.commands.recv().ok()
    }

    /// The next line of the test, if one has come; `Err` when it is gone.
    ///
    /// # Errors
    /// The test is gone.
    #[allow(clippy::result_unit_err, reason = "there is nothing to tell")]
    pub fn heard(&self) -> Result<Option<String>, ()> {
        match self.commands.try_recv() {
            Ok(line) => Ok(Some(line)),
            Err(std::sync::mpsc::TryRecvError::Empty) => Ok(None),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Err(()),
        }
    }
}
