//! Filters and packets: what a person types, and any bytes that are asked about and told in a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memif_capture::LinkType;
use memif_capture::decode::line;
use memif_capture::filter::Filter;

/// What filters are made of, by bytes; a character is soon found, a word is not.
const WORDS: &[&str] = &[
    "ip",
    "ip6",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "arp",
    "ether",
    "vlan",
    "host",
    "net",
    "port",
    "portrange",
    "proto",
    "src",
    "dst",
    "and",
    "or",
    "not",
    "(",
    ")",
    "[",
    "]",
    ":",
    "=",
    "!=",
    "<",
    "&",
    "|",
    "+",
    "-",
    "*",
    "/",
    "<<",
    ">>",
    "len",
    "less",
    "greater",
    "multicast",
    "broadcast",
    "mask",
    "10.0.0.1",
    "10.0",
    "fe80::1",
    "1-9",
    "2:0:0:0:0:1",
    "0",
    "1",
    "2",
    "4",
    "6",
    "13",
    "80",
    "0xffffffff",
    "tcp-syn",
    "\\tcp",
    "100",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let link_type = if first & 1 == 0 { LinkType::Ethernet } else { LinkType::RawIp };
    let (text, data) = rest.split_at(usize::from(first >> 1).min(rest.len()));

    let said = line(link_type, data, rest.len()).to_string();
    assert!(!said.is_empty() && said.len() < 2000, "{said}");
    assert!(said.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{said:?}");

    let words: Vec<_> = text.iter().filter_map(|byte| WORDS.get(usize::from(*byte) % WORDS.len())).copied().collect();
    try_filter(&words.join(" "), link_type, data);
    if let Ok(text) = std::str::from_utf8(text) {
        try_filter(text, link_type, data);
    }
});

fn try_filter(text: &str, link_type: LinkType, data: &[u8]) {
    match Filter::parse(text, link_type) {
        Ok(filter) => {
            let taken = filter.matches(data, data.len());
            // Its opposite takes what it does not, or neither does, which a byte that is not there is the reason for.
            if let Ok(opposite) = Filter::parse(&format!("not ({text})"), link_type) {
                assert!(!(taken && opposite.matches(data, data.len())), "{text}: both");
            }
        }
        Err(error) => {
            assert!(text.get(error.place()).is_some(), "{text}: no place");
            let shown = error.pointed().to_string();
            assert!(!shown.contains(|letter: char| letter.is_control() && letter != '\n'), "{shown:?}");
        }
    }
}
