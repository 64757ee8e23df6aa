//! The kernel's own `curl` downloads from a server at the other end of a link, through `memif bridge`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Directory, Namespace, Need, Program};

/// What that takes.
pub const NEEDS: &[Need] =
    &[Need::NetNamespace, Need::Program("ip"), Need::Program("curl"), Need::Program("sha256sum")];
/// SHA-256 of `/100MB`, of what the head of the example `http_server` says of it.
pub const SHA256: &str = "0d5618ab9f95968b1f1b4b9431c97b92162a2a2a1f09d6d31993c8ef625b90ff";

const DEVICE: &str = "tap0";

/// A server that answers at 192.168.1.2, called as `SERVER SOCKET master|slave MTU`, and what it says when it serves.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// The program.
    pub program: &'a Path,
    /// The mode of its interface: `ethernet` or `ip`.
    pub mode: &'a str,
    /// A longest packet that it agrees on with the kernel.
    pub mtu: u32,
}

/// The command `memif`: the program that `MEMIF_COMMAND` names, or else what cargo makes of the project, which takes
/// minutes the first time.
#[must_use]
#[track_caller]
pub fn memif() -> PathBuf {
    if let Some(given) = std::env::var_os("MEMIF_COMMAND") {
        return given.into();
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "-p", "memif-cli", "--bin", "memif"]).current_dir(&project);
    assert!(cargo.status().expect("cargo").success(), "the command cannot be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.join("target"), PathBuf::from);
    target.join("debug/memif")
}

impl Server<'_> {
    /// Downloads `/100MB` from the server as master and from it as slave, and fails where other bytes come.
    #[track_caller]
    pub fn must_serve(self) {
        let memif = memif();
        self.must_serve_as(&memif, "master", "slave");
        self.must_serve_as(&memif, "slave", "master");
    }

    #[track_caller]
    fn must_serve_as(self, memif: &Path, role: &str, other: &str) {
        let Self { program, mode, mtu } = self;
        let (directory, namespace) = (Directory::new(), Namespace::new());
        let (socket, to) = (directory.path("memif.sock"), directory.path("received"));
        let mtu = mtu.to_string();
        let mut server = Command::new(program);
        server.arg(&socket).args([role, &mtu]);
        let mut server = Program::start(server);
        let mut bridge = namespace.command(memif);
        bridge
            .args(["bridge", "--tap", DEVICE, "--role", other, "--mode", mode, "--mtu", &mtu, "--socket"])
            .arg(&socket);
        let mut bridge = Program::start(bridge);
        bridge.expect("device created");
        namespace.ip(&format!("address add 192.168.1.1/24 dev {DEVICE}"));
        bridge.expect("connected to");
        server.expect("serving");

        namespace.must(&format!("curl -sS -f --max-time 300 -o {} http://192.168.1.2/100MB", to.display()));
        let sum = Command::new("sha256sum").arg(&to).output().expect("sha256sum");
        let sum = String::from_utf8_lossy(&sum.stdout).into_owned();
        assert!(sum.starts_with(SHA256), "{program:?} as {role}, MTU {mtu}: other bytes came: {sum}");
        let missing = namespace.must("curl -sS -o /dev/null -w %{http_code} http://192.168.1.2/nothing");
        assert_eq!(missing, "404");
    }
}
