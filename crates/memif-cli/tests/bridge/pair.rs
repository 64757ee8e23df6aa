//! Two namespaces over two bridges.

use std::fs;

use crate::bed::{Pair, TAP, nothing_dropped, ping};
use crate::util::processes::of_threads;
use crate::util::start;

/// Bytes of the file that is downloaded.
const FILE: usize = 48 << 20;

pub(crate) fn ipv6_between_two_bridges() {
    let pair = Pair::new("--mtu 9000");
    ping(&pair.namespaces[0], "-6 -c 50 -i 0.01 fd00::2");
    ping(&pair.namespaces[1], "-6 -c 50 -i 0.01 -s 8000 -M do fd00::1");
    ping(&pair.namespaces[1], "-6 -f -c 3000 fd00::1");
    // The addresses that the kernel gave itself: neighbour discovery over multicast.
    ping(&pair.namespaces[0], &format!("-6 -c 3 -i 0.01 ff02::1%{TAP}"));
}

pub(crate) fn ip_mode_joins_tun_devices() {
    let mut pair = Pair::new("--mode ip --mtu 4000");
    ping(&pair.namespaces[0], "-f -c 2000 10.0.0.2");
    ping(&pair.namespaces[1], "-c 50 -i 0.01 -s 3900 -M do 10.0.0.1");
    ping(&pair.namespaces[1], "-6 -c 50 -i 0.01 -s 3900 -M do fd00::1");
    let kind = pair.namespaces[0].ip(&format!("-d link show dev {TAP}"));
    assert!(kind.contains("tun type tun"), "{kind}");
    pair.bridges[0].terminate();
    nothing_dropped(&pair.bridges[0].expect("from memif:"));
}

/// Runs iperf3 from the first namespace to the second, and gives what the client said.
pub(crate) fn iperf3(pair: &[testkit::Namespace; 2], arguments: &str) -> String {
    let mut server = pair[1].command("iperf3");
    server.args(["-s", "--forceflush"]);
    let mut server = start(server, "iperf3 -s");
    server.expect("Server listening");
    pair[0].must(&format!("iperf3 -c 10.0.0.2 {arguments}"))
}

pub(crate) fn iperf3_tcp() {
    let pair = Pair::new("");
    for arguments in ["-n 100M", "-n 100M -R", "-n 25M -P 4", "-n 50M --bidir"] {
        let said = iperf3(&pair.namespaces, arguments);
        assert!(said.contains("receiver") && said.contains("iperf Done"), "{said}");
    }
    let pair = Pair::new("--mtu 9000 --ring-size 64");
    let said = iperf3(&pair.namespaces, "-n 100M");
    assert!(said.contains("iperf Done"), "{said}");
}

pub(crate) fn iperf3_udp() {
    let pair = Pair::new("");
    for arguments in ["-u -b 100M -n 20M", "-u -b 100M -n 20M -R"] {
        let said = iperf3(&pair.namespaces, arguments);
        // "... 12/14384 (0.083%)  receiver": a machine that is busy may lose some in the kernel.
        let line = said.lines().find(|line| line.ends_with("receiver")).expect(&said);
        let (lost, all) = line
            .split_whitespace()
            .filter_map(|word| word.split_once('/'))
            .find_map(|(lost, all)| Some((lost.parse::<u64>().ok()?, all.parse::<u64>().ok()?)))
            .unwrap_or_else(|| panic!("no counts in {said}"));
        assert!(all > 1000 && lost < all / 2, "{said}");
    }
}

pub(crate) fn many_queues_carry_many_flows() {
    for options in ["--queues 4", "--rx-queues 1 --tx-queues 4", "--rx-queues 3 --tx-queues 2"] {
        let mut pair = Pair::new(options);
        let said = iperf3(&pair.namespaces, "-n 10M -P 16");
        assert!(said.contains("iperf Done"), "{options}: {said}");
        let wanted = options.chars().filter_map(|c| c.to_digit(10)).max().expect("a number");
        for end in 0..2 {
            let last = wanted - 1;
            let queues = format!("ls -d /sys/class/net/{TAP}/queues/tx-{last}");
            pair.namespaces[end].must(&queues);
            let next = format!("ls -d /sys/class/net/{TAP}/queues/tx-{wanted}");
            assert!(!pair.namespaces[end].run(&next).status.success(), "more than {wanted}");
        }
        // No more threads than processors work in a direction.
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for bridge in &pair.bridges {
            let names = of_threads(bridge.pid(), "comm");
            for direction in ["to-memif-", "from-memif-"] {
                let count = names.iter().filter(|name| name.starts_with(direction)).count();
                assert!((1..=most).contains(&count), "{options}: {names:?}");
            }
        }
        // The kernel spread the flows over its queues, and all of them were emptied.
        let queues = pair.namespaces[0].must(&format!("tc -s qdisc show dev {TAP}"));
        let used = queues.lines().filter(|l| l.starts_with(" Sent ") && !l.contains(" 0 pkt"));
        assert!(used.count() > 2, "{queues}");
        for bridge in &mut pair.bridges {
            bridge.terminate();
            nothing_dropped(&bridge.expect("to memif:"));
        }
    }
}

/// Serves the file `sent` of the pair's directory on port 8000 of the second namespace.
pub(crate) fn serve_file(pair: &Pair) -> (Vec<u8>, crate::util::Program) {
    // No two packets of it are alike.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = (0..FILE / 8)
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .collect();
    fs::write(pair.directory.path("sent"), &bytes).expect("the file is written");
    let mut server = pair.namespaces[1].command("python3");
    server.args(["-u", "-m", "http.server", "8000", "--bind", "10.0.0.2", "--directory"]);
    server.arg(pair.directory.path(""));
    let mut server = start(server, "http.server");
    server.expect("Serving HTTP");
    (bytes, server)
}

pub(crate) fn download_arrives_unchanged() {
    for options in ["", "--mtu 9000 --queues 2", "--mode ip"] {
        let pair = Pair::new(options);
        let (sent, _server) = serve_file(&pair);
        let to = pair.directory.text("received");
        pair.namespaces[0].must(&format!("curl -sS -f -o {to} http://10.0.0.2:8000/sent"));
        assert!(fs::read(to).expect("the file") == sent, "{options}: other bytes arrived");
    }
}
