//! Namespaces with a bridge in each.

use testkit::Namespace;

use crate::util::{Directory, Program, command, start};

/// The device of every bridge.
pub(crate) const TAP: &str = "tap0";

/// Starts `memif bridge` in a namespace.
pub(crate) fn bridge(namespace: &Namespace, arguments: &str) -> Program {
    let line = format!("bridge --tap {TAP} {arguments}");
    let memif = command(&line);
    let mut inside = namespace.command(memif.get_program());
    inside.args(memif.get_args());
    start(inside, &line)
}

/// Whether the device has a carrier.
pub(crate) fn has_carrier(namespace: &Namespace) -> bool {
    let flags = namespace.ip(&format!("link show dev {TAP}"));
    assert!(flags.contains(",UP"), "{flags}");
    flags.contains("LOWER_UP") && !flags.contains("NO-CARRIER")
}

/// A namespace bridged to a responder outside of it, which has 192.168.1.2.
pub(crate) struct Single {
    pub(crate) bridge: Program,
    pub(crate) responder: Program,
    pub(crate) namespace: Namespace,
    directory: Directory,
    roles: [&'static str; 2],
    more: String,
}

impl Single {
    /// With further options of both, and of the bridge alone.
    pub(crate) fn new(bridge_role: &'static str, both: &str, alone: &str) -> Self {
        let namespace = Namespace::new();
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let other = if bridge_role == "slave" { "master" } else { "slave" };
        let mut bridge = bridge(&namespace, &format!("--socket {socket} --role {bridge_role} {both} {alone}"));
        bridge.expect("device created");
        let responder = respond(&socket, other, both);
        namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
        let roles = [bridge_role, other];
        let mut single = Self { bridge, responder, namespace, directory, roles, more: both.to_owned() };
        single.bridge.expect("connected to");
        single
    }

    /// The socket, as an option takes it.
    pub(crate) fn socket(&self) -> String {
        self.directory.text("memif.sock")
    }

    /// Another responder in place of the one that is gone.
    pub(crate) fn respond_again(&mut self) {
        self.responder = respond(&self.socket(), self.roles[1], &self.more);
    }

    /// Runs `ping`, of which every packet must be answered.
    #[track_caller]
    pub(crate) fn ping(&self, arguments: &str) {
        ping(&self.namespace, &format!("{arguments} 192.168.1.2"));
    }
}

fn respond(socket: &str, role: &str, more: &str) -> Program {
    let mut responder = crate::util::memif(&format!("responder --socket {socket} --role {role} {more}"));
    responder.expect("192.168.1.2");
    responder
}

/// Runs `ping` in a namespace, of which every packet must be answered.
#[track_caller]
pub(crate) fn ping(namespace: &Namespace, arguments: &str) {
    let said = namespace.must(&format!("ping -q {arguments}"));
    assert!(said.contains(" 0% packet loss"), "ping {arguments}: {said}");
}

/// Asserts that a bridge which was ended dropped nothing as long as it had its link, by what it says of a direction.
/// What the kernel sends in the moment of the end is lost with it.
#[track_caller]
pub(crate) fn nothing_dropped(line: &str) {
    let reasons = line.split_once(" dropped (").and_then(|(_, rest)| rest.split_once(')'));
    let only_the_end =
        reasons.is_some_and(|(reasons, _)| reasons.split(", ").all(|reason| reason.starts_with("no link: ")));
    assert!(line.contains(" 0 dropped") || only_the_end, "{line}");
}

/// Two namespaces, bridged to each other: `one` is the master and has 10.0.0.1 and fd00::1, `two` is the slave and
/// has 10.0.0.2 and fd00::2. Options for receive queues of the slave are for transmit queues of the master.
pub(crate) struct Pair {
    pub(crate) bridges: [Program; 2],
    pub(crate) namespaces: [Namespace; 2],
    pub(crate) directory: Directory,
    options: String,
}

impl Pair {
    /// With devices of the bridges.
    pub(crate) fn new(options: &str) -> Self {
        Self::prepared(options, |_| {})
    }

    /// With whatever `prepare` does to the namespaces before there are bridges.
    pub(crate) fn prepared(options: &str, prepare: impl Fn(&Namespace)) -> Self {
        let namespaces = [Namespace::new(), Namespace::new()];
        let directory = Directory::new();
        namespaces.iter().for_each(prepare);
        let options = format!("--socket {} {options}", directory.text("memif.sock"));
        let start = |end: usize| start_end(&namespaces[end], end, &options);
        let bridges = [start(0), start(1)];
        let mut pair = Self { bridges, namespaces, directory, options };
        for end in 0..2 {
            pair.bridges[end].expect("connected to");
            let last = end + 1;
            pair.namespaces[end].ip(&format!("address add 10.0.0.{last}/24 dev {TAP}"));
            pair.namespaces[end].ip(&format!("address add fd00::{last}/64 dev {TAP} nodad"));
        }
        pair
    }

    /// Kills the bridge of that end and starts another, once it is dead.
    pub(crate) fn replace(&mut self, end: usize) {
        self.bridges[end].kill_now();
        self.bridges[end] = start_end(&self.namespaces[end], end, &self.options);
    }
}

fn start_end(namespace: &Namespace, end: usize, options: &str) -> Program {
    let role = ["master", "slave"][end];
    let mirrored = |option| match option {
        "--rx-queues" => "--tx-queues",
        "--tx-queues" => "--rx-queues",
        other => other,
    };
    let options = match role {
        "master" => options.split(' ').map(mirrored).collect::<Vec<_>>().join(" "),
        _ => options.to_owned(),
    };
    let mut program = bridge(namespace, &format!("--role {role} {options}"));
    program.expect(" device ");
    program
}
