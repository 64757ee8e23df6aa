//! What to do next when a link does not come up.

use memif::{Breach, ConnectError, SocketAddress};

/// What to do about a failed attempt to connect to the master at `address`.
pub(crate) fn connect(error: &ConnectError, address: &SocketAddress) -> String {
    match error {
        ConnectError::NotFound => {
            format!(
                "start the master (VPP, or memif with --role master), or check --socket {address}"
            )
        }
        ConnectError::NobodyListens => {
            format!("start the master that serves {address}, or check --socket")
        }
        ConnectError::Permission => {
            "run as a user who may use the socket, or have the master give it to \
             this one (memif: --socket-mode, --socket-group, --allow-uid)"
                .to_owned()
        }
        ConnectError::WrongSocketType => {
            format!("{address} belongs to another kind of program: check --socket")
        }
        ConnectError::Busy => "wait, or look why the master does not accept connections".to_owned(),
        ConnectError::Refused(reason) => refused(reason).to_owned(),
        ConnectError::UnknownId => "check --id against the interfaces of the master".to_owned(),
        ConnectError::Closed(_) => {
            "look into the log of the master: some close so when the version or the id does not fit"
                .to_owned()
        }
        ConnectError::Breach(_) => {
            "see -v, and tell the makers of the master: it does not follow the protocol".to_owned()
        }
        ConnectError::Local(_) => {
            "raise the limits (ulimit -n, memory), or lower --ring-size, --buffer-size or --queues"
                .to_owned()
        }
        _ => "see -v, and check --socket".to_owned(),
    }
}

/// What to do about a slave that was refused.
pub(crate) fn refusal(reason: &Breach) -> &'static str {
    match reason {
        Breach::UnknownId(_) => "check the id at both ends (here: --id)",
        Breach::AlreadyConnected(_) => "give each slave an id of its own",
        Breach::Mode { .. } => "check the mode at both ends (here: --mode)",
        Breach::SecretRequired | Breach::SecretWrong => {
            "give both ends the same secret (here: --secret-file)"
        }
        Breach::NotAllowed { .. } => "run the slave as another user, or add --allow-uid",
        Breach::RegionUnsealed(_) => "leave --require-sealed out if you trust the slave",
        Breach::TooManyRings { .. } => {
            "raise --rx-queues and --tx-queues, or lower those of the slave"
        }
        Breach::Version { .. } => "the slave is of another version of the protocol: update it",
        _ => "see -v, and tell the makers of the slave: it does not follow the protocol",
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
    } else if says(&["mode"]) {
        "check --mode against the master"
    } else if says(&["interface id", "id not found"]) {
        "check --id against the interfaces of the master"
    } else if says(&["connect to slave"]) {
        "the interface there is a slave too: make one of the two the master (here: --role master)"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_advice_that_fits() {
        let address: SocketAddress = "@x".parse().unwrap();
        for (error, word) in [
            (ConnectError::NotFound, "--socket @x"),
            (ConnectError::NobodyListens, "start the master"),
            (ConnectError::Permission, "run as a user"),
            (ConnectError::WrongSocketType, "--socket"),
            (ConnectError::Busy, "wait"),
            (ConnectError::UnknownId, "--id"),
            (ConnectError::Closed("HELLO"), "log of the master"),
            (ConnectError::Local("no memory".into()), "--ring-size"),
            (ConnectError::Refused("incorrect secret".into()), "--secret-file"),
            (ConnectError::Refused("Incorrect secret".into()), "--secret-file"),
            (ConnectError::Refused("Already connected".into()), "stop it"),
            (ConnectError::Refused("Mode mismatch".into()), "--mode"),
            (ConnectError::Refused("unmatched interface id".into()), "--id"),
            (ConnectError::Refused("ID not found".into()), "--id"),
            (ConnectError::Refused("cannot connect to slave".into()), "--role"),
            (ConnectError::Refused("Invalid ring index".into()), "--rx-queues"),
            (ConnectError::Refused("incompatible version".into()), "version"),
            (ConnectError::Refused("Invalid message size".into()), "log of the master"),
            (ConnectError::Refused("more than 1 S2M rings".into()), "--rx-queues"),
            (ConnectError::Refused("uid 1 gid 1 not allowed".into()), "--allow-uid"),
            (ConnectError::Refused("because".into()), "log of the master"),
        ] {
            let advice = connect(&error, &address);
            assert!(advice.contains(word), "{error:?}: {advice}");
        }
    }

    #[test]
    fn a_refused_slave_is_told_about_with_advice() {
        assert!(refusal(&Breach::UnknownId(3)).contains("--id"));
        assert!(refusal(&Breach::SecretWrong).contains("--secret-file"));
        assert!(refusal(&Breach::NoRings).contains("makers"));
    }
}
