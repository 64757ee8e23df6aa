//! Links of which neither end is ours.

use testkit::testpmd::Options;
use testkit::{Testpmd, eventually};

use super::util::{Directory, memif};
use super::{links_of, rings, roles};

/// What a testpmd sends goes over the link that is shown.
pub(super) fn two_testpmd() {
    for queues in [1, 2] {
        let directory = Directory::new();
        let socket = directory.path("memif.sock");
        let options = |role, forward| Options { queues, log2: 8, ..Options::new(role, &socket, forward) };
        let mut server = Testpmd::spawn(&options("server", "rxonly"));
        server.start();
        let mut client = Testpmd::spawn(&options("client", "txonly"));
        client.start();
        let pids = [client.pid(), server.pid()];
        let shown = || links_of(pids[0]).into_iter().find(|link| link["other_end"] == "there");
        let link = eventually("a link in use", || {
            shown().filter(|link| rings(link, "slave", "sent_slots").iter().all(|slots| slots.as_u64() > Some(1000)))
        });
        let expected = [(u64::from(pids[0]), "slave".to_owned()), (u64::from(pids[1]), "master".to_owned())];
        assert_eq!(roles(&link), expected, "{link:#}");
        assert_eq!(link["layout"], "packed");
        assert_eq!(link["socket"], directory.text("memif.sock"));
        assert_eq!(link["directions_known"], queues == 1);
        for from in ["slave", "master"] {
            assert_eq!(rings(&link, from, "ring_size_slots"), vec![256; usize::from(queues)]);
            // DPDK always polls.
            assert_eq!(rings(&link, from, "polls"), vec![true; usize::from(queues)]);
        }
        let before = rings(&link, "slave", "head");
        eventually("further packets", || (rings(&shown()?, "slave", "head") != before).then_some(()));
        memif(&format!("links --pid {}", pids[1])).finish().code(0).says("dpdk-testpmd").says(" 256 ");
        client.stop();
        server.stop();
        client.quit();
        server.quit();
    }
}
