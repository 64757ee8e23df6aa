//! The example as its users run it, in both roles.

use std::path::PathBuf;
use std::process::Command;

use memif::{InterfaceConfig, Link, Role, Socket};
use testkit::Program;
use testkit::patience::STEP;
use testkit::traffic::{InOrder, packet};

use crate::common::{receive, send};

/// Has cargo build it: with tests it does so only where all targets are asked for.
pub(crate) fn build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "-p",
        "memif",
        "--example",
        "async_echo",
        "--locked",
        "--features",
        &crate::features::features(),
    ]);
    assert!(cargo.status().expect("cargo").success(), "the example cannot be built");
}

/// Where cargo puts it.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("this program");
    own.parent().and_then(|deps| deps.parent()).expect("the target directory").join("examples/async_echo")
}

pub(crate) fn async_echo() {
    for role in [Role::Master, Role::Slave] {
        let ours = if role == Role::Master { InterfaceConfig::slave(0) } else { InterfaceConfig::master(0) };
        let address = crate::runtimes::address();
        let mut socket: Socket = crate::runtimes::socket(&address).open().expect("a socket");
        let key = socket.add_interface(ours).expect("an interface");
        let mut command = Command::new(program());
        command.args([&address, &role.to_string()]);
        let _running = Program::start(command);
        // It goes on with the next link.
        for stream in 0..2 {
            let mut link: Link = socket.wait_connected(key, STEP).expect("a link");
            let mut order = InOrder::of(stream);
            for sequence in 0..1_000 {
                send(&mut link.tx[0], &packet(stream, sequence, 16 + sequence as usize));
                order.take(&receive(&mut link.rx[0]));
            }
        }
    }
}
