//! The engine against the responder, in memory, with simulated time.

use super::*;
use crate::endpoint::pinger::payload::Difference;
use crate::endpoint::responder::engine::{Responder, Verdict};
use crate::packet::arp::tests::{reply_frame, request_frame};
use crate::packet::echo::Manner;
use crate::packet::icmp_error::tests::error4;
use crate::packet::icmp6::tests as six;
use crate::packet::{Framing, Station, fragments};
use etherparse::icmpv4::{DestUnreachableHeader, RedirectCode, RedirectHeader};
use etherparse::{Icmpv4Type, VlanId};
use proptest::prelude::*;
use std::net::Ipv4Addr;

const MS: Duration = Duration::from_millis(1);

fn station(last: u8) -> Station {
    let ip = Ipv4Addr::new(192, 168, 1, last);
    Station { mac: Mac::from_ip(ip.into()), ip }
}

fn plan() -> Plan {
    Plan {
        mac: station(1).mac,
        ends: Ends::V4 { own: station(1).ip, target: station(2).ip },
        encapsulation: Encapsulation::Ethernet,
        manner: Manner::default(),
        id: 77,
        size: 56,
        count: Some(3),
        interval: Some(Duration::from_secs(1)),
        timeout: Duration::from_secs(5),
        deadline: None,
    }
}

/// Both ends, one link that delivers at once, and a clock.
struct World {
    engine: Engine,
    responder: Responder,
    start: Instant,
    now: Instant,
    heard: Vec<Heard>,
}

impl World {
    fn new(plan: Plan) -> Self {
        let target = plan.ends.target();
        let addresses = [target].into_iter().collect();
        let responder = Responder::new(Mac::from_ip(target), addresses, plan.encapsulation);
        let start = Instant::now();
        Self { engine: Engine::new(plan), responder, start, now: start, heard: Vec::new() }
    }

    /// Runs to the end. `fate` turns each answer of the responder into those that arrive.
    fn run(&mut self, mut fate: impl FnMut(u64, Vec<u8>) -> Vec<Vec<u8>>) -> Finish {
        let mut packet = Vec::new();
        let mut answers = 0;
        for _ in 0..1_000_000 {
            match self.engine.poll(self.now, &mut packet) {
                Step::Finished(finish) => return finish,
                Step::Wait(until) => {
                    assert!(until > self.now, "a wait that does not wait");
                    self.now = until;
                }
                Step::Send => {
                    self.engine.sent(self.now);
                    let verdict = self.responder.answer(self.now, &mut packet);
                    assert!(!matches!(verdict, Verdict::Drop(_)), "the responder dropped a request");
                    let sent: Vec<_> = self.responder.answers(verdict, &packet).map(<[u8]>::to_vec).collect();
                    self.now += MS;
                    for answer in sent {
                        answers += 1;
                        for answer in fate(answers, answer) {
                            self.heard.push(self.engine.handle(self.now, &answer));
                        }
                    }
                }
            }
        }
        panic!("the run has no end");
    }

    fn faithful(&mut self) -> Finish {
        self.run(|_, answer| vec![answer])
    }
}

#[test]
fn address_is_asked_for_first_and_every_request_answered() {
    let mut world = World::new(plan());
    assert_eq!(world.faithful(), Finish::Done);
    let statistics = world.engine.statistics();
    assert!(statistics.complete());
    assert_eq!(statistics.transmitted, 3);
    assert_eq!(world.heard[0], Heard::Resolved(station(2).mac));
    let reply = Reply { icmp_len: 64, sequence: 1, time_to_live: 64, round_trip: MS, checksum_ok: true };
    assert_eq!(world.heard[1], Heard::Reply(reply));
    assert_eq!(world.heard[3], Heard::Reply(Reply { sequence: 3, ..reply }));
    // ARP took 1 ms; requests left after it, 1 s apart; nothing was waited for after the last reply.
    assert_eq!(world.now - world.start, Duration::from_millis(2002));
    assert_eq!(statistics.time, Duration::from_millis(2001));
}

#[test]
fn ip_mode_has_no_address_resolution_and_the_largest_packet() {
    let size = echo::MAX_PAYLOAD;
    let mut world = World::new(Plan { encapsulation: Encapsulation::Ip, size, ..plan() });
    assert_eq!(world.engine.plan().packet_len(), 65_535);
    assert_eq!(world.faithful(), Finish::Done);
    assert!(world.engine.statistics().complete());
    assert_eq!(world.heard.len(), 3);
}

