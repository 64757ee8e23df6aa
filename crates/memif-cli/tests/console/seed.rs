//! The sessions that libmemif's README shows, as it shows them, and how ours may differ: by names and versions, and by
//! counters after the lines of each interface.

/// At the start.
pub(crate) const BANNER: &str = "\
LIBMEMIF EXAMPLE APP: ICMP_Responder (debug)
==============================
libmemif version: 1.0 (debug)
memif version: 256
commands:
\thelp - prints this help
\texit - exit app
\tconn <index> - create memif (slave-mode)
\tdel  <index> - delete memif
\tshow - show connection details
\tip-set <index> <ip-addr> - set interface ip address
\trx-mode <index> <qid> <polling|interrupt> - set queue rx mode";

/// `show` as slave.
pub(crate) const SLAVE: &str = "\
MEMIF DETAILS
==============================
interface index: 0
\tinterface ip: 192.168.1.2
\tinterface name: memif_connection
\tapp name: ICMP_Responder
\tremote interface name: memif0/0
\tremote app name: VPP 17.10-rc0~132-g62f9cdd
\tid: 0
\tsecret: 
\trole: slave
\tmode: ethernet
\tsocket filename: /run/vpp/memif.sock
\trx queues:
\t\tqueue id: 0
\t\tring size: 1024
\t\tbuffer size: 2048
\ttx queues:
\t\tqueue id: 0
\t\tring size: 1024
\t\tbuffer size: 2048
\tlink: up
interface index: 1
\tno connection
";

/// `show` as master with two queues.
pub(crate) const MASTER: &str = "\
MEMIF DETAILS
==============================
interface index: 0
\tinterface ip: 192.168.1.2
\tinterface name: memif_connection
\tapp name: ICMP_Responder
\tremote interface name: memif0/0
\tremote app name: VPP 17.10-rc0~132-g62f9cdd
\tid: 0
\tsecret: 
\trole: master
\tmode: ethernet
\tsocket filename: /run/vpp/memif.sock
\trx queues:
\t\tqueue id: 0
\t\tring size: 1024
\t\tbuffer size: 2048
\t\tqueue id: 1
\t\tring size: 1024
\t\tbuffer size: 2048
\ttx queues:
\t\tqueue id: 0
\t\tring size: 1024
\t\tbuffer size: 2048
\t\tqueue id: 1
\t\tring size: 1024
\t\tbuffer size: 2048
\tlink: up
interface index: 1
\tno connection
";

/// What our banner must be, `(debug)` with `-v` only.
pub(crate) fn banner(debug: bool) -> Vec<String> {
    let version = concat!("libmemif version: ", env!("CARGO_PKG_VERSION"), " (memif for Rust)");
    let text = BANNER.replace("libmemif version: 1.0", version).replace("version: 256", "version: 512");
    lines(&if debug { text } else { text.replace(" (debug)", "") })
}

/// What our `show` must print beside a peer of those names, counters aside.
pub(crate) fn shown(block: &str, socket: &str, interface: &str, app: &str) -> Vec<String> {
    lines(
        &block
            .replace("/run/vpp/memif.sock", socket)
            .replace("memif0/0", interface)
            .replace("VPP 17.10-rc0~132-g62f9cdd", app),
    )
}

/// The lines of a block, as a terminal shows them: tabs go to the next eighth column.
pub(crate) fn lines(block: &str) -> Vec<String> {
    let mut lines: Vec<_> = block.lines().map(|line| line.replace('\t', "        ").trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Takes the counters out of what `show` printed. Gives the rest, and the counters.
pub(crate) fn split(printed: &[String]) -> (Vec<String>, Vec<String>) {
    let printed = lines(&printed.join("\n"));
    let (mut rest, mut counters) = (Vec::new(), Vec::new());
    let mut within = false;
    for line in printed {
        within = line == "        counters:" || (within && line.starts_with("                "));
        if within { counters.push(line) } else { rest.push(line) }
    }
    (rest, counters)
}
