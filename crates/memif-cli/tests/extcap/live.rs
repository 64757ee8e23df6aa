//! Packets in a pipe.

use std::fs::{self, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use super::answers::interface_of;
use super::util::{Directory, Finished, Program, abstract_name, master, memif, start};

/// The user who is not root.
const NOBODY: &str = "65534";

/// A command as an ordinary user: nobody, where this is root.
fn ordinary(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all", program]);
    command
}

/// Both ends and tshark are of one ordinary user.
pub(crate) fn ordinary_user() {
    let directory = Directory::new();
    let home = directory.path("");
    fs::set_permissions(&home, Permissions::from_mode(0o777)).unwrap();
    // Where a user who is not the one who built it can execute it.
    let program = directory.text("memif");
    fs::copy(env!("CARGO_BIN_EXE_memif"), &program).unwrap();
    for folder in [".config/wireshark/extcap", ".local/lib/wireshark/extcap"] {
        fs::create_dir_all(home.join(folder)).unwrap();
        symlink(&program, home.join(folder).join("memif-extcap")).unwrap();
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = ordinary(program);
        command.args(arguments).env("HOME", &home).env_remove("XDG_CONFIG_HOME");
        start(command, program)
    };
    let socket = abstract_name();
    let mut responder = run(&program, &["responder", "--role", "master", "--socket", &socket]);
    responder.expect("master on");
    let mut ping = run(&program, &["ping", "192.168.1.2", "--interval", "0.02", "--socket", &socket]);
    ping.expect("icmp_seq=2");

    let listed = run("tshark", &["-D"]).finish().code(0);
    let line = listed.out.lines().find(|line| line.contains(&format!(" {} (", ping.pid())));
    let interface = line.unwrap_or_else(|| panic!("{listed:#?}")).split_whitespace().nth(1).unwrap().to_owned();
    let live = run("tshark", &["-n", "-i", &interface, "-c", "5", "-f", "icmp[0] == 8"]).finish().code(0);
    let requests = live.out.lines().filter(|line| line.contains("Echo (ping) request")).count();
    assert_eq!((requests, live.out.lines().count()), (5, 5), "{live:#?}");
    assert!(!live.err.contains("memif:"), "nothing to complain of: {live:#?}");
}

/// A capture into a pipe, and who reads that.
struct Piped {
    program: Program,
    pipe: PathBuf,
    directory: Directory,
}

impl Piped {
    fn start(arguments: &str) -> Self {
        let directory = Directory::new();
        let pipe = directory.path("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let program = memif(&format!("extcap --capture --fifo {} {arguments}", pipe.display()));
        Self { program, pipe, directory }
    }

    /// All that comes, and how it ended.
    fn end(self) -> (Vec<u8>, Finished) {
        let mut all = Vec::new();
        File::open(&self.pipe).unwrap().read_to_end(&mut all).unwrap();
        let finished = self.program.finish();
        drop(self.directory);
        (all, finished)
    }
}

/// Echo requests and replies in a file.
fn echoes(file: &[u8]) -> usize {
    file.windows(2).filter(|ports| ports == b"\x08\x00").count()
}

pub(crate) fn endpoint() {
    let socket = abstract_name();
    let options = format!("--extcap-interface memif --role master --socket {socket} --extcap-capture-filter arp");
    let piped = Piped::start(&options);
    let mut reader = File::open(&piped.pipe).unwrap();
    // Nobody answers its question for the address.
    memif(&format!("ping 192.168.1.2 --socket {socket} --timeout 0.3")).finish();
    piped.program.terminate();
    let mut file = Vec::new();
    reader.read_to_end(&mut file).unwrap();
    piped.program.finish().code(0);
    assert_eq!(file[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let question = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1];
    assert!(file.windows(question.len()).any(|bytes| bytes == question), "{file:02x?}");
}

pub(crate) fn link_ends() {
    let socket = abstract_name();
    let _responder = master(&socket, "");
    let mut ping = memif(&format!("ping 192.168.1.2 --interval 0.01 --count 100 --socket {socket}"));
    ping.expect("icmp_seq=2");
    let piped = Piped::start(&format!("--extcap-interface {}", interface_of(ping.pid())));
    let (file, finished) = piped.end();
    ping.finish().code(0);
    finished.code(0).complains("the link is gone: process ");
    let text = String::from_utf8_lossy(&file);
    assert!(text.contains("the end of the link: process "), "the reason stands in the statistics");
    assert!(echoes(&file) > 10);
}

/// Pings all the time, and an extcap that captures them, whose reader has got the head of the file.
fn running() -> (Piped, File, [Program; 2]) {
    let socket = abstract_name();
    let responder = master(&socket, "");
    let mut ping = memif(&format!("ping 192.168.1.2 --interval 0.01 --socket {socket}"));
    ping.expect("icmp_seq=2");
    // A filter that nothing passes: the pipe is quiet.
    let piped = Piped::start(&format!("--extcap-interface {} --extcap-capture-filter vrrp", interface_of(ping.pid())));
    let mut reader = File::open(&piped.pipe).unwrap();
    reader.read_exact(&mut [0; 28]).unwrap();
    (piped, reader, [responder, ping])
}

pub(crate) fn sigterm() {
    let (piped, mut reader, _others) = running();
    piped.program.terminate();
    reader.read_to_end(&mut Vec::new()).unwrap();
    let finished = piped.program.finish().code(0);
    assert_eq!(finished.err, "", "{finished:?}");
}

pub(crate) fn reader_goes() {
    let (piped, reader, _others) = running();
    drop(reader);
    piped.program.finish().code(0);
}

/// A link that never had a packet, so that what its packets begin with is waited for.
pub(crate) fn quiet() {
    let socket = abstract_name();
    let mut master = master(&socket, "");
    let _slave = memif(&format!("responder --socket {socket} --ip 192.168.1.3"));
    master.expect("connected");
    let interface = interface_of(master.pid());
    let piped = Piped::start(&format!("--extcap-interface {interface}"));
    // It opens the pipe, and has nothing to write yet.
    drop(File::open(&piped.pipe).unwrap());
    piped.program.finish().code(0);
    // No packet is needed to see that this is no filter, of frames or of IP.
    let wrong = Piped::start(&format!("--extcap-interface {interface} --extcap-capture-filter nonsense"));
    let (file, finished) = wrong.end();
    finished.code(2).complains("column 1 of the filter");
    assert!(file.is_empty());
}

pub(crate) fn failures() {
    for (arguments, answer) in [
        ("--extcap-interface memif-0-0-0", "there is no link 0:0:0"),
        ("--extcap-interface memif --extcap-capture-filter nonsense", "column 1 of the filter"),
        ("--extcap-interface memif --role master --socket /nonexistent/memif.sock", "create it"),
        ("--extcap-interface memif --mode token", "token"),
        ("--extcap-interface memif --secret-file /nonexistent", "cannot read the secret"),
    ] {
        let (file, finished) = Piped::start(arguments).end();
        finished.code(2).complains(answer);
        // Where something was written already, the reason stands there, too.
        let text = String::from_utf8_lossy(&file);
        assert!(file.is_empty() || text.contains("the end of the capture: "), "{arguments}");
    }
}