#[test]
fn nobody_answers_arp() {
    let mut world = World::new(plan());
    assert_eq!(world.run(|_, _| vec![]), Finish::Unresolved);
    assert_eq!(world.now - world.start, Duration::from_secs(5));
    assert_eq!(world.engine.statistics().transmitted, 0);
}

#[test]
fn lost_replies_are_waited_for_and_counted() {
    let mut world = World::new(plan());
    let finish = world.run(|at, answer| if at == 3 { vec![] } else { vec![answer] });
    assert_eq!(finish, Finish::Done);
    let statistics = world.engine.statistics();
    assert_eq!((statistics.transmitted, statistics.received), (3, 2));
    assert!(!statistics.complete());
    let mut none = World::new(plan());
    none.run(|at, answer| if at > 1 { vec![] } else { vec![answer] });
    assert_eq!(none.engine.statistics().received, 0);
    assert_eq!(none.now - none.start, Duration::from_millis(1 + 2000 + 5000));
}

/// Where the payload starts in an ethernet frame.
const PAYLOAD: usize = 14 + echo::HEADERS;

#[test]
fn duplicates_and_changed_bytes_are_told() {
    let mut world = World::new(plan());
    world.run(|at, mut answer| match at {
        2 => vec![answer.clone(), answer],
        3 => {
            // Two words change places: the checksum stays right.
            let words: [u8; 4] = answer[PAYLOAD..PAYLOAD + 4].try_into().unwrap();
            answer[PAYLOAD..PAYLOAD + 2].copy_from_slice(&words[2..]);
            answer[PAYLOAD + 2..PAYLOAD + 4].copy_from_slice(&words[..2]);
            vec![answer]
        }
        4 => {
            *answer.last_mut().unwrap() ^= 1;
            vec![answer]
        }
        _ => vec![answer],
    });
    assert!(matches!(world.heard[2], Heard::Duplicate(Reply { sequence: 1, .. })));
    assert!(matches!(world.heard[3], Heard::Corrupt(2, Difference { at: 0, .. })));
    assert!(matches!(world.heard[4], Heard::Corrupt(3, Difference { at: 55, .. })));
    let statistics = world.engine.statistics();
    assert_eq!((statistics.received, statistics.duplicates, statistics.corrupted), (1, 1, 2));
    assert_eq!(statistics.wrong_checksums, 0);
}

/// Where the ICMP checksum starts in an ethernet frame.
const CHECKSUM: usize = 14 + echo::IPV4_HEADER + 2;

#[test]
fn replies_with_nothing_wrong_but_the_checksum_count_as_replies() {
    let mut world = World::new(plan());
    world.run(|at, mut answer| {
        if at > 1 {
            answer[CHECKSUM..CHECKSUM + 2].copy_from_slice(&[0xde, 0xad]);
        }
        if at == 3 { vec![answer.clone(), answer] } else { vec![answer] }
    });
    let told = |heard: &Heard| matches!(heard, Heard::Reply(reply) if !reply.checksum_ok);
    assert!(told(&world.heard[1]) && told(&world.heard[2]), "{:?}", world.heard);
    assert!(matches!(world.heard[3], Heard::Duplicate(reply) if !reply.checksum_ok));
    let statistics = world.engine.statistics();
    assert!(statistics.complete());
    assert_eq!((statistics.wrong_checksums, statistics.corrupted), (4, 0));
}

#[test]
fn a_wrong_checksum_excuses_nothing_else() {
    // Another id, another number, a request instead of a reply, an unknown code.
    for (at, change) in [(4, 1), (6, 0x40), (0, 8), (1, 1)] {
        let mut world = World::new(Plan { count: Some(1), ..plan() });
        world.run(|number, mut answer| {
            if number > 1 {
                answer[14 + echo::IPV4_HEADER + at] ^= change;
            }
            vec![answer]
        });
        assert_eq!(world.heard[1], Heard::Checksum(NotEcho::IcmpChecksum), "{at}");
        let statistics = world.engine.statistics();
        assert_eq!((statistics.received, statistics.wrong_checksums), (0, 0));
        assert_eq!(statistics.corrupted, 1);
    }
}

