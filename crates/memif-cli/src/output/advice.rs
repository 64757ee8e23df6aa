//! What to do next when a link does not come up.

use std::io;

use memif::{Breach, ConnectError, Refusal, SocketAddress};

use crate::error::about_call;
use crate::paths::{REMOVED, is_removed, missing_directory};

/// What to do about a slave that left by its own choice.
pub(crate) const LEFT: &str = "its own output says why, perhaps: look there";

/// What to do about a failed attempt to connect to the master at `address`.
pub(crate) fn connect(error: &ConnectError, address: &SocketAddress) -> String {
    match error {
        ConnectError::NotFound => not_found(address),
        ConnectError::NobodyListens if is_removed_at(address) => REMOVED.to_owned(),
        ConnectError::NobodyListens => {
            format!("start the master that serves {address}, or check --socket")
        }
        ConnectError::NotASocket => {
            format!("check --socket: {address} must be the socket that the master made")
        }
        ConnectError::Permission => format!(
            "run as a user who may use the socket, or have the master give it to this one (memif: \
             --socket-mode, --socket-group, --allow-uid); `memif show {address}` names what forbids it"
        ),
        ConnectError::WrongSocketType => {
            format!(
                "{address} belongs to another kind of program: check --socket \
                 (`memif show {address}` tells whose it is)"
            )
        }
        ConnectError::Busy => "wait, or look why the master does not accept connections".to_owned(),
        ConnectError::Refused(reason) => refused(reason).to_owned(),
        ConnectError::UnknownId => "check --id against the interfaces of the master".to_owned(),
        ConnectError::Closed(_) => {
            "look into the log of the master: some close so when the version or the id does not fit".to_owned()
        }
        ConnectError::GaveUp(reason) => broken_off(reason, address),
        // It tells itself what to do.
        ConnectError::Local(what) if what.to_string().contains("huge pages") => "the option is --huge-pages".to_owned(),
        ConnectError::Local(what) => about_call(what.raw_os_error()).unwrap_or(LIMITS).to_owned(),
        ConnectError::Io(what) => about_call(what.raw_os_error()).unwrap_or("see -v, and check --socket").to_owned(),
        _ => "see -v, and check --socket".to_owned(),
    }
}

/// What to do when a master can take nobody in.
pub(crate) fn accept(error: &io::Error) -> &'static str {
    about_call(error.raw_os_error()).unwrap_or("slaves wait meanwhile; look what this machine is short of")
}

/// What to do where the kernel's number does not say it.
const LIMITS: &str = "raise the limits (ulimit -n, memory), or lower --ring-size, --buffer-size or --queues";

fn is_removed_at(address: &SocketAddress) -> bool {
    matches!(address, SocketAddress::Path(path) if is_removed(path))
}

/// What it means that the peer transmits on more queues than the link has, and what to do.
pub(crate) fn surplus(rx_queues: u8) -> String {
    format!(
        "the peer transmits on more queues than this link has receive queues ({rx_queues}), and what it sends on the others is \
         lost; {BRING_MORE}"
    )
}

/// What may be the matter when nothing comes from a DPDK over a link with so many receive queues.
pub(crate) fn perhaps_surplus(rx_queues: usize) -> String {
    format!(
        "the peer is a DPDK: where it has more transmit queues than this link has receive queues ({rx_queues}), as OVS has, \
         its answers can be lost; {BRING_MORE}"
    )
}

const BRING_MORE: &str =
    "give --rx-queues auto, or --rx-queues with the number of its transmit queues (OVS: its PMD threads + 1)";

/// What to do about a slave that was refused.
pub(crate) fn refusal(reason: &Refusal) -> &'static str {
    match reason {
        Refusal::UnknownId(_) => "check the id at both ends (here: --id)",
        Refusal::AlreadyConnected(_) => "give each slave an id of its own",
        Refusal::AdminDown(_) => "set the interface up here, or choose another id",
        Refusal::Mode { .. } => "check the mode at both ends (here: --mode)",
        Refusal::SecretRequired | Refusal::SecretWrong => "give both ends the same secret (here: --secret-file)",
        Refusal::NotAllowed { .. } => "run the slave as another user, or add --allow-uid",
        Refusal::Version { .. } => "the slave is of another version of the protocol: update it",
        Refusal::HandshakeTimeout(_) => "look whether the slave runs: it is halted, very busy, or no memif program",
        Refusal::Evicted | Refusal::TooManyDescriptors(_) => {
            "too many connect at the same time and do not go on: find out who with `memif show`"
        }
        Refusal::Breach(breach) => slaves_breach(breach),
        _ => "see -v",
    }
}

