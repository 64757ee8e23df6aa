//! Programs that run beside a test, and a place for their files.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::seqsock::unique;

/// A program that ends with the test.
#[derive(Debug)]
pub struct Program(Child, BufReader<ChildStdout>);

impl Program {
    /// Starts it, without input.
    #[must_use]
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let out = BufReader::new(child.stdout.take().expect("its output"));
        Self(child, out)
    }

    /// Waits for a line with these words. The watchdog of the test ends it where none comes.
    #[track_caller]
    pub fn expect(&mut self, words: &str) {
        let mut said = String::new();
        while self.1.read_line(&mut said).expect("its output") > 0 {
            if said.contains(words) {
                return;
            }
        }
        panic!("{words:?} is not in what it said:\n{said}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either it has ended already, or it must.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory of the test's own that goes away with it.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A new one, with nothing in it.
    #[must_use]
    #[track_caller]
    #[allow(clippy::new_without_default, reason = "making one is an action")]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("memif-test-{}", unique()));
        std::fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