#[test]
fn a_reply_of_the_wrong_length_is_no_reply() {
    let mut short = World::new(Plan { size: 55, encapsulation: Encapsulation::Ip, ..plan() });
    let mut packet = Vec::new();
    assert_eq!(short.engine.poll(short.now, &mut packet), Step::Send);
    short.responder.answer(Instant::now(), &mut packet);
    let mut engine = Engine::new(Plan { encapsulation: Encapsulation::Ip, ..plan() });
    let mut own = Vec::new();
    engine.poll(short.now, &mut own);
    engine.sent(short.now);
    let heard = engine.handle(short.now, &packet);
    assert_eq!(heard, Heard::Length { sequence: 1, found: 55 });
    assert_eq!(engine.statistics().received, 0);
}

#[test]
fn packets_of_others_are_left_alone() {
    let mut engine = Engine::new(plan());
    let now = Instant::now();
    let mut packet = Vec::new();
    engine.poll(now, &mut packet);
    engine.sent(now);
    let stranger = reply_frame(station(3), station(1));
    assert_eq!(engine.handle(now, &stranger), Heard::Other);
    let elsewhere = reply_frame(station(2), station(3));
    assert_eq!(engine.handle(now, &elsewhere), Heard::Other);
    let question = request_frame(station(2), station(1).ip);
    assert_eq!(engine.handle(now, &question), Heard::Other);
    let answer = reply_frame(station(2), station(1));
    assert_eq!(engine.handle(now, &answer), Heard::Resolved(station(2).mac));
    assert_eq!(engine.handle(now, &answer), Heard::Other);
    assert_eq!(engine.handle(now, &[]), Heard::Other);
    // An answer to a request that was never sent.
    let mut other = World::new(Plan { id: 77, ..plan() });
    let mut late = Vec::new();
    other.run(|_, answer| {
        late = answer.clone();
        vec![answer]
    });
    assert_eq!(engine.handle(now, &late), Heard::Other);
}

#[test]
fn flood_follows_the_replies_and_never_stalls() {
    let count = 200_000; // the ICMP sequence number comes round three times
    let flood = Plan { count: Some(count), interval: None, size: 8, ..plan() };
    let mut world = World::new(flood.clone());
    world.faithful();
    assert!(world.engine.statistics().complete());
    assert_eq!(world.now - world.start, MS + MS * 200_000);
    let mut lossy = World::new(Plan { count: Some(100), ..flood });
    lossy.run(|at, answer| if at % 2 == 0 { vec![] } else { vec![answer] });
    assert_eq!(lossy.engine.statistics().transmitted, 100);
    assert_eq!(lossy.engine.statistics().received, 50);
}

#[test]
fn stop_waits_only_for_what_is_under_way() {
    let mut world = World::new(Plan { count: None, ..plan() });
    let mut packet = Vec::new();
    for _ in 0..2 {
        assert_eq!(world.engine.poll(world.now, &mut packet), Step::Send);
        world.engine.sent(world.now);
        let Verdict::Reply(len) = world.responder.answer(Instant::now(), &mut packet) else { panic!("dropped") };
        world.heard.push(world.engine.handle(world.now, &packet[..len]));
    }
    let mut stopped = Vec::new();
    world.engine.stop(world.now);
    assert_eq!(world.engine.poll(world.now, &mut stopped), Step::Finished(Finish::Done));
    assert!(world.engine.statistics().complete());

    let mut deaf = World::new(Plan { count: None, encapsulation: Encapsulation::Ip, ..plan() });
    deaf.engine.poll(deaf.now, &mut packet);
    deaf.engine.sent(deaf.now);
    deaf.engine.stop(deaf.now);
    let until = deaf.now + STOP_PATIENCE;
    assert_eq!(deaf.engine.poll(deaf.now, &mut packet), Step::Wait(until));
    assert_eq!(deaf.engine.poll(until, &mut packet), Step::Finished(Finish::Done));
}

#[test]
fn a_new_link_starts_with_the_address_again() {
    let mut world = World::new(Plan { count: Some(2), ..plan() });
    let mut packet = Vec::new();
    world.engine.poll(world.now, &mut packet);
    world.engine.sent(world.now);
    world.engine.handle(world.now, &reply_frame(station(2), station(1)));
    assert_eq!(world.engine.poll(world.now, &mut packet), Step::Send);
    world.engine.sent(world.now); // lost with the link
    world.engine.link_down();
    assert_eq!(world.faithful(), Finish::Done);
    assert_eq!(world.heard[0], Heard::Resolved(station(2).mac));
    let statistics = world.engine.statistics();
    assert_eq!((statistics.transmitted, statistics.received), (2, 1));
    // The request that went down with the link was not waited for.
    assert!(world.now - world.start < Duration::from_secs(1));
}

