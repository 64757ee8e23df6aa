//! ICMP errors: who says why an echo request of ours did not arrive (RFC 792, RFC 1812, RFC 4443).

use std::fmt;
use std::net::IpAddr;

use etherparse::icmpv4::{self, DestUnreachableHeader};
use etherparse::icmpv6::{self, DestUnreachableCode};
use etherparse::{Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::checksum::sums_up;

/// Bytes of an IPv6 header.
const IPV6_HEADER: usize = etherparse::Ipv6Header::LEN;

/// An error message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// Who says so.
    pub(crate) from: IpAddr,
    /// Whom it is told.
    pub(crate) to: IpAddr,
    pub(crate) reason: Reason,
    /// What it is about.
    pub(crate) invoking: Invoking,
}

/// The request that an error is about, as far as that quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invoking {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) id: u16,
    pub(crate) sequence: u16,
}

/// What went wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Not delivered, and why: with the number of the code.
    Unreachable(u8, &'static str),
    /// Too long for the next link, and not to be cut into fragments. Old routers tell 0 as the MTU.
    FragmentationNeeded { mtu: u16 },
    /// The same of IPv6.
    PacketTooBig { mtu: u32 },
    /// Took more hops than it was allowed.
    TimeExceeded,
    /// Its fragments did not all arrive in time.
    ReassemblyTimeExceeded,
    /// A field of its header was not understood.
    ParameterProblem,
    /// Another router on the link is nearer. The packet itself was passed on.
    Redirect,
}

impl Reason {
    /// As programs are told it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unreachable(..) => "unreachable",
            Self::FragmentationNeeded { .. } => "fragmentation_needed",
            Self::PacketTooBig { .. } => "packet_too_big",
            Self::TimeExceeded => "time_exceeded",
            Self::ReassemblyTimeExceeded => "reassembly_time_exceeded",
            Self::ParameterProblem => "parameter_problem",
            Self::Redirect => "redirect",
        }
    }

    /// The code, where the name does not say it all.
    pub(crate) fn code(self) -> Option<u8> {
        match self {
            Self::Unreachable(code, _) => Some(code),
            _ => None,
        }
    }

    /// The MTU of the link that the packet was too long for, where it is told.
    pub(crate) fn mtu(self) -> Option<u32> {
        let mtu = match self {
            Self::FragmentationNeeded { mtu } => mtu.into(),
            Self::PacketTooBig { mtu } => mtu,
            _ => 0,
        };
        (mtu > 0).then_some(mtu)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(code, "") => write!(f, "destination unreachable, code {code}"),
            Self::Unreachable(_, what) => f.write_str(what),
            Self::FragmentationNeeded { mtu: 0 } => f.write_str("fragmentation needed and DF set"),
            Self::FragmentationNeeded { mtu } => write!(f, "fragmentation needed and DF set (MTU {mtu})"),
            Self::PacketTooBig { mtu } => write!(f, "packet too big (MTU {mtu})"),
            Self::TimeExceeded => f.write_str("time to live exceeded"),
            Self::ReassemblyTimeExceeded => f.write_str("fragment reassembly time exceeded"),
            Self::ParameterProblem => f.write_str("parameter problem"),
            Self::Redirect => f.write_str("redirect to another router"),
        }
    }
}

/// Reads an IP packet, which may be followed by padding. `None` when it is no ICMP error about an echo request, or its
/// checksum is wrong.
pub(crate) fn parse(packet: &[u8]) -> Option<IcmpError> {
    match packet.first()? >> 4 {
        4 => parse4(packet),
        6 => parse6(packet),
        _ => None,
    }
}

fn parse4(packet: &[u8]) -> Option<IcmpError> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    let message = packet.get(header.slice().len()..usize::from(header.total_len()))?;
    let whole = !header.is_fragmenting_payload() && header.protocol() == IpNumber::ICMP;
    if !whole || !sums_up(header.slice()) || !sums_up(message) {
        return None;
    }
    let message = Icmpv4Slice::from_slice(message).ok()?;
    let reason = match message.icmp_type() {
        Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded { next_hop_mtu }) => {
            Reason::FragmentationNeeded { mtu: next_hop_mtu }
        }
        Icmpv4Type::DestinationUnreachable(why) => Reason::Unreachable(message.code_u8(), words4(&why)),
        // A code that is not known here.
        Icmpv4Type::Unknown { type_u8: icmpv4::TYPE_DEST_UNREACH, code_u8, .. } => Reason::Unreachable(code_u8, ""),
        Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::TtlExceededInTransit) => Reason::TimeExceeded,
        Icmpv4Type::TimeExceeded(_) => Reason::ReassemblyTimeExceeded,
        Icmpv4Type::ParameterProblem(_) => Reason::ParameterProblem,
        Icmpv4Type::Redirect(_) => Reason::Redirect,
        _ => return None,
    };
    Some(IcmpError {
        from: header.source_addr().into(),
        to: header.destination_addr().into(),
        reason,
        invoking: invoking4(message.payload())?,
    })
}

