//! `memif bridge`: the kernel's own programs through it, in network namespaces of the test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod bed;
mod device;
mod json;
mod kernel;
mod large;
mod life;
mod namespaces;
mod pair;
mod pinger;
mod rate;
mod record;
mod shared;
#[path = "../util/mod.rs"]
mod util;
mod wire;
mod wrong;

use std::time::Duration;

use testkit::{Need, Suite};

const IP: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("ping")];
const SYSCTL: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("ping"), Need::Program("sysctl")];
const ARPING: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("arping")];
const IPERF: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("iperf3")];
const QUEUES: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("iperf3"), Need::Program("tc")];
const CURL: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("curl"), Need::Program("python3")];
const PYTHON: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("python3")];
const OTHER_USER: &[Need] = &[Need::NetNamespace, Need::Program("ip"), Need::Program("setpriv")];
const LIMITED_USER: &[Need] = &[
    Need::NetNamespace,
    Need::Program("ip"),
    Need::Program("ping"),
    Need::Program("setpriv"),
    Need::Program("prlimit"),
];

fn main() {
    let suite = Suite::new()
        .test("ping_reaches_a_responder", IP, kernel::ping_reaches_a_responder)
        .test("ping6_reaches_a_responder", IP, kernel::ping6_reaches_a_responder)
        .test("large_packets_are_chained", IP, kernel::large_packets_are_chained)
        .test("arping_reaches_a_responder", ARPING, kernel::arping_reaches_a_responder)
        .test("ping_in_every_receive_mode", IP, kernel::ping_in_every_receive_mode)
        .test("memif_ping_by_ipv6", IP, pinger::ipv6_by_neighbour_discovery)
        .test("memif_ping_with_replies_in_fragments", IP, pinger::replies_in_fragments_are_put_together)
        .test("requests_in_fragments_are_answered", IP, pinger::requests_in_fragments_are_answered)
        .test("memif_ping_names_icmp_errors", SYSCTL, pinger::icmp_errors_are_named)
        .test("sockets_in_another_namespace", IP, namespaces::sockets_in_another_namespace)
        .test("slave_connects_again_in_its_namespace", IP, namespaces::slave_connects_again_in_its_namespace)
        .test("device_stays_where_the_bridge_is", IP, namespaces::device_stays_where_the_bridge_is)
        .test("missing_namespace_has_an_answer", IP, namespaces::missing_namespace_has_an_answer)
        .test("ipv6_between_two_bridges", IP, pair::ipv6_between_two_bridges)
        .test("ip_mode_joins_tun_devices", IP, pair::ip_mode_joins_tun_devices)
        .test("iperf3_tcp", IPERF, pair::iperf3_tcp)
        .test("iperf3_udp", IPERF, pair::iperf3_udp)
        .test("many_queues_carry_many_flows", QUEUES, pair::many_queues_carry_many_flows)
        .test("download_arrives_unchanged", CURL, pair::download_arrives_unchanged)
        .test("tcp_is_frames_to_the_peer", PYTHON, large::tcp_is_frames_to_the_peer)
        .test("udp_bursts_are_frames_to_the_peer", PYTHON, large::udp_bursts_are_frames_to_the_peer)
        .test("wrong_checksums_are_seen_by_the_kernel", PYTHON, large::wrong_checksums_are_seen_by_the_kernel)
        .test("device_that_stays_is_left_without_offloads", PYTHON, large::device_that_stays_is_left_without_offloads)
        .test(
            "plain_programs_share_without_offloads",
            PYTHON,
            large::device_of_plain_programs_is_shared_without_offloads,
        )
        .test("what_the_kernel_pings_is_written", IP, record::what_the_kernel_pings)
        .test("frames_are_written_as_the_peer_sees_them", PYTHON, record::frames_as_the_peer_sees_them)
        .test("either_bridge_killed_in_traffic", CURL, life::either_bridge_killed_in_traffic)
        .test("device_stays_while_the_peer_is_away", IP, life::device_stays_while_the_peer_is_away)
        .test("figures_are_told_while_it_goes_on", IP, life::figures_are_told_while_it_goes_on)
        .test("first_packet_of_each_link_is_answered", IP, life::first_packet_of_each_link_is_answered)
        .test("shortage_costs_one_link", LIMITED_USER, device::shortage_costs_one_link)
        .test("device_down_and_up_again", IP, life::device_down_and_up_again)
        .test("deleted_device_ends_the_bridge", IP, life::deleted_device_ends_the_bridge)
        .test("device_moved_to_another_namespace", IP, life::device_moved_to_another_namespace)
        .test("idle_bridge_sleeps", IP, life::idle_bridge_sleeps)
        .test("created_device_goes_and_a_joined_one_stays", IP, device::created_goes_joined_stays)
        .test("joined_device_keeps_or_gets_its_mtu", IP, device::joined_device_keeps_or_gets_its_mtu)
        .test("device_with_one_queue_is_joined_by_many", IP, device::one_queue_joined_by_many)
        .test("device_with_many_queues_is_joined_by_one", IP, device::many_queues_joined_by_one)
        .test("second_bridge_is_refused_and_changes_nothing", IP, shared::second_bridge_is_refused)
        .test("two_bridges_share_a_device_on_purpose", IP, shared::two_bridges_share_on_purpose)
        .test("bridge_without_a_link_gets_out_of_the_way", IP, shared::without_a_link_out_of_the_way)
        .test("device_of_another_kind_of_program", PYTHON, shared::device_of_another_kind_of_program)
        .test("user_bridges_a_device_of_their_own", OTHER_USER, device::user_bridges_their_own)
        .test("events_and_statistics_in_json", IP, json::events_and_statistics)
        .test("wrong_use_has_an_answer", &[], wrong::wrong_use_has_an_answer)
        .test("taken_names_have_an_answer", IP, wrong::taken_names_have_an_answer)
        .test("missing_rights_have_an_answer", OTHER_USER, wrong::missing_rights_have_an_answer)
        .test("missing_driver_has_an_answer", IP, wrong::missing_driver_has_an_answer);
    if std::env::var_os(rate::ROUNDS).is_some() {
        suite.long_test("rate", Duration::from_secs(900), IPERF, rate::beside_a_veth).run()
    }
    suite.run()
}
