//! From what a filter says to the tests it makes, in libpcap's order: which test comes first decides about packets that
//! were cut, since a test beyond their end is the end of the filter.

use super::draft::{Draft, Part, TooLong};
use super::expression::{
    Arithmetic, Check, Ends, Expression, Ipv4In, Joint, Network, Operator, Relation, Test, Value, Versions, Width,
    folded,
};
use super::program::{self, Load, Program};
use super::words::Protocol;
use crate::LinkType;

const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const ARP: u32 = 0x0806;
const RARP: u32 = 0x8035;
/// IEEE 802.1Q, IEEE 802.1ad and what was before that.
const TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
/// The largest length of a frame of IEEE 802.3; above it, the field is a type.
const LONGEST_FRAME: u32 = 1500;
/// The header of a fragment of IPv6.
const FRAGMENT: u32 = 44;

/// The program of an expression; [`TooLong`] if it has too many tests.
pub(super) fn compile(expression: &Expression, link_type: LinkType) -> Result<Program, TooLong> {
    let mut compiler = Compiler { draft: Draft::default(), link_type, shift: 0 };
    let whole = compiler.expression(expression)?;
    Ok(compiler.draft.finish(&whole))
}

struct Compiler {
    draft: Draft,
    link_type: LinkType,
    /// The tags so far, in bytes. As in libpcap, `vlan` moves this for all that stands after it in the text, behind
    /// "or" and parentheses as well.
    shift: u32,
}

type Made = Result<Part, TooLong>;

impl Compiler {
    fn expression(&mut self, expression: &Expression) -> Made {
        match expression {
            Expression::Test(test) => self.test(test),
            Expression::Not(inner) => Ok(self.expression(inner)?.not()),
            Expression::Chain(first, more) => {
                let mut whole = self.expression(first)?;
                for (joint, next) in more {
                    let next = self.expression(next)?;
                    whole = match joint {
                        Joint::And => self.draft.and(whole, next),
                        Joint::Or => self.draft.or(whole, next),
                    };
                }
                Ok(whole)
            }
        }
    }

    fn test(&mut self, test: &Test) -> Made {
        match test {
            Test::Protocol(protocol) => self.protocol(*protocol),
            Test::EtherType(number) => self.ether_type(*number),
            Test::IpProtocol(versions, number) => self.ip_protocol(*versions, *number),
            Test::Mac(ends, address) => self.ends(*ends, |made, source| made.mac(address, source)),
            Test::Ipv4(within, ends, network) => self.ipv4(*within, *ends, *network),
            Test::Ipv6(ends, network) => self.ends(*ends, |made, source| made.ipv6(*network, source)),
            Test::Ports(protocol, ends, low, high) => self.ports(*protocol, *ends, *low, *high),
            // The lowest bit of the first byte is the one that says so.
            Test::EtherMulticast => self.field(Load::At(0, Width::One), 1, Relation::Unequal, 0),
            Test::IpMulticast => {
                let ip = self.ether_type(IPV4)?;
                let group = self.field(self.network(16, Width::One), u32::MAX, Relation::GreaterOrEqual, 224)?;
                Ok(self.draft.and(ip, group))
            }
            Test::Ip6Multicast => {
                let ip6 = self.ether_type(IPV6)?;
                let group = self.equal(self.network(24, Width::One), 255)?;
                Ok(self.draft.and(ip6, group))
            }
            Test::Vlan(tag) => self.vlan(*tag),
            Test::Compare(left, relation, right) => self.compare(left, *relation, right),
        }
    }

    /// Where the header of IP begins.
    fn network_start(&self) -> u32 {
        match self.link_type {
            LinkType::Ethernet => 14 + self.shift,
            LinkType::RawIp => 0,
        }
    }

    fn network(&self, offset: u32, width: Width) -> Load {
        Load::At(self.network_start() + offset, width)
    }

    fn field(&mut self, load: Load, mask: u32, relation: Relation, number: u32) -> Made {
        self.draft.test(program::Test::Field { load, mask, relation, number })
    }

    fn equal(&mut self, load: Load, number: u32) -> Made {
        self.field(load, u32::MAX, Relation::Equal, number)
    }

