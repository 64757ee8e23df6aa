//! What manual pages say beyond the help texts, in their form: see `sections`.

/// Of every command that opens a socket.
const SOCKET: &str = "
Environment:
  MEMIF_SOCKET
      the socket where --socket is not given, as a path or @NAME; /run/vpp/memif.sock where it is unset or empty

Files:
  /run/vpp/memif.sock
      the default socket, which is that of VPP. Its directory belongs to root or the group vpp as a rule
  /run/netns/NAME
      the network namespace NAME of @SOCKET,netns=NAME
";

const MEMIF: &str = "
Description:
memif is a network interface between two processes of one host. Packets lie in memory that both have mapped, so they \
cross without the kernel. One process is the master (others say server): it listens on a Unix socket. The other is \
the slave (client): it connects, and brings the memory. Apart from that the two ends are equal. Both give the same \
interface number (--id, 0 if not given), and one of them has to be the master (--role, slave if not given).

VPP, DPDK, Open vSwitch with DPDK, libmemif and gomemif speak memif, and so does this command. Either end may start \
first, unless its page says otherwise.

Environment:
  MEMIF_SOCKET
      the socket where --socket is not given, as a path or @NAME; /run/vpp/memif.sock where it is unset or empty
  NO_COLOR
      top: no colours

Files:
  /run/vpp/memif.sock
      the default socket, which is that of VPP. Its directory belongs to root or the group vpp as a rule; --socket \
names another one, and @NAME takes no file at all
  /etc/default/memif-responder-INSTANCE, /etc/default/memif-bridge-INSTANCE
      what the services below are told, where the package of Debian is installed

Examples:
  memif responder --role master --socket /tmp/memif.sock --ip 192.168.1.2
      in one terminal: the master, which answers for an address
  memif ping 192.168.1.2 --socket /tmp/memif.sock
      in a second one: the slave, which pings it until Ctrl-C
  memif capture --attach $(pgrep -n -x memif) -w link.pcapng --seconds 10
      in a third one, as root, while the ping runs: the packets of that link in a file, which tshark -r link.pcapng reads

Beside DPDK:
The driver of DPDK is net_memif. Debian has it in the packages dpdk and dpdk-dev, and the two with a number at their \
ends that apt-cache search --names-only 'librte-(net-memif|mempool-ring)' lists. Its sockets are abstract names unless \
socket-abstract=no is said, and a client connects once, when its port starts, so whoever is the server (master) starts \
first. dpdk-testpmd ends when its standard input does, hence the first word below. Killed, it leaves the file of its \
socket behind, and finds no ethernet device the next time, until that file is removed. Everything here is typed as \
root.

  sleep infinity | dpdk-testpmd -l 0,1 --no-huge -m 256 --no-pci \
--vdev=net_memif0,role=server,socket=/run/dpdk.sock,socket-abstract=no -- --total-num-mbufs=8192 \
--forward-mode=icmpecho
      in one terminal: the master, which answers pings to any address, with no huge pages and no hardware
  memif ping 192.168.1.2 --socket /run/dpdk.sock
      in a second one: the slave, which pings until Ctrl-C
  memif capture --attach $(pgrep -x dpdk-testpmd) -w dpdk.pcapng --seconds 10
      in a third one, while the ping runs: the packets of that link in a file, which tshark -r dpdk.pcapng reads

Services:
  systemctl start memif-responder@192.168.1.2
      answers pings to that address on interface 0 of /run/vpp/memif.sock
  systemctl start memif-bridge@tap0
      gives the kernel the device tap0, whose other end is that interface
MEMIF_OPTIONS and MEMIF_SOCKET in /etc/default/memif-responder-192.168.1.2 or /etc/default/memif-bridge-tap0 say \
something else, as MEMIF_OPTIONS=\"--role master --id 3\" and MEMIF_SOCKET=/run/memif/lab.sock. The directory \
/run/memif is there once such a service ran. Neither is started by itself: systemctl enable does that.
";

const RESPONDER: &str = "
Description:
With options it answers until it is ended; without any, and with --interactive, it takes commands, from a terminal or \
a pipe: conn 0 makes interface 0, help lists the others. Interfaces are slaves unless --role master is said, and a \
slave waits for its master as long as it takes.
";

const PING: &str = "
Description:
Connects, asks for the ethernet address of ADDRESS, sends echo requests to it and prints a line for each reply, as \
ping(8) does. Every byte of a reply is compared with what was sent. A slave waits for its master, and a master for \
its slave, as --connect-timeout says.
";

const BRIDGE: &str = "
Description:
The device has a carrier while the link is up. It is there from the start to the end of this command, unless it was \
made before; addresses and routes are given to it as to any other device. Creating a device needs root, or \
CAP_NET_ADMIN.
";

const CAPTURE: &str = "
Description:
Without -w it prints a line for each packet. There are three places to stand: alone it is an end of a link and takes \
what comes; with --via it stands between two ends, which both connect to it, and passes everything on; with --attach \
it watches a link between two other programs, which need not be asked, prepared or restarted, and do not notice.

Files are pcapng, with times in nanoseconds, directions, queues, and counts of what was missed; tshark(1), \
wireshark(1) and tcpdump(8) read them. --attach takes root for processes of other users, and mostly for one's own, \
too: memif-links(1) tells what is not seen, and why.
";

