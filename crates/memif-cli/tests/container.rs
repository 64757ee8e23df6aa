//! The image of the Dockerfile: built without an image registry, small, and its responder answers a ping from outside
//! over a shared directory.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "console/seed.rs"]
#[allow(dead_code, reason = "each test program uses its part")]
mod seed;
mod util;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::{Need, Suite, eventually};
use util::{Directory, Program, memif};

const NEEDS: &[Need] = &[Need::Root, Need::Program("apt-get"), Need::Program("buildah"), Need::Program("debootstrap")];

fn main() {
    let limit = Duration::from_secs(600);
    Suite::new().building(build).long_test("image_is_built_and_answers_pings", limit, NEEDS, image).run()
}

/// A machine without caches loads a Debian and compiles everything once more.
fn build() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ci/container.sh");
    let mut build = Command::new(script);
    build.arg("--quick").arg(Images::of_this_target().0).stdin(Stdio::null());
    let built = build.status().expect("the script runs");
    assert!(built.success(), "{built}");
}

fn image() {
    let images = Images::of_this_target();
    images.hold_one_static_program();
    let container = images.container();
    for (inside, outside) in [("master", "slave"), ("slave", "master")] {
        answers(&container, inside, outside);
    }
    shows_the_session_of_the_seed(&container);
}

/// The images and containers of this target directory.
struct Images(PathBuf);

impl Images {
    fn of_this_target() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory");
        Self(target.join("container"))
    }

    fn buildah(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.env("BUILDAH_ISOLATION", "chroot").args(["--storage-driver", "vfs", "--root"]);
        command.arg(self.0.join("images")).arg("--runroot").arg(self.0.join("run"));
        command.args(arguments);
        command
    }

    /// What a command of buildah prints.
    #[track_caller]
    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.buildah(arguments).output().expect("buildah runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    fn container(&self) -> Container<'_> {
        Container { images: self, name: self.ask(&["from", "--pull=never", IMAGE]) }
    }

    /// Nothing but the program, so nothing that could need an update, and it is what `docker run` starts.
    fn hold_one_static_program(&self) {
        let shown = self.ask(&["inspect", "--type", "image", IMAGE]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let config = &shown["OCIv1"]["config"];
        assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/bin/memif"]), "{config}");
        assert_eq!(config["Cmd"], serde_json::json!(["responder"]), "{config}");
        let container = self.container();
        let root = PathBuf::from(self.ask(&["mount", &container.name]));
        let mut files = Vec::new();
        list(&root, &mut files);
        assert_eq!(files, [root.join("usr/bin/memif")]);
        let size = std::fs::metadata(&files[0]).expect("the program").len();
        assert!(size < 20 << 20, "{size} bytes");
        self.ask(&["umount", &container.name]);
    }
}

const IMAGE: &str = "localhost/icmp-responder";

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        if entry.file_type().expect("a type").is_dir() {
            list(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}

/// A container, removed when it is dropped.
struct Container<'a> {
    images: &'a Images,
    name: String,
}

impl Container<'_> {
    /// Runs the program in it, without any capability, with `directory` as /run/vpp.
    fn memif(&self, directory: &Path, arguments: &[&str]) -> Program {
        util::start(self.command(directory, arguments), &format!("{arguments:?} in a container"))
    }

    fn command(&self, directory: &Path, arguments: &[&str]) -> Command {
        let volume = format!("{}:/run/vpp", directory.display());
        let mut command = self.images.buildah(&["run", "--cap-drop", "ALL", "--volume", &volume, &self.name]);
        command.args(["--", "/usr/bin/memif"]).args(arguments);
        command
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.images.buildah(&["rm", &self.name]).output();
    }
}

fn answers(container: &Container<'_>, inside: &str, outside: &str) {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let mut responder = container.memif(&directory.path(""), &["responder", "--role", inside, "--ip", "192.168.1.2"]);
    responder.expect(&format!("{inside} on /run/vpp/memif.sock"));
    if inside == "master" {
        eventually("the socket", || directory.path("memif.sock").exists().then_some(()));
        // The one who looks from outside sees the process inside, though its path is another.
        let finished = memif(&format!("show --json {socket}")).finish().code(0);
        let report: Value = serde_json::from_str(&finished.out).expect("JSON");
        assert_eq!(report["sockets"][0]["holders"][0]["program"], "memif", "{report}");
    }
    let pid = program_in(&directory.text(""));
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    assert!(status.is_ok_and(|status| status.contains("CapEff:\t0000000000000000\n")));
    let ping = memif(&format!(
        "ping 192.168.1.2 --socket {socket} --role {outside} --count 5 --interval 0 --size 4000 \
         --connect-timeout 60 --timeout 60"
    ));
    let connected = responder.expect("connected to");
    ping.finish().code(0).says("5 packets transmitted, 5 received, 0% packet loss");
    assert!(connected.contains("interface 0 (192.168.1.2): connected to \"memif "), "{connected}");
    responder.expect("link down");
    // buildah does not pass signals on; the program itself gets it.
    kill_process(pid, Signal::TERM).expect("the program is there");
    responder.finish().code(0).says("5 echo requests answered");
    assert!(!directory.path("memif.sock").exists());
}

/// What the image runs when nothing else is said, with the commands of libmemif's README.
fn shows_the_session_of_the_seed(container: &Container<'_>) {
    let directory = Directory::new();
    let command = container.command(&directory.path(""), &["responder"]);
    let (mut responder, mut stdin) = util::start_piped(command, "responder in a container");
    responder.expect("rx-mode <index>");
    writeln!(stdin, "conn 0 0").expect("it listens");
    let ping = memif(&format!(
        "ping 192.168.1.2 --socket {} --role master --name memif0/0 --app-name peer --id 0 \
         --connect-timeout 60",
        directory.text("memif.sock"),
    ));
    responder.expect("INFO: memif connected!");
    writeln!(stdin, "show").expect("it listens");
    responder.expect("no connection");
    drop((stdin, ping));
    let out: Vec<_> = responder.finish().code(0).out.lines().map(str::to_owned).collect();
    assert_eq!(seed::lines(&out[..12].join("\n")), seed::banner(false));
    let end = out.iter().position(|line| line == "\tno connection").expect("its end") + 1;
    let expected = seed::shown(seed::SLAVE, "/run/vpp/memif.sock", "memif0/0", "peer");
    assert_eq!(seed::split(&out[13..end]).0, expected);
}

/// The process of the container that has `directory` mounted.
fn program_in(directory: &str) -> Pid {
    let name = directory.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let found = std::fs::read_dir("/proc").expect("/proc").flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let read = |file: &str| std::fs::read_to_string(process.path().join(file)).ok();
        let mounts = read("mountinfo")?;
        let mounted = mounts.lines().any(|line| line.contains(&name) && line.contains(" /run/vpp "));
        (mounted && read("comm")?.trim() == "memif").then_some(pid)
    });
    Pid::from_raw(found.expect("the program in the container")).expect("a process id")
}