    fn both(&mut self, first: Made, second: impl FnOnce(&mut Self) -> Made) -> Made {
        let (first, second) = (first?, second(self)?);
        Ok(self.draft.and(first, second))
    }

    fn either(&mut self, first: Made, second: impl FnOnce(&mut Self) -> Made) -> Made {
        let (first, second) = (first?, second(self)?);
        Ok(self.draft.or(first, second))
    }

    /// The same test of the source, the destination, or both of them in that order.
    fn ends(&mut self, ends: Ends, one: impl Fn(&mut Self, bool) -> Made) -> Made {
        match ends {
            Ends::Source => one(self, true),
            Ends::Destination => one(self, false),
            Ends::Either => {
                let source = one(self, true);
                self.either(source, |made| one(made, false))
            }
            Ends::Both => {
                let source = one(self, true);
                self.both(source, |made| one(made, false))
            }
        }
    }

    fn ether_type(&mut self, number: u32) -> Made {
        match (self.link_type, number) {
            (LinkType::RawIp, IPV4) => self.field(Load::At(0, Width::One), 0xf0, Relation::Equal, 0x40),
            (LinkType::RawIp, IPV6) => self.field(Load::At(0, Width::One), 0xf0, Relation::Equal, 0x60),
            (LinkType::RawIp, _) => self.draft.test(program::Test::Never),
            (LinkType::Ethernet, 0..=LONGEST_FRAME) => self.service_access_point(number),
            (LinkType::Ethernet, _) => self.equal(self.type_field(), number),
        }
    }

    fn type_field(&self) -> Load {
        Load::At(12 + self.shift, Width::Two)
    }

    /// A frame of IEEE 802.3 for that service access point; for those of OSI, IP and NetBEUI libpcap wants source and
    /// destination to be it.
    fn service_access_point(&mut self, number: u32) -> Made {
        let length = self.field(self.type_field(), u32::MAX, Relation::LessOrEqual, LONGEST_FRAME);
        self.both(length, |made| match number {
            0x06 | 0xf0 | 0xfe => made.equal(made.network(0, Width::Two), number << 8 | number),
            _ => made.equal(made.network(0, Width::One), number),
        })
    }

    fn protocol(&mut self, protocol: Protocol) -> Made {
        match protocol {
            // The parser lets it stand only with more words.
            Protocol::Ether => self.draft.test(program::Test::Never),
            Protocol::Ip => self.ether_type(IPV4),
            Protocol::Ip6 => self.ether_type(IPV6),
            Protocol::Arp => self.ether_type(ARP),
            Protocol::Rarp => self.ether_type(RARP),
            Protocol::Tcp => self.ip_protocol(Versions::Both, 6),
            Protocol::Udp => self.ip_protocol(Versions::Both, 17),
            Protocol::Sctp => self.ip_protocol(Versions::Both, 132),
            Protocol::Icmp => self.ip_protocol(Versions::Four, 1),
            Protocol::Icmp6 => self.ip_protocol(Versions::Six, 58),
            Protocol::Igmp => self.ip_protocol(Versions::Four, 2),
            Protocol::Pim => self.ip_protocol(Versions::Both, 103),
            Protocol::Vrrp => self.ip_protocol(Versions::Four, 112),
            Protocol::Ah => self.ip_protocol(Versions::Both, 51),
            Protocol::Esp => self.ip_protocol(Versions::Both, 50),
        }
    }

    fn ip_protocol(&mut self, versions: Versions, number: u32) -> Made {
        match versions {
            Versions::Four => {
                let ip = self.ether_type(IPV4);
                self.both(ip, |made| made.equal(made.network(9, Width::One), number))
            }
            Versions::Six => {
                let ip6 = self.ether_type(IPV6);
                self.both(ip6, |made| {
                    let next = made.equal(made.network(6, Width::One), number);
                    made.either(next, |made| {
                        let fragment = made.equal(made.network(6, Width::One), FRAGMENT);
                        made.both(fragment, |made| made.equal(made.network(40, Width::One), number))
                    })
                })
            }
            Versions::Both => {
                let four = self.ip_protocol(Versions::Four, number);
                self.either(four, |made| made.ip_protocol(Versions::Six, number))
            }
        }
    }

