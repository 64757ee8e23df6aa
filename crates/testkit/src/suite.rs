//! The runner of test programs: needs, watchdog, helper processes; looks and is called like any other test.

use std::collections::HashMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::child::Parent;

/// What a test cannot do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// User 0.
    Root,
    /// A program in `PATH`, or by its path.
    Program(&'static str),
    /// Another network namespace (`unshare`, as root).
    NetNamespace,
    /// So many free huge pages of 2 MiB. Who may reserves them, and gives them back in the end; where nobody may, the
    /// test is ignored in CI, too.
    HugePages(u64),
    /// So many processors.
    Processors(usize),
    /// Leave to trace processes.
    Trace,
    /// A directory for temporary files that every user can enter.
    SharedTemporary,
}

impl Need {
    /// Why it is missing, and what to do; `None` when it is there.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let root = rustix::process::geteuid().is_root();
        match self {
            Need::Root => (!root).then(|| "needs root: run it with sudo".to_owned()),
            Need::Program(name) => find(name)
                .is_none()
                .then(|| format!("needs the program {name}: install it (package {})", package(name))),
            Need::NetNamespace => {
                if !root {
                    return Some("needs root for a network namespace: run it with sudo".to_owned());
                }
                if find("unshare").is_none() {
                    return Some("needs unshare (package util-linux)".to_owned());
                }
                let tried = std::process::Command::new("unshare").args(["-n", "true"]).status();
                (!tried.is_ok_and(|s| s.success())).then(|| "no leave to make a network namespace here".to_owned())
            }
            Need::HugePages(pages) => (!crate::shared::huge_pages_free(*pages))
                .then(|| format!("needs {pages} free huge pages of 2 MiB: sysctl vm.nr_hugepages={pages} as root")),
            Need::Processors(count) => {
                let found = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                (found < *count).then(|| format!("needs {count} processors, there are {found}"))
            }
            Need::SharedTemporary => closed_to_others(&std::env::temp_dir()).map(|directory| {
                format!(
                    "needs a directory for temporary files that every user can enter, and {} keeps others out: \
                     chmod o+x it, or set TMPDIR to another",
                    directory.display()
                )
            }),
            Need::Trace => {
                if find("strace").is_none() {
                    return Some("needs strace: install it (package strace)".to_owned());
                }
                let tried = std::process::Command::new("strace")
                    .args(["-o", "/dev/null", "true"])
                    .stderr(std::process::Stdio::null())
                    .status();
                (!tried.is_ok_and(|s| s.success())).then(|| "no leave to trace processes here".to_owned())
            }
        }
    }

    fn demanded_in_ci(&self) -> bool {
        !matches!(self, Need::HugePages(_)) || crate::shared::may_reserve_huge_pages()
    }
}

/// The directory on the way to that one, itself included, that other users cannot enter.
fn closed_to_others(directory: &Path) -> Option<PathBuf> {
    let closed = |at: &&Path| std::fs::metadata(at).is_ok_and(|found| found.permissions().mode() & 0o001 == 0);
    directory.ancestors().find(closed).map(Path::to_owned)
}

/// Python's modules as Debian installs them, for its own `/usr/bin/python3`.
pub const DPKT: &str = "/usr/lib/python3/dist-packages/dpkt/__init__.py";
/// See [`DPKT`].
pub const SCAPY: &str = "/usr/lib/python3/dist-packages/scapy/__init__.py";

fn package(program: &str) -> &str {
    match program {
        "dpdk-testpmd" => "dpdk-dev, with librte-net-memif23 and librte-mempool-ring23",
        "ip" | "tc" => "iproute2",
        "ping" => "iputils-ping",
        "promtool" => "prometheus",
        "dumpcap" => "tshark",
        "editcap" | "mergecap" | "text2pcap" => "wireshark-common",
        DPKT => "python3-dpkt",
        SCAPY | "scapy" => "python3-scapy",
        "prlimit" | "setpriv" | "unshare" => "util-linux",
        crate::ovs::DAEMON => "openvswitch-switch-dpdk, with librte-net-memif23 and librte-mempool-ring23",
        other => other,
    }
}

/// Where a program is.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

type Scenario = fn(&Parent);

struct Test {
    name: String,
    needs: Vec<Need>,
    limit: Duration,
    build: fn(),
    run: fn(),
}