fn parse6(packet: &[u8]) -> Option<IcmpError> {
    let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
    let message = packet.get(IPV6_HEADER..IPV6_HEADER + usize::from(header.payload_length()))?;
    let message = Icmpv6Slice::from_slice(message).ok()?;
    let icmp = header.next_header() == IpNumber::IPV6_ICMP;
    if !icmp || !message.is_checksum_valid(header.source(), header.destination()) {
        return None;
    }
    let reason = match message.icmp_type() {
        Icmpv6Type::DestinationUnreachable(why) => Reason::Unreachable(message.code_u8(), words6(why)),
        Icmpv6Type::Unknown { type_u8: icmpv6::TYPE_DST_UNREACH, code_u8, .. } => Reason::Unreachable(code_u8, ""),
        Icmpv6Type::PacketTooBig { mtu } => Reason::PacketTooBig { mtu },
        Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::HopLimitExceeded) => Reason::TimeExceeded,
        Icmpv6Type::TimeExceeded(_) => Reason::ReassemblyTimeExceeded,
        Icmpv6Type::ParameterProblem(_) => Reason::ParameterProblem,
        _ => return None,
    };
    Some(IcmpError {
        from: header.source_addr().into(),
        to: header.destination_addr().into(),
        reason,
        invoking: invoking6(message.payload())?,
    })
}

/// The echo request of which that is the beginning: its header and eight bytes are always there.
fn invoking4(packet: &[u8]) -> Option<Invoking> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    if header.protocol() != IpNumber::ICMP || header.fragments_offset().value() > 0 {
        return None;
    }
    let (id, sequence) = match Icmpv4Slice::from_slice(packet.get(header.slice().len()..)?).ok()?.icmp_type() {
        Icmpv4Type::EchoRequest(echo) => (echo.id, echo.seq),
        _ => return None,
    };
    let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
    Some(Invoking { source, destination, id, sequence })
}

fn invoking6(packet: &[u8]) -> Option<Invoking> {
    let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
    if header.next_header() != IpNumber::IPV6_ICMP {
        return None;
    }
    let (id, sequence) = match Icmpv6Slice::from_slice(packet.get(IPV6_HEADER..)?).ok()?.icmp_type() {
        Icmpv6Type::EchoRequest(echo) => (echo.id, echo.seq),
        _ => return None,
    };
    let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
    Some(Invoking { source, destination, id, sequence })
}

fn words4(why: &DestUnreachableHeader) -> &'static str {
    match why {
        DestUnreachableHeader::Network => "network unreachable",
        DestUnreachableHeader::Host => "host unreachable",
        DestUnreachableHeader::Protocol => "protocol unreachable",
        DestUnreachableHeader::Port => "port unreachable",
        DestUnreachableHeader::FragmentationNeeded { .. } => "fragmentation needed",
        DestUnreachableHeader::SourceRouteFailed => "source route failed",
        DestUnreachableHeader::NetworkUnknown => "destination network unknown",
        DestUnreachableHeader::HostUnknown => "destination host unknown",
        DestUnreachableHeader::Isolated => "source host isolated",
        DestUnreachableHeader::NetworkProhibited => "network administratively prohibited",
        DestUnreachableHeader::HostProhibited => "host administratively prohibited",
        DestUnreachableHeader::TosNetwork => "network unreachable for this type of service",
        DestUnreachableHeader::TosHost => "host unreachable for this type of service",
        DestUnreachableHeader::FilterProhibited => "communication administratively prohibited",
        DestUnreachableHeader::HostPrecedenceViolation => "host precedence violation",
        DestUnreachableHeader::PrecedenceCutoff => "precedence cutoff in effect",
    }
}