/// What to do about a slave that did what this side does not take.
fn slaves_breach(breach: &Breach) -> &'static str {
    match breach {
        Breach::RegionUnsealed(_) => "leave --require-sealed out if you trust the slave",
        Breach::TooManyRings { .. } => {
            "give the slave fewer queues, or let this side take more: --max-queues, in place of --queues and the like"
        }
        Breach::LinkRings(_) | Breach::LinkSlots(_) | Breach::LinkDescriptors(_) => {
            "give the slave fewer queues or smaller rings"
        }
        Breach::CacheLine { .. } => "leave --cacheline out here: a master takes what its slave has",
        Breach::NoRingOneWay(_) => "give the slave queues in both directions",
        Breach::RingSize { .. } => "lower the ring size of the slave to 16384 (VPP: ring-size 16384)",
        Breach::RegionSize { .. } | Breach::TooManyRegions(_) => {
            "give the slave fewer or smaller queues and buffers, or switch its zero-copy off"
        }
        Breach::RegionMap { .. } => {
            "raise the limits of this process (ulimit -v), or lower rings and buffers of the slave"
        }
        Breach::ControlTruncated => "raise the limit of open files here (ulimit -n)",
        // How a slave takes its leave before INIT, this program's among them.
        Breach::UnexpectedMessage { message: "ACK", .. } => {
            "the slave gave up at once: its own output says why; was this side halted or very busy?"
        }
        Breach::SlowReader => "look whether the slave runs: it does not read what it is told",
        Breach::MessageLength(_)
        | Breach::UnknownType(_)
        | Breach::UnexpectedMessage { state: "waiting for INIT", .. } => {
            "the slave speaks another protocol: a relative of memif with other messages, such as IBM's miif, or none"
        }
        _ => "see -v, and tell the makers of the slave: it does not follow the protocol",
    }
}

/// Nothing stands at the address: perhaps not even the directory.
fn not_found(address: &SocketAddress) -> String {
    let SocketAddress::Path(path) = address else {
        return format!("start the master, or check --socket {address}");
    };
    match missing_directory(path) {
        Some(directory) => format!(
            "the directory {0} does not exist: start the program that makes it (VPP makes /run/vpp), \
             share it with the container this runs in, or check --socket {address}",
            directory.display(),
        ),
        None => {
            format!("start the master (VPP, or memif with --role master), or check --socket {address}")
        }
    }
}

/// This slave ended the handshake.
fn broken_off(reason: &Refusal, address: &SocketAddress) -> String {
    match reason {
        Refusal::HandshakeTimeout(_) => format!(
            "look whether the master runs: it is halted, very busy, or no memif program \
             (`memif show {address}` tells whose the socket is)"
        ),
        Refusal::Version { .. } => "this program speaks 2.0 (0x0200): update the master".to_owned(),
        Refusal::NotAllowed { .. } => "run the master as another user, or allow this one here".to_owned(),
        Refusal::Breach(Breach::ControlTruncated) => "raise the limit of open files here (ulimit -n)".to_owned(),
        Refusal::Breach(
            Breach::MessageLength(_)
            | Breach::UnknownType(_)
            | Breach::UnexpectedMessage { state: "waiting for HELLO", .. },
        ) => format!(
            "what listens there speaks another protocol: a relative of memif with other messages, such as IBM's miif, or \
             none (`memif show {address}` tells whose the socket is)"
        ),
        _ => "see -v, and tell the makers of the master: it does not follow the protocol".to_owned(),
    }
}