    fn mac(&mut self, address: &[u8; 6], source: bool) -> Made {
        let [a, b, c, d, e, f] = *address;
        // Headers of Ethernet are never behind a tag.
        let at = if source { 6 } else { 0 };
        let last = self.equal(Load::At(at + 2, Width::Four), u32::from_be_bytes([c, d, e, f]));
        self.both(last, |made| made.equal(Load::At(at, Width::Two), u32::from_be_bytes([0, 0, a, b])))
    }

    fn ipv4(&mut self, within: Ipv4In, ends: Ends, network: Network<u32>) -> Made {
        let (number, source, destination) = match within {
            Ipv4In::Ip => (IPV4, 12, 16),
            Ipv4In::Arp => (ARP, 14, 24),
            Ipv4In::Rarp => (RARP, 14, 24),
            Ipv4In::All => {
                let ip = self.ipv4(Ipv4In::Ip, ends, network);
                let ip_or_arp = self.either(ip, |made| made.ipv4(Ipv4In::Arp, ends, network));
                return self.either(ip_or_arp, |made| made.ipv4(Ipv4In::Rarp, ends, network));
            }
        };
        self.ends(ends, |made, is_source| {
            let right_type = made.ether_type(number);
            made.both(right_type, |made| {
                let load = made.network(if is_source { source } else { destination }, Width::Four);
                made.field(load, network.mask, Relation::Equal, network.address)
            })
        })
    }

    fn ipv6(&mut self, network: Network<u128>, source: bool) -> Made {
        let mut whole = self.ether_type(IPV6);
        for word in 0..4 {
            let part = |of: u128| u32::try_from(of >> (96 - 32 * word) & u128::from(u32::MAX)).unwrap_or(u32::MAX);
            let (address, mask) = (part(network.address), part(network.mask));
            let load = self.network(if source { 8 } else { 24 } + 4 * word, Width::Four);
            whole = self.both(whole, |made| made.field(load, mask, Relation::Equal, address));
        }
        whole
    }

    fn ports(&mut self, protocol: Option<Protocol>, ends: Ends, low: u16, high: u16) -> Made {
        const ALL: &[u32] = &[132, 6, 17];
        let protocols = match protocol {
            Some(Protocol::Tcp) => &[6],
            Some(Protocol::Udp) => &[17],
            Some(Protocol::Sctp) => &[132],
            _ => ALL,
        };
        let ip6 = self.ether_type(IPV6);
        let six = self.both(ip6, |made| {
            made.ports_of(protocols, |made, protocol| {
                let right = made.equal(made.network(6, Width::One), protocol);
                made.both(right, |made| {
                    made.ends(ends, |made, source| {
                        made.port(made.network(if source { 40 } else { 42 }, Width::Two), low, high)
                    })
                })
            })
        });
        self.either(six, |made| {
            let ip = made.ether_type(IPV4);
            made.both(ip, |made| {
                made.ports_of(protocols, |made, protocol| {
                    let right = made.equal(made.network(9, Width::One), protocol);
                    let first = made.both(right, Self::first_fragment);
                    made.both(first, |made| {
                        made.ends(ends, |made, source| {
                            let header = made.network_start();
                            let at = header + if source { 0 } else { 2 };
                            made.port(Load::BehindIpv4 { header, at, width: Width::Two }, low, high)
                        })
                    })
                })
            })
        })
    }

    fn ports_of(&mut self, protocols: &[u32], one: impl Fn(&mut Self, u32) -> Made) -> Made {
        let mut whole = None;
        for protocol in protocols {
            whole = Some(match whole {
                None => one(self, *protocol),
                Some(before) => self.either(before, |made| one(made, *protocol)),
            });
        }
        whole.unwrap_or_else(|| self.draft.test(program::Test::Never))
    }

    fn port(&mut self, load: Load, low: u16, high: u16) -> Made {
        if low == high {
            return self.equal(load, low.into());
        }
        let from = self.field(load, u32::MAX, Relation::GreaterOrEqual, low.into());
        self.both(from, |made| made.field(load, u32::MAX, Relation::LessOrEqual, high.into()))
    }

