//! The kernel's own `curl` downloads from the example `http_server`, through `memif bridge`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use testkit::{Namespace, Need};

pub(crate) const NEEDS: &[Need] =
    &[Need::NetNamespace, Need::Program("ip"), Need::Program("curl"), Need::Program("sha256sum")];
/// Of what the head of the example says `/100MB` is.
const HASH: &str = "0d5618ab9f95968b1f1b4b9431c97b92162a2a2a1f09d6d31993c8ef625b90ff";
const TAP: &str = "tap0";

/// Has cargo build both: the one only where all examples are asked for, the other is a package of its own.
pub(crate) fn build() {
    for arguments in [
        &["-p", "memif", "--example", "http_server", "--features", &crate::features::features()][..],
        &["-p", "memif-cli", "--bin", "memif"],
    ] {
        let mut cargo = Command::new(env!("CARGO"));
        let built = cargo.args(["build", "--locked"]).args(arguments).status().expect("cargo");
        assert!(built.success(), "cargo build {arguments:?}");
    }
}

/// The folder that cargo puts programs in.
fn programs() -> PathBuf {
    let own = std::env::current_exe().expect("this program");
    own.parent().and_then(Path::parent).expect("the target directory").to_owned()
}

/// A program that ends with the test.
struct Running(Child, BufReader<std::process::ChildStdout>);

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a program");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        Self(child, out)
    }

    /// Waits for a line with these words. The watchdog of the test ends it where none comes.
    #[track_caller]
    fn expect(&mut self, words: &str) {
        let mut said = String::new();
        while self.1.read_line(&mut said).expect("its output") > 0 {
            if said.contains(words) {
                return;
            }
        }
        panic!("{words:?} is not in what it said:\n{said}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn download(role: &str, mtu: u32) {
    let directory = tempdir();
    let socket = directory.0.join("memif.sock");
    let namespace = Namespace::new();
    let mut server = Command::new(programs().join("examples/http_server"));
    server.arg(&socket).args([role, &mtu.to_string()]);
    let mut server = Running::start(server);
    let other = if role == "master" { "slave" } else { "master" };
    let mut bridge = namespace.command(programs().join("memif"));
    bridge.args(["bridge", "--tap", TAP, "--role", other, "--mtu", &mtu.to_string(), "--socket"]).arg(&socket);
    let mut bridge = Running::start(bridge);
    bridge.expect("device created");
    namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    bridge.expect("connected to");
    server.expect("serving");

    let to = directory.0.join("received");
    namespace.must(&format!("curl -sS -f --max-time 300 -o {} http://192.168.1.2/100MB", to.display()));
    let sum = Command::new("sha256sum").arg(&to).output().expect("sha256sum");
    let sum = String::from_utf8_lossy(&sum.stdout).into_owned();
    assert!(sum.starts_with(HASH), "{role}, MTU {mtu}: other bytes came: {sum}");
    let missing = namespace.must("curl -sS -o /dev/null -w %{http_code} http://192.168.1.2/nothing");
    assert_eq!(missing, "404");
}

/// A directory of the test's own that goes away with it.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempdir() -> Directory {
    let path = std::env::temp_dir().join(crate::unique().trim_start_matches('@'));
    std::fs::create_dir(&path).expect("a directory");
    Directory(path)
}

pub(crate) fn mtu_1500() {
    download("master", 1500);
    download("slave", 1500);
}

pub(crate) fn mtu_9000() {
    download("master", 9000);
    download("slave", 9000);
}