#[test]
fn when_all_was_sent_no_new_link_is_needed() {
    let mut engine = Engine::new(Plan { count: Some(1), encapsulation: Encapsulation::Ip, ..plan() });
    assert_eq!(engine.poll(Instant::now(), &mut Vec::new()), Step::Send);
    engine.sent(Instant::now());
    assert_eq!(engine.finished(), None);
    engine.link_down();
    assert_eq!(engine.finished(), Some(Finish::Done));
}

/// A run over IPv6.
fn plan6() -> Plan {
    let ends = Ends::V6 { own: six::A, target: six::B };
    Plan { mac: Mac([2, 0, 0, 0, 0, 1]), ends, ..plan() }
}

#[test]
fn ipv6_is_spoken_with_neighbour_discovery() {
    for encapsulation in [Encapsulation::Ethernet, Encapsulation::Vlan(VlanId::try_new(7).unwrap()), Encapsulation::Ip]
    {
        let mut world = World::new(Plan { encapsulation, ..plan6() });
        assert_eq!(world.faithful(), Finish::Done);
        assert!(world.engine.statistics().complete());
        let resolved = Heard::Resolved(Mac::from_ip(six::B.into()));
        assert_eq!(world.heard.contains(&resolved), encapsulation != Encapsulation::Ip);
    }
    let mut alone = World::new(plan6());
    assert_eq!(alone.run(|_, _| vec![]), Finish::Unresolved);
    assert_eq!(alone.now - alone.start, Duration::from_secs(5));
}

#[test]
fn on_a_vlan_frames_of_others_are_left_alone() {
    let encapsulation = Encapsulation::Vlan(VlanId::try_new(7).unwrap());
    let mut world = World::new(Plan { encapsulation, ..plan() });
    assert_eq!(world.faithful(), Finish::Done);
    assert!(world.engine.statistics().complete());
    let mut world = World::new(Plan { encapsulation, ..plan() });
    world.run(|_, mut answer| {
        answer[15] = 8; // of another VLAN
        vec![answer]
    });
    assert_eq!(world.heard[0], Heard::Other);
}

#[test]
fn a_wrong_checksum_of_ipv6_alone_is_no_loss() {
    let mut world = World::new(plan6());
    world.run(|at, mut answer| {
        if at > 1 {
            answer[14 + 40 + 2] ^= 0x55;
        }
        vec![answer]
    });
    let statistics = world.engine.statistics();
    assert!(statistics.complete());
    assert_eq!(statistics.wrong_checksums, 3);
}

#[test]
fn replies_in_fragments_are_put_together() {
    for plan in [plan(), plan6()] {
        let mut world = World::new(Plan { size: 4000, ..plan });
        let parts = |at, answer: &[u8]| {
            let mut parts = Vec::new();
            let each = |part: &[u8]| parts.push([&answer[..14], part].concat());
            fragments::cut(&answer[14..], 1500, at, each).unwrap();
            parts
        };
        world.run(|at, answer| match at {
            // Of the third one a part is lost.
            4 => parts(4, &answer).split_off(1),
            _ => parts(u32::try_from(at).unwrap(), &answer).into_iter().rev().collect(),
        });
        let statistics = world.engine.statistics();
        assert_eq!((statistics.received, statistics.incomplete), (2, 1), "{:?}", world.heard);
        assert_eq!(world.heard.iter().filter(|heard| **heard == Heard::Fragment).count(), 6);
        assert!(matches!(world.heard[3], Heard::Reply(Reply { icmp_len: 4008, sequence: 1, .. })));
    }
}

/// The error that the target, as a router, sends instead of a reply.
fn host_unreachable(about: &[u8]) -> Vec<u8> {
    let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host);
    error4(station(9).ip, station(1).ip, kind, &about[..28])
}