    fn first_fragment(&mut self) -> Made {
        self.field(self.network(6, Width::Two), 0x1fff, Relation::Equal, 0)
    }

    fn vlan(&mut self, tag: Option<u32>) -> Made {
        let [first, second, third] = TAGS;
        let tagged = self.equal(self.type_field(), first);
        let tagged = self.either(tagged, |made| made.equal(made.type_field(), second));
        let mut whole = self.either(tagged, |made| made.equal(made.type_field(), third));
        if let Some(tag) = tag {
            whole = self.both(whole, |made| made.field(made.network(0, Width::Two), 0xfff, Relation::Equal, tag));
        }
        self.shift += 4;
        whole
    }

    fn compare(&mut self, left: &Value, relation: Relation, right: &Value) -> Made {
        let mut checked: Option<Made> = None;
        for check in left.checks.iter().chain(&right.checks) {
            checked = Some(match checked {
                None => self.check(*check),
                Some(before) => self.both(before, |made| made.check(*check)),
            });
        }
        let compare = |made: &mut Self| match (made.simple(left), right.constant()) {
            (Some((load, mask)), Some(number)) => made.field(load, mask, relation, number),
            _ => made.stacked(left, relation, right),
        };
        match checked {
            None => compare(self),
            Some(checked) => self.both(checked, compare),
        }
    }

    fn check(&mut self, check: Check) -> Made {
        match check {
            Check::Protocol(protocol) => self.protocol(protocol),
            Check::FirstFragment => self.first_fragment(),
            Check::NextHeader(number) => self.equal(self.network(6, Width::One), number),
        }
    }

    /// A number that is a field at a fixed place, or some of its bits, in one step: what it is most of the time.
    fn simple(&self, value: &Value) -> Option<(Load, u32)> {
        let (index, field, mask) = match *folded(value.steps.iter().copied()).as_slice() {
            [Arithmetic::Length] => return Some((Load::Length, u32::MAX)),
            [Arithmetic::Constant(index), field] => (index, field, u32::MAX),
            [Arithmetic::Constant(index), field, Arithmetic::Constant(mask), Arithmetic::Two(Operator::And)] => {
                (index, field, mask)
            }
            _ => return None,
        };
        // Far below where sums wrap around.
        if index > 0xffff {
            return None;
        }
        let load = match self.step(field) {
            program::Arithmetic::At(base, width) => Load::At(base + index, width),
            program::Arithmetic::BehindIpv4(header, width) => Load::BehindIpv4 { header, at: header + index, width },
            _ => return None,
        };
        Some((load, mask))
    }

    fn stacked(&mut self, left: &Value, relation: Relation, right: &Value) -> Made {
        let steps = |of: &Value| folded(of.steps.iter().copied()).into_iter().map(|step| self.step(step)).collect();
        let (left, right): (Vec<_>, Vec<_>) = (steps(left), steps(right));
        let (left, middle) = self.draft.arithmetic(left)?;
        let (right, end) = self.draft.arithmetic(right)?;
        debug_assert_eq!(middle, right);
        self.draft.test(program::Test::Compare { left, right, end, relation })
    }

    fn step(&self, step: Arithmetic) -> program::Arithmetic {
        match step {
            Arithmetic::Constant(number) => program::Arithmetic::Constant(number),
            Arithmetic::Length => program::Arithmetic::Length,
            Arithmetic::Negate => program::Arithmetic::Negate,
            Arithmetic::Two(operator) => program::Arithmetic::Two(operator),
            Arithmetic::Field(protocol, width) => match protocol {
                Protocol::Ether => program::Arithmetic::At(0, width),
                Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => {
                    program::Arithmetic::At(self.network_start(), width)
                }
                Protocol::Icmp6 => program::Arithmetic::At(self.network_start() + 40, width),
                Protocol::Tcp
                | Protocol::Udp
                | Protocol::Sctp
                | Protocol::Icmp
                | Protocol::Igmp
                | Protocol::Pim
                | Protocol::Vrrp
                | Protocol::Ah
                | Protocol::Esp => program::Arithmetic::BehindIpv4(self.network_start(), width),
            },
        }
    }
}
