//! The kernel's own `curl` downloads from the example `http_server`, through `memif bridge`.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::download::Server;

/// Has cargo build both: the one only where all examples are asked for, the other is a package of its own.
pub(crate) fn build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "-p", "memif", "--example", "http_server", "--features"]);
    let built = cargo.arg(crate::features::features()).status().expect("cargo");
    assert!(built.success(), "the example cannot be built");
    let _ = testkit::download::memif();
}

/// The folder that cargo puts programs in.
fn programs() -> PathBuf {
    let own = std::env::current_exe().expect("this program");
    own.parent().and_then(Path::parent).expect("the target directory").to_owned()
}

fn download(mtu: u32) {
    Server { program: &programs().join("examples/http_server"), mode: "ethernet", mtu }.must_serve();
}

pub(crate) fn mtu_1500() {
    download(1500);
}

pub(crate) fn mtu_9000() {
    download(9000);
}
