//! Helper processes under `strace -c -f`, and what it counted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use testkit::Child;

/// A helper whose system calls are counted from its start to its end.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) child: Child,
    table: Table,
}

/// The file that strace writes its table to.
#[derive(Debug)]
struct Table(PathBuf);

/// System calls of a process and of all its threads, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(BTreeMap<String, u64>);

impl Calls {
    /// Those of that name.
    pub(crate) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl Traced {
    /// Starts a helper.
    #[track_caller]
    pub(crate) fn start(scenario: &str, arguments: &[&str]) -> Self {
        let table = Table::fresh();
        let child = Child::start_under(&["strace", "-c", "-f", "-o", &table.path()], scenario, arguments);
        Self { child, table }
    }

    /// Waits for its end, which must be a good one.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Calls {
        self.child.finish();
        self.table.read()
    }
}

/// What a helper that runs calls while something is done with it.
#[track_caller]
pub(crate) fn calls_of(helper: &Child, done: impl FnOnce()) -> Calls {
    let table = Table::fresh();
    let mut strace = Command::new("strace")
        .args(["-c", "-f", "-o", &table.path(), "-p", &helper.pid().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting strace");
    let mut said = BufReader::new(strace.stderr.take().expect("stderr"));
    let mut line = String::new();
    said.read_line(&mut line).expect("reading from strace");
    assert!(line.contains("attached"), "{line}");
    // What else it says nobody needs to know, but it must not get stuck on it.
    let rest = std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    done();
    let pid = rustix::process::Pid::from_child(&strace);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("ending strace");
    testkit::eventually("the end of strace", || strace.try_wait().expect("waiting for strace"));
    let _ = rest.join();
    table.read()
}

impl Table {
    fn fresh() -> Self {
        Self(std::env::temp_dir().join(format!("memif-strace-{}", testkit::seqsock::unique())))
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }

    #[track_caller]
    fn read(&self) -> Calls {
        let table = std::fs::read_to_string(&self.0).expect("the table of strace");
        parse(&table)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Lines of share of time, seconds, microseconds per call, calls, errors where there are any, and the name.
fn parse(table: &str) -> Calls {
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let counts = lines.filter_map(|words| {
        let (name, count) = (words.last()?, words.get(3)?.parse().ok()?);
        (*name != "total" && words[0].parse::<f64>().is_ok()).then(|| ((*name).to_owned(), count))
    });
    Calls(counts.collect())
}