/// Masters refuse in words of their own; these occur in VPP, DPDK, libmemif and this program.
fn refused(reason: &str) -> &'static str {
    let reason = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["secret"]) {
        "give the secret of the master with --secret-file (or --secret)"
    } else if says(&["already connected"]) {
        "another slave has this id: stop it, or choose another --id"
    } else if says(&["is down"]) {
        "set the interface of the master up, or choose another --id"
    } else if says(&["mode"]) {
        "check --mode against the master"
    } else if says_unknown_id(&reason) {
        "check --id against the interfaces of the master"
    } else if says(&["interface deleted"]) {
        "the interface was deleted at the master: create it again there, or choose another --id"
    } else if says(&["connect to slave"]) {
        "the interface there is a slave too: make one of the two the master (here: --role master)"
    } else if says(&["handshake", "too many unfinished"]) {
        "this side or the master is very busy: wait, and look what takes the processors"
    } else if says(&["cookie", "message size", "mmap"]) {
        "look into the log of the master"
    } else if says(&["bring at most", "bring fewer"]) {
        "lower --rx-queues, --tx-queues and --ring-size here, or raise what the master takes (memif: --max-queues)"
    } else if says(&["invalid ring index"]) {
        "the master has fewer queues: lower --rx-queues (auto finds the number) or --tx-queues, or raise its own"
    } else if says(&["cache line"]) {
        "give --cacheline with the bytes that the master was built for, or leave it out at the master"
    } else if says(&["ring", "queue"]) {
        "check --rx-queues, --tx-queues and --ring-size against the master"
    } else if says(&["version"]) {
        "the master is of another version of the protocol: update it"
    } else if says(&["not allowed"]) {
        "have the master allow this user (memif: --allow-uid)"
    } else {
        "look into the log of the master"
    }
}

