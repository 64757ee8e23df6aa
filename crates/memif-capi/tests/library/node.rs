//! The npm package `memif`, an addon that others wrote for libmemif, unmodified from the registry.

use std::process::Command;
use std::sync::Mutex;

use crate::bed::{self, Bed, memif, output, root};

const PACKAGE: &str = "memif@0.0.20250210";

/// Where the addon is, once it has been built.
static ADDON: Mutex<Option<Bed>> = Mutex::new(None);

/// Fetches and compiles the addon, and what it talks to. It is not there afterwards if it could not be fetched, which
/// CI does not allow.
pub(crate) fn build() {
    bed::build_with_the_command();
    let bed = Bed::new();
    let directory = bed.path("addon");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    let fetched = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE])
        .current_dir(&directory)
        .output()
        .expect("npm starts");
    if !fetched.status.success() && !ci {
        println!("ignored: npm could not fetch {PACKAGE}: {fetched:?}");
        return;
    }
    assert!(fetched.status.success(), "{fetched:?}");
    // node-gyp comes with npm; the headers of node with node or with libnode-dev.
    let modules = output(Command::new("npm").args(["root", "-g"]));
    let gyp = [modules.trim(), "/usr/share/nodejs", "/usr/share"]
        .iter()
        .flat_map(|root| [format!("{root}/npm/node_modules/node-gyp"), format!("{root}/node-gyp")])
        .map(|package| std::path::PathBuf::from(package).join("bin/node-gyp.js"))
        .find(|script| script.exists())
        .expect("node-gyp (package node-gyp)");
    let mut build = Command::new("node");
    build.arg(gyp).arg("rebuild").current_dir(directory.join("node_modules/memif"));
    build.env("CXXFLAGS", format!("-I{}", bed.prefix().join("include").display()));
    build.env("LDFLAGS", format!("-L{}", bed.prefix().join("lib").display()));
    if std::path::Path::new("/usr/include/node/node.h").exists() {
        build.env("npm_config_nodedir", "/usr");
    }
    output(&mut build);
    *ADDON.lock().unwrap() = Some(bed);
}

pub(crate) fn node_addon() {
    let Some(bed) = ADDON.lock().unwrap().take() else { return };
    let directory = bed.path("addon");
    let script = root().join("tests/node/end.mjs");
    let node = |arguments: &[&str]| {
        let mut command = bed.under(&["node"]);
        command.arg(&script).args(arguments).current_dir(&directory);
        command
    };
    let socket = bed.path("node.sock");
    let socket = socket.to_str().unwrap();
    // Two processes of node.
    let mut echo = bed.start(&mut node(&["echo", socket]));
    echo.expect("ready");
    let said = output(&mut node(&["check", socket, "client", "2000"]));
    assert!(said.contains("up") && said.contains("2000 packets came back"), "{said}");
    assert!(said.contains("down"), "{said}");
    echo.expect("down after 2000 in, 2000 out, 0 dropped");
    drop(echo);
    // One with a C program.
    let forwarder = bed.compile("forwarder", &[]);
    let socket = bed.path("c.sock");
    let mut running = bed.start(bed.run(&forwarder).arg(&socket).arg("master"));
    running.expect("ready");
    let said = output(&mut node(&["check", socket.to_str().unwrap(), "client", "500"]));
    assert!(said.contains("500 packets came back"), "{said}");
    drop(running);
    // And one with the command, as each role.
    let memif = memif();
    let script = root().join("tests/node/ping.mjs");
    for (role, other) in [("client", "master"), ("server", "slave")] {
        let socket = bed.path(&format!("{role}.sock"));
        let mut responder = bed.run(memif);
        responder.args(["responder", "--ip", "192.168.1.1", "--role", other, "--socket"]);
        let responder = bed.start(responder.arg(&socket));
        let mut pinging = bed.under(&["node"]);
        pinging.arg(&script).arg(&socket).args([role, "500"]).current_dir(&directory);
        let said = output(&mut pinging);
        assert!(said.contains("500 pings were answered"), "{role}: {said}");
        drop(responder);
    }
}
