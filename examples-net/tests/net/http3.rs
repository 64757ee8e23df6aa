//! A download by HTTP/3, between two processes.

use std::process::{Command, Stdio};

use testkit::{Directory, Program};

pub(crate) fn download() {
    for [server, client] in [["master", "slave"], ["slave", "master"]] {
        let directory = Directory::new();
        let (socket, certificate) = (directory.path("memif.sock"), directory.path("certificate"));
        let get = |path: &str| {
            let mut get = Command::new(env!("CARGO_BIN_EXE_h3_get"));
            get.arg(&socket).arg(client).arg(&certificate).arg(format!("https://192.168.1.2{path}"));
            get.stdin(Stdio::null()).output().expect("the client")
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_h3_server"));
        command.arg(&socket).arg(server).arg(&certificate);
        let mut server = Program::start(command);
        server.expect("its certificate is in");
        let got = get("/100MB");
        assert!(got.status.success(), "{got:?}", got = String::from_utf8_lossy(&got.stderr));
        super::assert_100mb(&got.stdout);
        // Over the next link.
        let got = get("/nothing");
        let said = String::from_utf8_lossy(&got.stderr);
        assert!(!got.status.success() && said.contains("404 Not Found") && got.stdout.is_empty(), "{said}");
    }
}