/// Whether a master that refuses means that it has no such interface.
pub(crate) fn says_unknown_id(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["interface id", "id not found"].iter().any(|words| reason.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_advice_that_fits() {
        let address: SocketAddress = "@x".parse().unwrap();
        let kernel = |number| memif::SystemError::from(io::Error::from_raw_os_error(number));
        let many = Breach::TooManyRings { direction: "M2S", limit: 1 };
        let lines = Breach::CacheLine { slave: memif::CacheLine::Of64, master: memif::CacheLine::Of128 };
        for (error, word) in [
            (ConnectError::NotFound, "--socket @x"),
            (ConnectError::NobodyListens, "start the master"),
            (ConnectError::NotASocket, "check --socket"),
            (ConnectError::GaveUp(Refusal::HandshakeTimeout(5000)), "memif show @x"),
            (ConnectError::GaveUp(Refusal::Version { min: 256, max: 256 }), "update the master"),
            (ConnectError::GaveUp(Refusal::Breach(Breach::ControlTruncated)), "ulimit -n"),
            (ConnectError::GaveUp(Refusal::Breach(Breach::UnknownType(99))), "miif"),
            (ConnectError::GaveUp(Refusal::Breach(Breach::MessageLength(64))), "memif show @x"),
            (ConnectError::GaveUp(Refusal::Breach(Breach::SlowReader)), "makers of the master"),
            (ConnectError::Permission, "run as a user"),
            (ConnectError::WrongSocketType, "--socket"),
            (ConnectError::Busy, "wait"),
            (ConnectError::UnknownId, "--id"),
            (ConnectError::Closed("HELLO"), "log of the master"),
            (ConnectError::Local("no memory".into()), "--ring-size"),
            (ConnectError::Local(kernel(24)), "ulimit -n"),
            (ConnectError::Local(kernel(12)), "ulimit -v"),
            (ConnectError::Local(kernel(1)), "seccomp"),
            (ConnectError::Io(kernel(38)), "seccomp"),
            (ConnectError::Local("no 3 huge pages".into()), "--huge-pages"),
            (ConnectError::Refused("incorrect secret".into()), "--secret-file"),
            (ConnectError::Refused("Incorrect secret".into()), "--secret-file"),
            (ConnectError::Refused("Already connected".into()), "stop it"),
            (ConnectError::Refused("Mode mismatch".into()), "--mode"),
            (ConnectError::Refused("unmatched interface id".into()), "--id"),
            (ConnectError::Refused("ID not found".into()), "--id"),
            (ConnectError::Refused("cannot connect to slave".into()), "--role"),
            (ConnectError::Refused("Invalid ring index".into()), "lower --rx-queues"),
            (ConnectError::Refused("incompatible version".into()), "version"),
            (ConnectError::Refused("Invalid message size".into()), "log of the master"),
            (ConnectError::Refused(many.to_string()), "--max-queues"),
            (ConnectError::Refused(lines.to_string()), "--cacheline"),
            (ConnectError::Refused(Breach::LinkSlots(9).to_string()), "--ring-size"),
            (ConnectError::Refused("uid 1 gid 1 not allowed".into()), "--allow-uid"),
            (ConnectError::Refused("interface id 3 is down".into()), "interface of the master up"),
            (ConnectError::Refused("interface id 3 already connected".into()), "stop it"),
            (ConnectError::Refused("interface deleted".into()), "create it again"),
            (ConnectError::Refused("handshake not done in 5000 ms".into()), "very busy"),
            (ConnectError::Refused("wrong cookie on tx ring 0".into()), "log of the master"),
            (ConnectError::Refused("because".into()), "log of the master"),
        ] {
            let advice = connect(&error, &address);
            assert!(advice.contains(word), "{error:?}: {advice}");
        }
    }

    #[test]
    fn a_refused_slave_is_told_about_with_advice() {
        assert!(refusal(&Refusal::UnknownId(3)).contains("--id"));
        assert!(refusal(&Refusal::SecretWrong).contains("--secret-file"));
        assert!(slaves_breach(&Breach::NoRings).contains("makers"));
        assert!(slaves_breach(&Breach::MessageLength(200)).contains("another protocol"));
        assert!(slaves_breach(&Breach::NoRingOneWay("S2M")).contains("both directions"));
        let many = Breach::TooManyRings { direction: "S2M", limit: 32 };
        // Not together with the options by which this master may have been limited.
        assert!(slaves_breach(&many).contains("--max-queues, in place of --queues"));
        assert!(slaves_breach(&Breach::LinkSlots(1)).contains("smaller rings"));
        assert!(refusal(&Refusal::HandshakeTimeout(5000)).contains("halted"));
        let leave = Breach::UnexpectedMessage { message: "ACK", state: "waiting for INIT" };
        assert!(slaves_breach(&leave).contains("gave up"));
        let ring = Breach::RingSize { direction: "S2M", index: 0, log2: 15 };
        assert!(slaves_breach(&ring).contains("16384"));
    }

    #[test]
    fn surplus_queues_are_told_with_the_option_that_helps() {
        for text in [surplus(1), perhaps_surplus(1)] {
            assert!(text.contains("receive queues (1)"), "{text}");
            assert!(text.contains("--rx-queues auto"), "{text}");
            assert!(text.contains("PMD threads + 1"), "{text}");
        }
    }

    #[test]
    fn only_faults_of_the_peer_are_told_to_its_makers() {
        for innocent in
            [Refusal::HandshakeTimeout(1), Refusal::Version { min: 1, max: 1 }, Refusal::NotAllowed { uid: 1, gid: 1 }]
        {
            let address = SocketAddress::default();
            let texts = [
                refusal(&innocent).to_owned(),
                connect(&ConnectError::GaveUp(innocent.clone()), &address),
                ConnectError::GaveUp(innocent.clone()).to_string(),
            ];
            for text in texts {
                let blames = text.contains("makers") || text.contains("broke the protocol");
                assert!(!blames, "{innocent:?}: {text}");
            }
        }
    }

    #[test]
    fn a_missing_directory_is_named() {
        let address: SocketAddress = "/nonexistent/deeper/memif.sock".parse().unwrap();
        let advice = connect(&ConnectError::NotFound, &address);
        assert!(advice.contains("directory /nonexistent does not exist"), "{advice}");
        let address: SocketAddress = "/memif-no-such.sock".parse().unwrap();
        assert!(connect(&ConnectError::NotFound, &address).contains("start the master"));
        let address: SocketAddress = "memif-no-such.sock".parse().unwrap();
        assert!(connect(&ConnectError::NotFound, &address).contains("start the master"));
    }
}