fn words6(why: DestUnreachableCode) -> &'static str {
    match why {
        DestUnreachableCode::NoRoute => "no route to destination",
        DestUnreachableCode::Prohibited => "administratively prohibited",
        DestUnreachableCode::BeyondScope => "beyond scope of source address",
        DestUnreachableCode::Address => "address unreachable",
        DestUnreachableCode::Port => "port unreachable",
        DestUnreachableCode::SourceAddressFailedPolicy => "source address failed a policy",
        DestUnreachableCode::RejectRoute => "reject route to destination",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::packet::echo::{self, Manner};
    use crate::packet::icmp6;
    use crate::packet::mutations::{apply, changes};
    use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv6Header, Ipv4Header};
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const A: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
    const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 254);
    const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xff);
    const ECHO: IcmpEchoHeader = IcmpEchoHeader { id: 7, seq: 9 };

    /// The error that a router sends about the first bytes of a packet.
    pub(crate) fn error4(from: Ipv4Addr, to: Ipv4Addr, kind: Icmpv4Type, about: &[u8]) -> Vec<u8> {
        let message = Icmpv4Header::with_checksum(kind, about).to_bytes();
        let len = u16::try_from(message.len() + about.len()).unwrap();
        let mut header = Ipv4Header::new(len, 64, IpNumber::ICMP, from.octets(), to.octets()).unwrap();
        header.header_checksum = header.calc_header_checksum();
        [&header.to_bytes()[..], &message, about].concat()
    }

    /// The same of IPv6.
    pub(crate) fn error6(from: Ipv6Addr, to: Ipv6Addr, kind: Icmpv6Type, about: &[u8]) -> Vec<u8> {
        let message = Icmpv6Header::new(kind).to_bytes();
        icmp6::tests::packet(from, to, 64, &[&message[..], about].concat())
    }

    fn request() -> Vec<u8> {
        let mut packet = Vec::new();
        echo::append_request(&mut packet, (A, B), ECHO, Manner::default(), 100, |bytes| bytes.fill(1));
        packet
    }

    fn request6() -> Vec<u8> {
        let mut packet = Vec::new();
        icmp6::append_request(&mut packet, (icmp6::tests::A, icmp6::tests::B), ECHO, 64, 100, |bytes| bytes.fill(1));
        packet
    }

    #[test]
    fn errors_name_sender_reason_and_request() {
        use etherparse::icmpv4::TimeExceededCode;
        let request = request();
        for (kind, wanted, words) in [
            (
                Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host),
                Reason::Unreachable(1, "host unreachable"),
                "host unreachable",
            ),
            (
                Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 }),
                Reason::FragmentationNeeded { mtu: 1400 },
                "fragmentation needed and DF set (MTU 1400)",
            ),
            (
                Icmpv4Type::Unknown { type_u8: 3, code_u8: 77, bytes5to8: [0; 4] },
                Reason::Unreachable(77, ""),
                "destination unreachable, code 77",
            ),
            (
                Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit),
                Reason::TimeExceeded,
                "time to live exceeded",
            ),
            (
                Icmpv4Type::TimeExceeded(TimeExceededCode::FragmentReassemblyTimeExceeded),
                Reason::ReassemblyTimeExceeded,
                "fragment reassembly time exceeded",
            ),
        ] {
            // As much as RFC 792 wants, and as much as RFC 1812 wants.
            for len in [28, request.len()] {
                let mut packet = error4(ROUTER, A, kind.clone(), &request[..len]);
                packet.extend([0; 3]); // padding
                let error = parse(&packet).unwrap();
                assert_eq!((error.from, error.to), (ROUTER.into(), A.into()));
                assert_eq!((error.reason, error.reason.to_string().as_str()), (wanted, words));
                let invoking = Invoking { source: A.into(), destination: B.into(), id: 7, sequence: 9 };
                assert_eq!(error.invoking, invoking);
            }
            assert_eq!(parse(&error4(ROUTER, A, kind, &request[..27])), None);
        }
    }

    #[test]
    fn errors_of_ipv6_do_so_too() {
        use etherparse::icmpv6::TimeExceededCode;
        let request = request6();
        for (kind, wanted) in [
            (
                Icmpv6Type::DestinationUnreachable(DestUnreachableCode::NoRoute),
                Reason::Unreachable(0, "no route to destination"),
            ),
            (Icmpv6Type::PacketTooBig { mtu: 1280 }, Reason::PacketTooBig { mtu: 1280 }),
            (Icmpv6Type::TimeExceeded(TimeExceededCode::HopLimitExceeded), Reason::TimeExceeded),
        ] {
            let error = parse(&error6(ROUTER6, icmp6::tests::A, kind, &request)).unwrap();
            assert_eq!((error.from, error.reason), (ROUTER6.into(), wanted));
            let (source, destination) = (icmp6::tests::A.into(), icmp6::tests::B.into());
            assert_eq!(error.invoking, Invoking { source, destination, id: 7, sequence: 9 });
        }
    }

    #[test]
    fn what_is_no_error_about_a_request_is_none() {
        assert_eq!(parse(&request()), None);
        assert_eq!(parse(&request6()), None);
        let kind = || Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host);
        let good = error4(ROUTER, A, kind(), &request());
        for at in [8, 24, 60] {
            let mut wrong = good.clone();
            wrong[at] ^= 1; // a checksum does not fit any more
            assert_eq!(parse(&wrong), None, "byte {at}");
        }
        let mut udp = request();
        udp[9] = 17;
        assert_eq!(parse(&error4(ROUTER, A, kind(), &udp)), None);
        assert_eq!(parse(&error4(ROUTER, A, kind(), &[])), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        /// With checksums that fit.
        #[test]
        fn any_invoking_bytes_are_read_without_a_panic(
            six: bool,
            changes in changes(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut about = if six { request6() } else { request() };
            apply(changes, &mut about);
            about.truncate(cut.index(about.len() + 1));
            let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host);
            let kind6 = Icmpv6Type::PacketTooBig { mtu: 1 };
            if let Some(error) = parse(&error4(ROUTER, A, kind, &about)) {
                prop_assert!(!error.reason.to_string().is_empty());
            }
            let _ = parse(&error6(ROUTER6, icmp6::tests::A, kind6, &about));
        }
    }
}
