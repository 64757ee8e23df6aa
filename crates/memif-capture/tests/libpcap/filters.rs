//! Filters about what is in the packets, as text.

use memif_capture::LinkType;

use crate::packets::{ETHER_TYPES, IPV4, IPV6, MACS, PORTS, PROTOCOLS};
use crate::random::Random;

/// A filter that is right: understood here and by libpcap.
pub(crate) fn filter(random: &mut Random, link_type: LinkType) -> String {
    let mut generator = Generator { random, link_type };
    generator.chain(3)
}

/// A filter with a few words changed, which may be none any more.
pub(crate) fn mutated(random: &mut Random, link_type: LinkType) -> String {
    const WORDS: &[&str] = &[
        "and",
        "or",
        "not",
        "!",
        "(",
        ")",
        "[",
        "]",
        ":",
        "=",
        "<",
        "&",
        "-",
        "+",
        "/",
        "ip",
        "ip6",
        "tcp",
        "arp",
        "icmp6",
        "ether",
        "ah",
        "src",
        "dst",
        "host",
        "net",
        "port",
        "portrange",
        "proto",
        "mask",
        "less",
        "greater",
        "broadcast",
        "multicast",
        "vlan",
        "len",
        "80",
        "10",
        "0",
        "1-2",
        "10.0.0.1",
        "10.0",
        "fe80::1",
        "::/0",
        "2:0:0:0:0:1",
        "\\tcp",
        "255.0.0.0",
        "vlan 1",
        "src or dst",
        "[0]",
        "[6:2]",
        "(10 or 80)",
    ];
    let text = filter(random, link_type);
    // Cut at blanks and around parentheses, so that these are changed, too.
    let text = text.replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = text.split_whitespace().take(20).collect();
    for _ in 0..=random.below(2) {
        let at = random.below(words.len() + 1);
        match random.below(4) {
            0 => words.insert(at, random.pick(WORDS)),
            1 if at < words.len() => drop(words.remove(at)),
            2 if at < words.len() => words.insert(at, words[at]),
            _ if at < words.len() => words[at] = random.pick(WORDS),
            _ => words.push(random.pick(WORDS)),
        }
    }
    words.join(" ")
}

struct Generator<'a> {
    random: &'a mut Random,
    link_type: LinkType,
}

