//! Filters as people write them: what is refused, where and with which words; that nothing can make one fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

use memif_capture::LinkType;
use memif_capture::filter::{Filter, FilterError};
use proptest::prelude::*;

fn refused(text: &str) -> FilterError {
    match Filter::parse(text, LinkType::Ethernet) {
        Ok(_) => panic!("{text:?} is taken"),
        Err(error) => error,
    }
}

#[test]
fn errors_name_the_place_and_what_may_be_done() {
    for (text, marked, reason) in [
        ("tcp and htp", "htp", "is no word of a filter"),
        ("TCP port 80", "TCP", "written \"tcp\""),
        ("10.0.0.1", "10.0.0.1", "needs a word before it"),
        ("tcp or 80", "80", "needs a word before it, such as \"port\""),
        ("02:00:00:00:00:01", "02:00:00:00:00:01", "\"ether host\""),
        ("host 02:00:00:00:00:01", "02:00:00:00:00:01", "\"ether host\""),
        ("host", "", "the filter ends where an address is to come"),
        ("host router", "router", "names are not looked up"),
        ("port http", "http", "write 80"),
        ("port frobnicate", "frobnicate", "give its number"),
        ("port 80-90", "80-90", "\"portrange\""),
        ("port 70000", "70000", "65535 at most"),
        ("portrange a-b", "a-b", "two numbers up to 65535"),
        ("tcp host 10.0.0.1", "tcp host", "hosts are of"),
        ("ip port 80", "ip port", "ports are of tcp, udp or sctp"),
        ("ip6 host 10.0.0.1", "10.0.0.1", "an IPv6 address"),
        ("ip host fe80::1", "fe80::1", "an IPv4 address"),
        ("ether host 10.0.0.1", "10.0.0.1", "a MAC address"),
        ("net 10/8", "10", "\"10.0.0.0\""),
        ("net 10.0.0.1/8", "10.0.0.1/8", "bits that its mask does not"),
        ("net fe80::1/10", "fe80::1/10", "bits that its mask does not"),
        ("host 10.0.0.0/8", "10.0.0.0/8", "a mask goes with \"net\" only"),
        ("net 10.0.0.0/33", "33", "32 bits at most"),
        ("host 10.0.0.256", "10.0.0.256", "up to 255"),
        ("port 089", "089", "octal"),
        ("port 0x100000000", "0x100000000", "32 bits"),
        ("vlan 4096", "4096", "4095 at most"),
        ("ether", "", "host, src, dst, proto"),
        ("ip broadcast", "ip broadcast", "network mask"),
        ("proto tcp", "tcp", "the number of a protocol"),
        ("gateway 10.0.0.1", "gateway", "left out here"),
        ("ip protochain 6", "protochain", "left out here"),
        ("tcp[13", "", "\"]\""),
        ("tcp[0:3] = 1", "3", "1, 2 or 4"),
        ("esp[0] = 1", "esp", "no fields"),
        ("tcp[13] &", "", "a number, a field"),
        ("tcp[13] & 2", "", "a comparison"),
        ("len % 2 = 0", "%", "precedence"),
        ("len / 0 = 1", "0", "divided by zero"),
        ("len / (2 - 2) = 1", "(2 - 2)", "divided by zero"),
        ("len / ip[0] = 1", "ip[0]", "libpcap"),
        ("1 << 32 = 1", "32", "31 at most"),
        ("(tcp", "", "\")\""),
        ("tcp)", ")", "closes nothing"),
        ("tcp udp", "udp", "\"and\", \"or\" or the end"),
        ("tcp and and udp", "and", "a test such as"),
        ("tcp \"and\" udp", "\"", "quotation marks"),
        ("tcp \u{e9}", "\u{e9}", "no part of a filter"),
    ] {
        let error = refused(text);
        assert_eq!(&text[error.place()], marked, "{text}: {error}");
        assert!(error.reason().contains(reason), "{text}: {error}");
        assert!(error.to_string().starts_with(&format!("column {} of the filter: ", error.column())));
    }
    assert_eq!(refused("\u{e9}\u{e9}").column(), 1);
    assert_eq!(refused("tcp and \u{e9}").column(), 9);
}