const REPLAY: &str = "
Description:
Reads pcap and pcapng files, also compressed ones (.gz, .zst), and sends each packet at its time. What cannot be \
sent, as it is too long or was cut when it was captured, is left out and counted.
";

const DEMO: &str = "
Description:
A responder as master and a pinger as slave join over an abstract socket of their own, verify replies, and then \
measure how fast packets go. It takes no privileges and no other program, so it shows whether memif works here at \
all.
";

const BENCH: &str = "
Description:
Both ends run in two processes on two processors, unless --part makes this one end only, with any other program as \
the other. Every packet carries a number, so that what is lost, doubled, changed or out of order is found. Processors \
are chosen by --cpus, or by this command.
";

const EXTCAP: &str = "
Description:
The package of Debian has put it where Wireshark looks already, and so has --install: memif links are then among the \
interfaces that tshark -D lists, by their processes, and memif is an interface of our own at a socket. A capture \
filter is that of memif-capture(1). Which links are seen depends on the user: memif-links(1).

Files:
  /usr/lib/*/wireshark/extcap/memif-extcap
      the link to this program, in the directory that tshark -G folders tells
";

const SHOW: &str = "
Description:
Looks at the socket and at who holds it without connecting, so neither end notices, and says in the end whether this \
user may connect, or what is in the way and what to do about it. Root sees the processes of all users.

Environment:
  MEMIF_SOCKET
      the socket where none is given; /run/vpp/memif.sock where it is unset or empty

Files:
  /proc/net/unix
      the sockets of this network namespace
";

const LINKS: &str = "
Description:
Looks at the memory of processes, of whatever program, and writes nothing there. A link whose other end has gone is \
listed, too. Of processes that this user may not look into it says so, with what it would take: root sees all.

Files:
  /proc/PID/maps, /proc/PID/fd
      where the memory of links is found
  /proc/sys/kernel/yama/ptrace_scope
      where that is 1, as in Debian, most links of one's own processes take root, too
";

const TOP: &str = "
Description:
Two lines for each link, one for each end, with what that end sends. ? tells the keys and the columns, q ends it. It \
looks at the rings of memory that others share and writes nothing there. Where standard output is no terminal it \
prints lines.

Environment:
  NO_COLOR
      no colours, where it is set and not empty
  TERM
      dumb: lines instead of a screen
";

const MAN: &str = "
Description:
Pages are those of this program, made by itself: they tell of this version, whatever man(1) finds.

Files:
  /usr/share/man/man1, ~/.local/share/man/man1
      where man(1) looks for pages of everybody, and of one user
";

const COMPLETIONS: &str = "
Description:
The script asks this command at each press of Tab, so besides options and their values it knows what is there just \
then: sockets that somebody listens on, interface numbers that programs were started with, TAP devices, and links \
with their processes. The package of Debian has installed the scripts already.

Files:
  /usr/share/bash-completion/completions/memif
      where bash-completion looks; ~/.local/share/bash-completion/completions/memif for one user
  /usr/share/zsh/vendor-completions/_memif
      where zsh looks; for one user any directory of its fpath
  /usr/share/fish/vendor_completions.d/memif.fish
      where fish looks; ~/.config/fish/completions/memif.fish for one user
";

/// What is added to the page of that name.
pub(super) fn of(name: &str) -> String {
    let (text, has_socket) = match name {
        "memif" => (MEMIF, false),
        "memif-responder" => (RESPONDER, true),
        "memif-ping" => (PING, true),
        "memif-bridge" => (BRIDGE, true),
        "memif-capture" => (CAPTURE, true),
        "memif-replay" => (REPLAY, true),
        "memif-demo" => (DEMO, false),
        "memif-bench" => (BENCH, true),
        "memif-extcap" => (EXTCAP, true),
        "memif-show" => (SHOW, false),
        "memif-links" => (LINKS, false),
        "memif-top" => (TOP, false),
        "memif-man" => (MAN, false),
        "memif-completions" => (COMPLETIONS, false),
        _ => ("", false),
    };
    format!("{text}{}", if has_socket { SOCKET } else { "" })
}

/// Pages to go on with.
pub(super) fn see_also(name: &str) -> &'static str {
    match name {
        "memif" => "memif-demo(1), memif-ping(1), memif-responder(1), memif-show(1), ping(8), tshark(1), vppctl(1)",
        "memif-responder" => "memif(1), memif-ping(1), memif-show(1)",
        "memif-ping" => "memif(1), memif-responder(1), memif-show(1), ping(8)",
        "memif-bridge" => "memif(1), memif-ping(1), ip-address(8), ip-link(8), ip-tuntap(8)",
        "memif-capture" => {
            "memif(1), memif-extcap(1), memif-links(1), memif-replay(1), pcap-filter(7), tcpdump(8), tshark(1)"
        }
        "memif-replay" => "memif(1), memif-capture(1), pcap-filter(7), tcpreplay(1)",
        "memif-extcap" => "memif(1), memif-capture(1), memif-links(1), extcap(4), tshark(1), wireshark(1)",
        "memif-show" => "memif(1), memif-links(1), ss(8)",
        "memif-links" => "memif(1), memif-capture(1), memif-show(1), memif-top(1), ss(8)",
        "memif-top" => "memif(1), memif-links(1), htop(1)",
        "memif-man" => "memif(1), man(1)",
        "memif-completions" => "memif(1), bash(1), zsh(1), fish(1)",
        _ => "memif(1), memif-ping(1), memif-responder(1)",
    }
}