#[test]
fn errors_about_requests_are_told_and_not_waited_for() {
    let mut engine = Engine::new(Plan { encapsulation: Encapsulation::Ip, interval: None, ..plan() });
    let mut packet = Vec::new();
    let now = Instant::now();
    for _ in 0..3 {
        // The next one goes at once.
        assert_eq!(engine.poll(now, &mut packet), Step::Send);
        engine.sent(now);
        let Heard::Error(error) = engine.handle(now, &host_unreachable(&packet)) else { panic!("no error") };
        assert_eq!((error.from, error.reason.code()), (station(9).ip.into(), Some(1)));
    }
    assert_eq!(engine.poll(now, &mut packet), Step::Finished(Finish::Done));
    let statistics = engine.statistics();
    assert_eq!((statistics.transmitted, statistics.received, statistics.errors), (3, 0, 3));
    assert!(!statistics.is_silence());
}

#[test]
fn errors_about_something_else_are_left_alone() {
    let mut engine = Engine::new(Plan { encapsulation: Encapsulation::Ip, ..plan() });
    let mut packet = Vec::new();
    let now = Instant::now();
    engine.poll(now, &mut packet);
    engine.sent(now);
    let kind = || Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host);
    // Of another program, about a request that was not sent, and told to somebody else.
    for (at, to) in [(25, station(1).ip), (27, station(1).ip), (0, station(3).ip)] {
        let mut about = packet[..28].to_vec();
        about[at] ^= u8::from(at > 0) << 4;
        assert_eq!(engine.handle(now, &error4(station(9).ip, to, kind(), &about)), Heard::Other);
    }
    // Whoever redirects passes the request on.
    let redirect = Icmpv4Type::Redirect(RedirectHeader {
        code: RedirectCode::RedirectForHost,
        gateway_internet_address: [192, 168, 1, 8],
    });
    let heard = engine.handle(now, &error4(station(9).ip, station(1).ip, redirect, &packet[..28]));
    assert!(matches!(heard, Heard::Error(_)));
    assert_eq!(engine.statistics().errors, 0);
    // A reply that comes after all counts.
    engine.handle(now, &host_unreachable(&packet));
    let mut reply = packet.clone();
    echo::reply_in_place(&mut reply, &echo::parse(&packet).unwrap()).unwrap();
    assert!(matches!(engine.handle(now, &reply), Heard::Reply(_)));
    // And an error after the reply does not.
    assert_eq!(engine.handle(now, &host_unreachable(&packet)), Heard::Other);
}

#[test]
fn the_deadline_ends_everything() {
    let deadline = Some(Duration::from_millis(2500));
    let mut world = World::new(Plan { deadline, count: None, ..plan() });
    assert_eq!(world.faithful(), Finish::Done);
    assert_eq!(world.now - world.start, Duration::from_millis(2500));
    assert_eq!(world.engine.statistics().transmitted, 3);
    let mut alone = World::new(Plan { deadline, ..plan() });
    assert_eq!(alone.run(|_, _| vec![]), Finish::Unresolved);
    assert_eq!(alone.now - alone.start, Duration::from_millis(2500));
    let mut deaf = World::new(Plan { deadline, encapsulation: Encapsulation::Ip, count: Some(1), ..plan() });
    assert_eq!(deaf.run(|_, _| vec![]), Finish::Done);
    assert_eq!(deaf.now - deaf.start, Duration::from_millis(2500));
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes: Vec<u8>, ethernet: bool, ipv6: bool) {
        let framing = if ethernet { Framing::Ethernet } else { Framing::Ip };
        let plan = if ipv6 { plan6() } else { plan() };
        let mut engine = Engine::new(Plan { encapsulation: framing.into(), ..plan });
        engine.handle(Instant::now(), &bytes);
    }

    #[test]
    fn any_change_to_a_reply_is_noticed(
        size in 0usize..200,
        at in any::<prop::sample::Index>(),
        change in 1u8..,
    ) {
        let mut world =
            World::new(Plan { size, count: Some(1), encapsulation: Encapsulation::Ip, ..plan() });
        let mut in_checksum = false;
        world.run(|_, mut answer| {
            // The first 28 bytes are headers, of which a few may differ (identification, say) as long as
            // their checksum fits, which one changed byte never achieves.
            let at = at.index(answer.len());
            in_checksum = (CHECKSUM - 14..CHECKSUM - 12).contains(&at);
            answer[at] ^= change;
            vec![answer]
        });
        // A wrong checksum over right bytes is told apart; it is no loss.
        let statistics = world.engine.statistics();
        let noticed = u64::from(in_checksum);
        prop_assert_eq!((statistics.received, statistics.wrong_checksums), (noticed, noticed));
    }
}