#[test]
fn an_error_points_at_its_place() {
    let shown = refused("tcp and port http or udp").pointed().to_string();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], "column 14 of the filter: names of ports are not looked up: for \"http\" write 80");
    assert_eq!(lines[1..], ["  tcp and port http or udp", "               ^^^^"]);

    // Of a long one only what is near, and nothing that a terminal obeys.
    let long = format!("{} or \u{1b}[31m or {}", ["port 1"; 100].join(" or "), ["port 2"; 100].join(" or "));
    let shown = refused(&long).pointed().to_string();
    assert!(shown.lines().all(|line| line.len() < 200 && !line.contains(char::is_control)), "{shown}");
    let caret = shown.lines().last().unwrap().find('^').unwrap();
    assert!(shown.lines().nth(1).unwrap()[caret..].starts_with(char::REPLACEMENT_CHARACTER), "{shown}");
}

/// libpcap would take these; it has no bounds, or others.
#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}tcp{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(64), LinkType::Ethernet).is_ok());
    assert!(refused(&nested(65)).reason().contains("nested"));
    assert!(refused(&"(".repeat(60_000)).reason().contains("nested"));
    assert!(refused(&format!("{}tcp", "not ".repeat(10_000))).reason().contains("nested"));
    assert!(refused(&format!("host {}1", "!".repeat(10_000))).reason().contains("nested"));
    assert!(refused(&format!("{}1 = 1", "-".repeat(10_000))).reason().contains("nested"));
    assert!(refused(&format!("{}len", "ip[".repeat(10_000))).reason().contains("nested"));
    assert!(refused(&format!("{}1{}", "len & (1 + ".repeat(20), ")".repeat(20))).reason().contains("at one time"));
    assert!(refused(&["port 1"; 20_000].join(" or ")).reason().contains("65536 bytes"));
    let ports: Vec<_> = (1..4000_u16).map(|port| port.to_string()).collect();
    assert!(refused(&format!("port {}", ports.join(" or "))).reason().contains("tests"));

    // What is long but not deep is none of these.
    let sum = format!("len{} > 1", " + 1".repeat(5000));
    let filter = Filter::parse(&sum, LinkType::Ethernet).unwrap();
    assert!(filter.matches(&[], 0));
    let ports: Vec<_> = (1..2000_u16).map(|port| port.to_string()).collect();
    let filter = Filter::parse(&format!("tcp port {}", ports.join(" or ")), LinkType::Ethernet).unwrap();
    assert!(!filter.matches(&[0; 60], 60));
}

#[test]
fn a_filter_is_shared_between_threads() {
    fn shared<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    shared::<Filter>();
    shared::<FilterError>();
}

#[test]
fn an_empty_filter_matches_all() {
    for text in ["", " ", "\n\t"] {
        let filter = Filter::parse(text, LinkType::RawIp).unwrap();
        assert!(filter.matches(&[], 0) && filter.matches(&[0x45; 20], 20));
    }
}