impl Generator<'_> {
    fn pick(&mut self, from: &[&str]) -> String {
        self.random.pick(from).to_owned()
    }

    fn joint(&mut self) -> String {
        self.pick(&[" and ", " or ", " && ", " || "])
    }

    fn not(&mut self) -> String {
        self.pick(&["not ", "! ", "!"])
    }

    fn chain(&mut self, depth: usize) -> String {
        let mut text = self.term(depth);
        while self.random.one_in(2) {
            text += &self.joint();
            text += &self.term(depth);
        }
        text
    }

    fn term(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0 if depth > 0 => format!("({})", self.chain(depth - 1)),
            1 => self.not() + &self.term(depth),
            2..=4 => self.comparison(),
            5 | 6 => self.word(),
            _ => self.addressed(),
        }
    }

    fn word(&mut self) -> String {
        const ALL: &[&str] = &[
            "ip",
            "ip6",
            "arp",
            "rarp",
            "tcp",
            "udp",
            "sctp",
            "icmp",
            "icmp6",
            "igmp",
            "pim",
            "vrrp",
            "ah",
            "esp",
            "ip multicast",
            "ip6 multicast",
        ];
        let ethernet = self.link_type == LinkType::Ethernet;
        match self.random.below(8) {
            0 => format!("less {}", self.random.below(120)),
            1 => format!("greater {}", self.random.below(120)),
            2 if ethernet => self.pick(&["vlan", "vlan 100", "vlan (0)", "vlan 1", "vlan 4095", "vlan 0x64"]),
            3 if ethernet => self.pick(&["ether broadcast", "broadcast", "multicast", "ether multicast"]),
            _ => self.pick(ALL),
        }
    }

    /// A test whose words hold for the addresses after it, too.
    fn addressed(&mut self) -> String {
        let ends = match self.random.below(7) {
            0 => "src ",
            1 => "dst ",
            2 => "src or dst ",
            3 => "dst and src ",
            4 => "src and dst ",
            _ => "",
        };
        let (head, one): (String, fn(&mut Self) -> String) = match self.random.below(9) {
            0 => (format!("{}{ends}host ", self.pick(&["", "", "ip ", "arp ", "rarp "])), Self::ipv4),
            1 if !ends.is_empty() => (ends.to_owned(), Self::ipv4),
            1 | 2 => (format!("{}{ends}net ", self.pick(&["", "", "ip ", "arp "])), Self::net),
            3 => (format!("{}{ends}host ", self.pick(&["", "ip6 "])), Self::ipv6),
            4 => (format!("{}{ends}net ", self.pick(&["", "ip6 "])), Self::net6),
            5 => (format!("{}{ends}portrange ", self.pick(&["", "tcp ", "udp ", "sctp "])), Self::range),
            6 if self.link_type == LinkType::Ethernet => (format!("ether {ends}host "), Self::mac),
            7 => (self.pick(&["ip proto ", "ip6 proto ", "proto "]), Self::protocol),
            8 if self.link_type == LinkType::Ethernet => ("ether proto ".to_owned(), Self::ether_type),
            _ => (format!("{}{ends}port ", self.pick(&["", "", "tcp ", "udp ", "sctp "])), Self::port),
        };
        let mut text = head;
        text += &match self.random.below(5) {
            0 => {
                let mut list = self.negated(one);
                while self.random.one_in(2) {
                    list += &self.joint();
                    list += &self.negated(one);
                }
                format!("({list})")
            }
            _ => self.negated(one),
        };
        while self.random.one_in(3) {
            text += &self.joint();
            text += &self.negated(one);
        }
        text
    }

    fn negated(&mut self, one: fn(&mut Self) -> String) -> String {
        let not = if self.random.one_in(8) { self.not() } else { String::new() };
        not + &one(self)
    }

    fn ipv4(&mut self) -> String {
        match self.random.below(12) {
            0 => self.pick(&["10", "10.1", "10.0.0", "0x0a000001", "0"]),
            _ => self.random.pick(&IPV4).map(|part| part.to_string()).join("."),
        }
    }

    fn net(&mut self) -> String {
        self.pick(&[
            "10",
            "10.0",
            "10.1.2",
            "192.168.1",
            "10.0.0.0/8",
            "10.0.0.0/30",
            "10.0.0/24",
            "0.0.0.0/0",
            "10.0.0.1",
            "192.168.0.0 mask 255.255.0.0",
            "192.168.0.0 mask 255.255",
            "10.0.0.1 mask 255.0.0.255",
            "10.0.0.1/32",
            "0",
            "224.0.0.0/4",
            "655360",
            "128.0.0.0/1",
        ])
    }

    fn ipv6(&mut self) -> String {
        std::net::Ipv6Addr::from(self.random.pick(&IPV6)).to_string()
    }

    fn net6(&mut self) -> String {
        self.pick(&["fe80::/10", "2001:db8::/32", "2001:db8:1::/48", "::/0", "ff00::/8", "2001:db8::2/128", "fe80::1"])
    }

    fn mac(&mut self) -> String {
        let [a, b, c, d, e, f] = self.random.pick(&MACS);
        match self.random.below(5) {
            0 => format!("{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}"),
            1 => format!("{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{f:02x}"),
            2 => format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}"),
            3 => format!("{a:02X}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}"),
            _ => format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
        }
    }

    fn port(&mut self) -> String {
        let port = self.random.pick(&PORTS);
        match self.random.below(10) {
            0 => format!("{port:#x}"),
            1 => format!("0{port:o}"),
            2 => format!("({port})"),
            _ => port.to_string(),
        }
    }

    fn range(&mut self) -> String {
        let (one, other) = (self.random.pick(&PORTS), self.random.pick(&PORTS));
        if self.random.one_in(6) { one.to_string() } else { format!("{one}-{other}") }
    }

    fn protocol(&mut self) -> String {
        match self.random.below(4) {
            0 => self.pick(&["\\tcp", "\\udp", "\\icmp", "ipv6-icmp", "gre", "\\esp", "ospf", "300"]),
            _ => self.random.pick(&PROTOCOLS).to_string(),
        }
    }

    fn ether_type(&mut self) -> String {
        match self.random.below(3) {
            0 => self.pick(&["\\ip", "\\ip6", "\\arp", "\\rarp", "loopback", "0x06", "0xf0", "0xfe", "0x42", "70000"]),
            _ => format!("{:#x}", self.random.pick(&ETHER_TYPES)),
        }
    }

    fn comparison(&mut self) -> String {
        if self.random.one_in(3) {
            return self.pick(&[
                "tcp[tcpflags] & (tcp-syn|tcp-ack) != 0",
                "tcp[tcpflags] == tcp-syn",
                "tcp[13] == 2",
                "tcp[13] & 2 != 0",
                "ip[6:2] & 0x1fff = 0",
                "ip[6:2] & 0x2000 != 0",
                "icmp[icmptype] == icmp-echo",
                "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
                "icmp6[icmp6type] == icmp6-neighborsolicit",
                "icmp6[0] >= 128",
                "ip[0] & 0xf != 5",
                "(ip[0] & 0xf) > 5",
                "ip6[6] == 44",
                "ip6[4:2] <= 40",
                "arp[6:2] == 1",
                "arp[24:4] = 0x0a000001",
                "udp[4:2] > 20",
                "len > 60",
                "length <= 64",
                "ip[2:2] > len - 14",
                "((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0",
                "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
            ]);
        }
        let relation = self.pick(&[" = ", " == ", " != ", " < ", " <= ", " > ", " >= "]);
        format!("{}{relation}{}", self.value(3), self.value(2))
    }

    fn value(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 | 1 if depth > 0 => {
                let operator = self.pick(&[" + ", " - ", " * ", " & ", " | ", "&", "|"]);
                let text = format!("{}{operator}{}", self.value(depth - 1), self.value(depth - 1));
                if self.random.one_in(2) { format!("({text})") } else { text }
            }
            2 if depth > 0 => {
                // Never zero, and never more than libpcap shifts by.
                let operator = self.pick(&[" / ", " << ", " >> "]);
                format!("({}{operator}{})", self.field(depth), 1 + self.random.below(9))
            }
            // Of a divisor that begins with 0 libpcap says that it is zero.
            3 if depth > 0 => {
                let (protocol, index) = (self.pick(&["ip", "udp", "ip6"]), 1 + self.random.below(20));
                format!("{} / ({protocol}[{index}])", self.field(depth))
            }
            4 if depth > 0 => format!("- {}", self.field(depth - 1)),
            5 => self.random.pick(&[0_u32, 1, 2, 6, 14, 20, 40, 64, 255, 256, 0xffff_ffff, 0x0a00_0001]).to_string(),
            6 => "len".to_owned(),
            _ => self.field(depth),
        }
    }

    fn field(&mut self, depth: usize) -> String {
        let mut protocols =
            vec!["ip", "ip6", "tcp", "udp", "icmp", "icmp6", "arp", "rarp", "sctp", "igmp", "pim", "vrrp"];
        if self.link_type == LinkType::Ethernet {
            protocols.extend(["ether", "ether"]);
        }
        let protocol = self.pick(&protocols);
        let index = match self.random.below(6) {
            0 if depth > 0 => format!("{} & 15", self.field(depth - 1)),
            1 if depth > 0 => format!("{} + {}", self.random.below(4), self.field(depth - 1)),
            2 => self.random.below(120).to_string(),
            _ => self.random.below(24).to_string(),
        };
        let width = self.pick(&["", ":1", ":2", ":4"]);
        format!("{protocol}[{index}{width}]")
    }
}
