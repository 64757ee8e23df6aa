//! What a person types: one command per line.

use std::net::IpAddr;

use memif::{Role, RxMode};

use super::words::{mode, name, role};
use crate::endpoint::values::not_an_address;
use crate::packet::station::{is_host, is_host6};

/// The largest index: the third byte of an address is one more.
pub(crate) const MAX_INDEX: u8 = 254;

/// The list that is printed at the start, as libmemif's example prints it.
pub(crate) const COMMANDS: &str = "commands:
\thelp - prints this help
\texit - exit app
\tconn <index> - create memif (slave-mode)
\tdel  <index> - delete memif
\tshow - show connection details
\tip-set <index> <ip-addr> - set interface ip address
\trx-mode <index> <qid> <polling|interrupt> - set queue rx mode";

/// What else is good to know.
pub(crate) const MORE_HELP: &str = "details:
\tconn <index> 1 - create memif (master-mode); conn <index> 0 is conn <index>
\t<index> - 0 to 254: the id of the interface; its address is 192.168.<index + 1>.2
\tip-set <index> <IPv6 address> - answer for that address, too
\trx-mode <index> <qid> adaptive - poll while packets come, else sleep (the default)
\twords may be cut short, as in c 0; Tab completes them, and ? tells how a line goes on
\tCtrl-C, Ctrl-D or the end of the input is exit, and so is quit";

/// A command that can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    /// How the line goes on that ends with a question mark.
    Explain,
    Exit,
    Conn(u8, Role),
    Del(u8),
    Show,
    IpSet(u8, IpAddr),
    RxMode(u8, u8, RxMode),
}

/// Reads a line; `None` when there is nothing on it.
///
/// # Errors
/// What is wrong with it and how it is right, as one line.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, String> {
    // The prompt may come along when a session is copied from a document.
    let line = line.trim_start().strip_prefix("# ").unwrap_or(line);
    let mut words = line.split_whitespace();
    let Some(typed) = words.next() else { return Ok(None) };
    let arguments: Vec<&str> = words.collect();
    let command = match (name(typed), arguments.as_slice()) {
        _ if line.trim_end().ends_with('?') => Command::Explain,
        ("help", []) => Command::Help,
        ("exit", []) => Command::Exit,
        ("show", []) => Command::Show,
        ("conn", [at]) => Command::Conn(index(at)?, Role::Slave),
        ("conn", [at, role]) => Command::Conn(index(at)?, parse_role(role)?),
        ("del", [at]) => Command::Del(index(at)?),
        ("ip-set", [at, ip]) => Command::IpSet(index(at)?, parse_ip(ip)?),
        ("rx-mode", [at, queue, mode]) => Command::RxMode(index(at)?, parse_queue(queue)?, parse_mode(mode)?),
        (name, _) => return Err(usage(name)),
    };
    Ok(Some(command))
}

fn usage(name: &str) -> String {
    let form = match name {
        "help" | "exit" | "show" => return format!("{name} stands alone: type {name}"),
        "conn" => "conn <index> [0|1], as in conn 0 (slave) or conn 0 1 (master)",
        "del" => "del <index>, as in del 0",
        "ip-set" => "ip-set <index> <ip-addr>, as in ip-set 0 192.168.1.2",
        "rx-mode" => "rx-mode <index> <qid> <polling|interrupt|adaptive>, as in rx-mode 0 0 polling",
        _ => {
            return format!("unknown command {}: type help, exit, conn, del, show, ip-set or rx-mode", quoted(name));
        }
    };
    format!("type {form}")
}

fn index(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|index| *index <= MAX_INDEX).ok_or_else(|| {
        format!(
            "{} is no index: give a number from 0 to {MAX_INDEX}, since interface i has the address \
             192.168.<i + 1>.2",
            quoted(text)
        )
    })
}

fn parse_role(text: &str) -> Result<Role, String> {
    match text {
        "0" => Ok(Role::Slave),
        "1" => Ok(Role::Master),
        _ => role(text).parse().map_err(|_| format!("{} is no role: give 0 for slave or 1 for master", quoted(text))),
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let ip = text.parse().map_err(|_| {
        let give = not_an_address(text, "one such as 192.168.1.2 or fd00::2");
        format!("{} is no IP address: {give}", quoted(text))
    })?;
    let host = match ip {
        IpAddr::V4(ip) => is_host(ip),
        IpAddr::V6(ip) => is_host6(ip),
    };
    if host {
        Ok(ip)
    } else {
        Err(format!("{ip} is not the address of one host: give one such as 192.168.1.2 or fd00::2"))
    }
}

fn parse_queue(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| format!("{} is no queue: give the queue id that show prints, as in 0", quoted(text)))
}