/// A test for a byte that is not there ends the filter, also where "not" stands before it.
#[test]
fn a_byte_that_is_not_there_is_the_end() {
    let verdict = |text: &str, data: &[u8]| Filter::parse(text, LinkType::RawIp).unwrap().matches(data, 100);
    assert!(!verdict("ip[50] = 0", &[0x45; 50]));
    assert!(!verdict("not ip[50] = 0", &[0x45; 50]));
    assert!(!verdict("ip[50] = 0 or ip", &[0x45; 50]));
    assert!(verdict("ip or ip[50] = 0", &[0x45; 50]));
    assert!(!verdict("len / ip[1] > 0 or ip", &[0x45, 0]));
    // How long the packet was on the wire is known all the same.
    assert!(verdict("len = 100 and greater 100 and less 100", &[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_a_filter_or_has_a_place(text in "\\PC{0,60}", raw: bool) {
        check(&text, raw)?;
    }

    #[test]
    fn any_words_are_a_filter_or_have_a_place(words in words(), raw: bool, data in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(filter) = check(&words.join(" "), raw)? {
            let _ = filter.matches(&data, data.len());
        }
    }
}

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    const WORDS: &[&str] = &[
        "ip", "tcp", "[", "]", "13", ":2", "(", ")", "not", "and", "or", "host", "10.0.0.1", "::1", "net", "/", "8",
        "port", "ether", "=", "&", "-", "len", "vlan", "less", "src", "dst", "proto", "mask", "icmp6", "<<", "0x10",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..12)
}

fn check(text: &str, raw: bool) -> Result<Option<Filter>, TestCaseError> {
    let link_type = if raw { LinkType::RawIp } else { LinkType::Ethernet };
    match Filter::parse(text, link_type) {
        Ok(filter) => Ok(Some(filter)),
        Err(error) => {
            prop_assert!(text.get(error.place()).is_some(), "{error:?}");
            prop_assert!(!error.reason().is_empty());
            prop_assert!(!error.pointed().to_string().contains(|letter: char| letter.is_control() && letter != '\n'));
            Ok(None)
        }
    }
}

/// docs/filter.md: what it shows is taken, and says what it says.
#[test]
fn the_manual_is_right() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/filter.md")).unwrap();
    let taken = |text: &str| Filter::parse(text, LinkType::Ethernet).is_ok();

    let (_, examples) = manual.split_once("## Examples\n").unwrap();
    let examples: Vec<_> = examples.trim().lines().filter(|line| !line.starts_with("```")).collect();
    assert!(examples.len() > 10);
    for text in examples {
        assert!(taken(text), "{}", refused(text).pointed());
    }

    let (error, _) = manual.split_once("\n```\n\n## The language").unwrap();
    let (_, error) = error.rsplit_once("```\n").unwrap();
    assert_eq!(refused("tcp port http").pointed().to_string(), error);

    // The first column of the tests: whole, or the words before an address.
    let tests = manual.lines().skip_while(|line| !line.starts_with("| test |")).skip(2);
    let spans = tests
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let mut count = 0;
    for text in spans.map(|text| text.trim_end_matches(" ...")) {
        let ends = ["", " 10.0.0.1", " ::1", " 53", " 1-2", " 02:00:00:00:00:01"];
        assert!(ends.iter().any(|end| taken(&format!("{text}{end}"))), "{text}");
        count += 1;
    }
    assert!(count > 40, "{count}");

    let (_, names) = manual.split_once("| where |").unwrap();
    let (names, _) = names.split_once("\n### ").unwrap();
    for name in names.split('`').skip(1).step_by(2) {
        assert!(taken(&format!("len = {name}")), "{name}");
    }
}

/// What the tests against libpcap compare, for machines without tcpdump: TCP over IPv4 and IPv6, tagged and not.
#[test]
fn verdicts() {
    use etherparse::{PacketBuilder, VlanId};
    let mut tcp4 = Vec::new();
    let ip4 = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4([10, 0, 0, 1], [10, 1, 0, 2], 64);
    ip4.tcp(1000, 80, 1, 512).syn().write(&mut tcp4, b"payload").unwrap();
    let mut tagged = Vec::new();
    let vlan = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [0xff; 6]).single_vlan(VlanId::try_new(100).unwrap());
    vlan.ipv6([0xfe; 16], [0xff; 16], 64).udp(53, 5353).write(&mut tagged, &[]).unwrap();

    let verdict = |text: &str, data: &[u8]| {
        let filter = Filter::parse(text, LinkType::Ethernet).unwrap_or_else(|error| panic!("{}", error.pointed()));
        filter.matches(data, data.len())
    };
    for (text, first, second) in [
        ("ip", true, false),
        ("tcp", true, false),
        ("tcp port 80", true, false),
        ("port 80 or 81", true, false),
        ("port (81 or 80)", true, false),
        ("dst port 1000", false, false),
        ("src and dst portrange 80-1000", true, false),
        ("host 10.0.0.1", true, false),
        ("src net 10.0.0.0/16 and dst net 10.1", true, false),
        ("src or dst host 10.1.0.2", true, false),
        ("not host 10.0.0.1", false, true),
        ("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", true, false),
        ("(ip[2:2] - ((ip[0] & 0xf) << 2)) - ((tcp[12] & 0xf0) >> 2) = 7", true, false),
        ("less 61", true, false),
        ("ether src 02:00:00:00:00:01 and not ether broadcast", true, false),
        ("multicast", false, true),
        ("vlan", false, true),
        ("vlan 100 and udp src port 53", false, true),
        ("vlan 7", false, false),
        ("udp", false, false),
        ("vlan and ip6 multicast", false, true),
        ("tcp or vlan and ip6", false, true),
        ("ip or (vlan and ip6)", true, true),
        ("(vlan and ip6) or ip", false, true),
    ] {
        assert_eq!((verdict(text, &tcp4), verdict(text, &tagged)), (first, second), "{text}");
    }
}
