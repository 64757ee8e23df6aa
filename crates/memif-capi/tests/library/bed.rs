//! The installed library, programs compiled against it, and a directory for both.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Programs in `examples`.
pub(crate) const EXAMPLES: &[&str] = &["responder", "sender", "forwarder", "epoll_loop", "threads"];

/// The compiler of most programs.
pub(crate) const C11: [&str; 2] = ["gcc", "-std=c11"];

/// Where a program of `tests/c` or `examples` is written.
pub(crate) fn source(name: &str) -> PathBuf {
    let directory = if EXAMPLES.contains(&name) { "examples" } else { "tests/c" };
    root().join(directory).join(format!("{name}.c"))
}

/// The directory of the crate.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command to its end, which must be a good one. What it printed.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// Runs the documented command.
pub(crate) fn install(arguments: &[&str], last: Option<&Path>) {
    output(Command::new(env!("CARGO_BIN_EXE_libmemif-install")).args(arguments).args(last));
}

fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prefix");
        install(&["--prefix"], Some(&prefix));
        prefix
    })
}

/// Builds and installs the library, where that has not been done: what every test needs.
pub(crate) fn build() {
    prefix();
}

/// Builds the command, too.
pub(crate) fn build_with_the_command() {
    build();
    memif();
}

/// The command, built where it is not.
pub(crate) fn memif() -> &'static Path {
    static MEMIF: OnceLock<PathBuf> = OnceLock::new();
    MEMIF.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        output(Command::new(cargo).args(["build", "--release", "--locked", "-p", "memif-cli"]));
        // Beside the folder of the profile that this test was built with.
        let own = Path::new(env!("CARGO_BIN_EXE_libmemif-install"));
        own.parent().unwrap().with_file_name("release").join("memif")
    })
}

/// Does something with each program, some at a time: they wait for most of their time, and compilers do not.
pub(crate) fn each(programs: &[&str], run: impl Fn(&str) + Sync) {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 * processors {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(program);
                }
            });
        }
    });
}

/// A directory of its own, removed in the end.
pub(crate) struct Bed(PathBuf);

impl Bed {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("memif-capi-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }

    pub(crate) fn prefix(&self) -> &'static Path {
        prefix()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A program of `tests/c` or `examples`.
    #[track_caller]
    pub(crate) fn compile(&self, name: &str, more: &[&str]) -> PathBuf {
        self.compile_with(&C11, &prefix().join("include"), name, more)
    }

    /// As [`compile`](Self::compile), with another compiler or header.
    #[track_caller]
    pub(crate) fn compile_with(&self, compiler: &[&str], include: &Path, name: &str, more: &[&str]) -> PathBuf {
        let program = self.path(name);
        output(
            Command::new(compiler[0])
                .args(&compiler[1..])
                .args(["-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror"])
                .args(more)
                .arg("-I")
                .arg(include)
                .arg(source(name))
                .arg("-o")
                .arg(&program)
                .arg("-L")
                .arg(prefix().join("lib"))
                .args(["-lmemif", "-lpthread"]),
        );
        program
    }

    /// To run a program with the library, under a watchdog.
    pub(crate) fn run(&self, program: &Path) -> Command {
        let mut command = self.under(&[]);
        command.arg(program);
        command
    }

    /// As [`run`](Self::run), under another program.
    pub(crate) fn under(&self, wrapper: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.arg("600").args(wrapper).env("LD_LIBRARY_PATH", prefix().join("lib"));
        command
    }

    /// Starts a program that runs until it is dropped.
    #[track_caller]
    pub(crate) fn start(&self, command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("standard output is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Running { child, lines }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that runs.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Waits for a line that holds a text.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(180);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("{text:?} did not come: {error}"),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `timeout` passes the signal on.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
