//! Which addresses belong to which interface: by what stands before what on the command line.

use std::net::{IpAddr, Ipv4Addr};

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::error::Error;
use crate::packet::{Addresses, Mac};

/// Addresses that one interface may have.
const MOST_ADDRESSES: usize = 64;
/// Interfaces for which there are addresses where none are given: the third byte counts them.
const MOST_DEFAULTS: usize = 254;

/// An interface as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Station {
    pub(super) id: u32,
    pub(super) mac: Mac,
    pub(super) addresses: Addresses,
}

/// One of the options that are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Id(u32),
    Ip(IpAddr),
    /// Beside the default IPv4 address.
    Ip6(IpAddr),
    Mac(Mac),
}

/// What was given for one interface.
#[derive(Clone, Debug, Default)]
struct Group {
    id: u32,
    ips: Vec<IpAddr>,
    ip6s: Vec<IpAddr>,
    macs: Vec<Mac>,
}

/// Those of the options that stand on the command line, in their order.
pub(super) fn words(matches: &ArgMatches) -> Vec<Word> {
    let mut words = Vec::new();
    let mut add = |name: &str, values: Vec<Word>| {
        if matches.value_source(name) == Some(ValueSource::CommandLine) {
            words.extend(matches.indices_of(name).into_iter().flatten().zip(values));
        }
    };
    add("id", matches.get_many("id").into_iter().flatten().map(|id| Word::Id(*id)).collect());
    add("ip", matches.get_many("ip").into_iter().flatten().map(|ip| Word::Ip(*ip)).collect());
    let six = matches.get_many::<std::net::Ipv6Addr>("ip6").into_iter().flatten();
    add("ip6", six.map(|ip| Word::Ip6((*ip).into())).collect());
    add("mac", matches.get_many("mac").into_iter().flatten().map(|mac| Word::Mac(*mac)).collect());
    words.sort_by_key(|(at, _)| *at);
    words.into_iter().map(|(_, word)| word).collect()
}

/// The interfaces in the order given.
pub(super) fn stations(words: &[Word]) -> Result<Vec<Station>, Error> {
    let groups = groups(words)?;
    if groups.len() > MOST_DEFAULTS && groups.iter().any(|group| group.ips.is_empty()) {
        return Err(Error::Usage("there are default addresses for 254 interfaces: give --ip for each --id".to_owned()));
    }
    groups.into_iter().zip((1_u8..=u8::MAX).cycle()).map(|(group, third)| station(group, third)).collect()
}

fn groups(words: &[Word]) -> Result<Vec<Group>, Error> {
    let is_id = |word: &Word| matches!(word, Word::Id(_));
    let mut groups: Vec<Group> = Vec::new();
    for word in words {
        if let Word::Id(id) = word {
            if groups.iter().any(|group| group.id == *id) {
                return Err(Error::Usage(format!("--id {id} is given twice: give each interface an id of its own")));
            }
            groups.push(Group { id: *id, ..Group::default() });
        }
    }
    if groups.len() <= 1 {
        let mut group = groups.pop().unwrap_or_default();
        words.iter().for_each(|word| group.add(*word));
        return Ok(vec![group]);
    }
    let last = words.iter().rposition(is_id).unwrap_or_default();
    let behind_ids = words.first().is_some_and(is_id) && words.iter().take(last).any(|word| !is_id(word));
    for (option, is_of) in [
        ("--ip", (|word| matches!(word, Word::Ip(_))) as fn(&Word) -> bool),
        ("--ip6", |word| matches!(word, Word::Ip6(_))),
        ("--mac", |word| matches!(word, Word::Mac(_))),
    ] {
        let of_kind: Vec<_> = words.iter().enumerate().filter(|(_, word)| is_of(word)).collect();
        let one_each_at_the_end = of_kind.len() == groups.len() && of_kind.iter().all(|(at, _)| *at > last);
        if behind_ids && !one_each_at_the_end {
            // Each belongs to the id before it.
            for (at, word) in of_kind {
                let ids = words.iter().take(at).filter(|word| is_id(word)).count();
                groups.iter_mut().skip(ids.saturating_sub(1)).take(1).for_each(|group| group.add(*word));
            }
        } else if of_kind.is_empty() || of_kind.len() == groups.len() {
            // The first is for the first, wherever they stand.
            groups.iter_mut().zip(of_kind).for_each(|(group, (_, word))| group.add(*word));
        } else {
            return Err(Error::Usage(format!(
                "{} --id and {} {option}: give each {option} after the --id that it is for, or one for each --id",
                groups.len(),
                of_kind.len(),
            )));
        }
    }
    Ok(groups)
}

impl Group {
    fn add(&mut self, word: Word) {
        match word {
            Word::Id(_) => {}
            Word::Ip(ip) => self.ips.push(ip),
            Word::Ip6(ip) => self.ip6s.push(ip),
            Word::Mac(mac) => self.macs.push(mac),
        }
    }
}

fn station(group: Group, third: u8) -> Result<Station, Error> {
    let Group { id, mut ips, ip6s, macs } = group;
    if ips.is_empty() {
        ips.push(Ipv4Addr::new(192, 168, third, 2).into());
    }
    ips.extend(ip6s);
    if let Some((_, twice)) = ips.iter().enumerate().find(|(at, ip)| ips.iter().take(*at).any(|other| other == *ip)) {
        return Err(Error::Usage(format!("interface {id} has {twice} twice: give each address once")));
    }
    if ips.len() > MOST_ADDRESSES {
        return Err(Error::Usage(format!(
            "{} addresses for interface {id}: give one interface at most {MOST_ADDRESSES}",
            ips.len()
        )));
    }
    if macs.len() > 1 {
        return Err(Error::Usage(format!("{} --mac for interface {id}: give each interface one", macs.len())));
    }
    let default = ips.first().map_or(Mac::BROADCAST, |ip| Mac::from_ip(*ip));
    Ok(Station { id, mac: macs.first().copied().unwrap_or(default), addresses: ips.into_iter().collect() })
}