fn parse_mode(text: &str) -> Result<RxMode, String> {
    mode(text).parse().map_err(|_| format!("{} is no receive mode: give polling, interrupt or adaptive", quoted(text)))
}

/// A word as it was typed, as far as that goes on a line.
fn quoted(word: &str) -> String {
    const MOST: usize = 40;
    let shown: String = word.chars().take(MOST).collect();
    let more = if shown.len() < word.len() { "..." } else { "" };
    format!("{shown:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read() {
        let index = |at| (at, Role::Slave);
        for (line, wanted) in [
            ("help", Command::Help),
            ("  exit\t", Command::Exit),
            ("show", Command::Show),
            ("conn 0", Command::Conn(index(0).0, Role::Slave)),
            ("conn 0 0", Command::Conn(0, Role::Slave)),
            ("# conn 254 1", Command::Conn(254, Role::Master)),
            ("conn 1 master", Command::Conn(1, Role::Master)),
            ("conn 1 client", Command::Conn(1, Role::Slave)),
            ("del  7", Command::Del(7)),
            ("ip-set 1 10.0.0.9", Command::IpSet(1, "10.0.0.9".parse().unwrap())),
            ("ip-set 1 fd00::9", Command::IpSet(1, "fd00::9".parse().unwrap())),
            ("rx-mode 0 1 polling", Command::RxMode(0, 1, RxMode::Polling)),
            ("rx-mode 0 1 interrupt", Command::RxMode(0, 1, RxMode::Interrupt)),
            ("rx-mode 0 1 adaptive", Command::RxMode(0, 1, RxMode::Adaptive)),
            ("c 3 m", Command::Conn(3, Role::Master)),
            ("d 3", Command::Del(3)),
            ("sh", Command::Show),
            ("q", Command::Exit),
            ("i 1 fd00::9", Command::IpSet(1, "fd00::9".parse().unwrap())),
            ("rx 0 1 p", Command::RxMode(0, 1, RxMode::Polling)),
            ("?", Command::Explain),
            ("conn ?", Command::Explain),
            ("conn 0?", Command::Explain),
        ] {
            assert_eq!(parse(line), Ok(Some(wanted)), "{line}");
        }
        for nothing in ["", "  \t", "# "] {
            assert_eq!(parse(nothing), Ok(None));
        }
    }

    #[test]
    fn every_command_used_wrongly_has_an_answer() {
        for (line, answer) in [
            ("help me", "type help"),
            ("exit now", "type exit"),
            ("show 0", "type show"),
            ("conn", "conn <index> [0|1]"),
            ("conn 0 1 2", "conn <index> [0|1]"),
            ("conn x", "\"x\" is no index: give a number from 0 to 254"),
            ("conn -1", "from 0 to 254"),
            ("conn 255", "192.168.<i + 1>.2"),
            ("conn 0 2", "0 for slave or 1 for master"),
            ("del", "del <index>"),
            ("del all", "no index"),
            ("ip-set", "ip-set <index> <ip-addr>"),
            ("ip-set 0", "ip-set <index> <ip-addr>"),
            ("ip-set 0 1.2.3", "192.168.1.2"),
            ("ip-set 0 10.0.0.1/24", "without /24"),
            ("ip-set 0 224.0.0.1", "not the address of one host"),
            ("ip-set 0 ff02::1", "not the address of one host"),
            ("rx-mode", "rx-mode <index> <qid>"),
            ("rx-mode 0 0", "rx-mode <index> <qid>"),
            ("rx-mode 0 x polling", "\"x\" is no queue"),
            ("rx-mode 0 0 busy", "polling, interrupt or adaptive"),
            ("shwo", "unknown command \"shwo\": type help, exit, conn"),
            ("SHOW", "unknown command"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(answer), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic_and_answered_on_one_short_line(line: String) {
            if let Err(answer) = parse(&line) {
                prop_assert!(!answer.chars().any(char::is_control), "{answer:?}");
                prop_assert!(answer.len() < 1000);
            }
        }
    }
}