/// Tests and scenarios of one program.
pub struct Suite {
    tests: Vec<Test>,
    build: fn(),
    scenarios: HashMap<&'static str, Scenario>,
    alone: bool,
    last: fn(),
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("tests", &self.tests.len()).finish_non_exhaustive()
    }
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Suite {
    /// No tests yet.
    #[must_use]
    pub fn new() -> Self {
        let (build, last) = (|| (), || ());
        Self { tests: Vec::new(), build, scenarios: HashMap::new(), alone: false, last }
    }

    /// No two tests of such suites run at the same time on this machine, whatever runs them.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// What is done after all tests, as ending what they share.
    #[must_use]
    pub fn last(mut self, run: fn()) -> Self {
        self.last = run;
        self
    }

    /// A test that fails when it panics, or when it runs for more than six minutes.
    #[must_use]
    pub fn test(self, name: &str, needs: &[Need], run: fn()) -> Self {
        self.long_test(name, Duration::from_secs(360), needs, run)
    }

    /// A test with a time limit of its own.
    #[must_use]
    pub fn long_test(mut self, name: &str, limit: Duration, needs: &[Need], run: fn()) -> Self {
        assert!(self.tests.iter().all(|t| t.name != name), "two tests {name:?}");
        let (name, needs) = (name.to_owned(), needs.to_vec());
        self.tests.push(Test { name, needs, limit, build: self.build, run });
        self
    }

    /// What has to be compiled or fetched for the tests that are added from here on. It runs in front of each of them,
    /// for as long as it takes, and only the test itself is held to its limit: the first time a compiler may take
    /// minutes, which say nothing about what is tested.
    #[must_use]
    pub fn building(mut self, build: fn()) -> Self {
        self.build = build;
        self
    }

    /// What a [`Child`](crate::Child) of that name does.
    #[must_use]
    pub fn scenario(mut self, name: &'static str, run: Scenario) -> Self {
        self.scenarios.insert(name, run);
        self
    }

    /// Runs what the command line asks for and ends the process.
    ///
    /// Tests of one program run one after another: most of them count descriptors of the whole process.
    pub fn run(self) -> ! {
        if let Some((name, parent)) = Parent::scenario() {
            match self.scenarios.get(name.as_str()) {
                Some(scenario) => scenario(&parent),
                None => panic!("no scenario {name:?}"),
            }
            std::process::exit(0);
        }
        let mut arguments = Arguments::from_args();
        arguments.test_threads = Some(1);
        let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false" && v != "0");
        let alone = self.alone;
        let mut known: HashMap<String, Option<String>> = HashMap::new();
        let trials = self
            .tests
            .into_iter()
            .map(|Test { name, needs, limit, build, run }| {
                let (mut ignored, mut failed) = (Vec::new(), Vec::new());
                for need in &needs {
                    let key = format!("{need:?}");
                    let why = known.entry(key).or_insert_with(|| need.missing()).clone();
                    match why {
                        Some(why) if ci && need.demanded_in_ci() => failed.push(why),
                        Some(why) => ignored.push(why),
                        None => {}
                    }
                }
                if !ignored.is_empty() && !arguments.list {
                    eprintln!("{name}: ignored, {}", ignored.join("; "));
                }
                let is_ignored = !ignored.is_empty();
                failed.extend(ignored);
                let title = name.clone();
                Trial::test(name, move || {
                    if failed.is_empty() {
                        build();
                        watched(&title, limit, alone, run);
                        Ok(())
                    } else {
                        Err(Failed::from(failed.join("; ")))
                    }
                })
                .with_ignored_flag(is_ignored)
            })
            .collect();
        let conclusion = libtest_mimic::run(&arguments, trials);
        (self.last)();
        crate::shared::give_huge_pages_back();
        conclusion.exit()
    }
}

/// The name of the thread that watches a test.
pub const WATCHDOG: &str = "watchdog";

/// Runs a test under a watchdog that ends the process when it takes too long: a hanging test hangs nothing else.
fn watched(name: &str, limit: Duration, alone: bool, run: fn()) {
    let lock = alone.then(machine_lock);
    let (done, wait) = channel::<()>();
    let title = name.to_owned();
    let watch = move || {
        if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("\ntest {title} took more than {limit:?}: ending the process");
            std::process::abort();
        }
    };
    let watchdog = std::thread::Builder::new().name(WATCHDOG.to_owned()).spawn(watch).expect("a thread");
    let crashes = crate::crash::count();
    let mut result = std::panic::catch_unwind(run);
    if result.is_err() && crate::crash::count() > crashes {
        eprintln!("\ntest {name}: once more, since its peer died");
        result = std::panic::catch_unwind(run);
    }
    drop(done);
    let _ = watchdog.join();
    drop(lock);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// Held by one test of this machine at a time.
fn machine_lock() -> std::fs::File {
    let path = std::env::temp_dir().join("memif-tests.lock");
    let file = std::fs::File::options().create(true).append(true).open(path).expect("the lock file");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("the lock");
    file
}
