//! The library as master, with a neighbour interface that must not notice anything, opposite a scripted slave.

use memif::{Breach, InterfaceConfig, InterfaceKey, Link, Peer, SocketBuilder};
use testkit::{Address, Census, Refusal, Script, ScriptedSlave, SlaveLink, SlavePlan};

use super::{Driver, LENGTHS, cross_lengths};

/// Id of the neighbour.
const NEIGHBOUR: u32 = 4711;

/// A master under test.
pub(crate) struct MasterRig {
    start: Census,
    quiet: Census,
    /// The library.
    pub(crate) driver: Driver,
    /// Where it listens.
    pub(crate) address: Address,
    /// The interface under test, id 0.
    pub(crate) key: InterfaceKey,
    /// Packet lengths of the good connection: what its ring takes.
    pub(crate) lengths: &'static [usize],
    /// What a good slave says.
    pub(crate) plan: SlavePlan,
    neighbour: Option<(InterfaceKey, Link, SlaveLink)>,
}

impl MasterRig {
    /// Interface 0 with up to two queues each way.
    pub(crate) fn new() -> Self {
        Self::with(InterfaceConfig::master(0).rx_queues(2).tx_queues(2))
    }

    /// The interface under test as configured (it must have id 0).
    pub(crate) fn with(config: InterfaceConfig) -> Self {
        Self::with_socket(config, |builder| builder)
    }

    /// With settings of the socket.
    pub(crate) fn with_socket(config: InterfaceConfig, settings: impl FnOnce(SocketBuilder) -> SocketBuilder) -> Self {
        let start = Census::now();
        let address = Address::fresh_abstract();
        let mut driver = Driver::open_with(&address, settings);
        let neighbour_key = driver.add(InterfaceConfig::master(NEIGHBOUR));
        let key = driver.add(config);
        let neighbour = SlaveLink::connect(&address, &SlavePlan::id(NEIGHBOUR));
        let link = driver.connected(neighbour_key);
        let mut rig = Self {
            start,
            quiet: Census::now(),
            lengths: LENGTHS,
            driver,
            address,
            key,
            plan: SlavePlan::default(),
            neighbour: Some((neighbour_key, link, neighbour)),
        };
        // Uses each path once, so that what is made on first use is there before anything is counted.
        rig.check_neighbour();
        rig.quiet = Census::now();
        rig
    }

    /// A good connection as planned.
    #[track_caller]
    pub(crate) fn link(&mut self) -> (Link, SlaveLink) {
        let plan = self.plan.clone();
        self.link_as(&plan)
    }

    /// A good connection with another plan.
    #[track_caller]
    pub(crate) fn link_as(&mut self, plan: &SlavePlan) -> (Link, SlaveLink) {
        let peer = SlaveLink::connect(&self.address, plan);
        (self.driver.connected(self.key), peer)
    }

    /// A handshake that must be refused, for a reason that both ends name with the same words.
    #[track_caller]
    pub(crate) fn refused(&mut self, edit: impl FnOnce(&mut Script)) -> Breach {
        let plan = self.plan.clone();
        self.refused_as(&plan, edit).0
    }

    /// As [`refused`](Self::refused) with another plan; also at which step, and who it was.
    #[track_caller]
    pub(crate) fn refused_as(&mut self, plan: &SlavePlan, edit: impl FnOnce(&mut Script)) -> (Breach, String, Peer) {
        let result = SlaveLink::try_connect(&self.address, plan, edit);
        let refusal = match result {
            Err(refusal) => refusal,
            Ok(_) => panic!("it was not refused"),
        };
        let (breach, peer) = self.agreed(&refusal);
        self.settle();
        (breach, refusal.at, peer)
    }

    /// The breach that the library reports for a refusal, whose words the peer was told.
    #[track_caller]
    pub(crate) fn agreed(&mut self, refusal: &Refusal) -> (Breach, Peer) {
        let (breach, peer) = self.driver.refused();
        let mut words = breach.to_string();
        words.truncate(95);
        assert_eq!(refusal.reason(), words, "the words of DISCONNECT and of the event");
        (breach, peer)
    }

    /// What is said to a fresh connection by hand; it must be refused.
    #[track_caller]
    pub(crate) fn refused_by_hand(&mut self, say: impl FnOnce(&ScriptedSlave)) -> Breach {
        let slave = ScriptedSlave::connect(&self.address);
        say(&slave);
        let refusal = slave.refusal("what was said by hand");
        drop(slave);
        let (breach, _) = self.agreed(&refusal);
        self.settle();
        breach
    }

    /// The link that is up must go down for a breach, in the same words at both ends.
    #[track_caller]
    pub(crate) fn breached(&mut self, link: Link, peer: SlaveLink) -> Breach {
        let told = peer.end();
        let breach = self.driver.breached(self.key);
        let mut words = breach.to_string();
        words.truncate(95);
        assert_eq!(told, Some(words), "the words of DISCONNECT and of the event");
        assert_queues_down(link);
        drop(peer);
        self.settle();
        breach
    }

    /// Everything of the last peer was given back, the neighbour works, and a good peer connects.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        Census::wait_back_to(&self.quiet);
        self.check_neighbour();
        let (mut link, mut peer) = self.link();
        cross_lengths(&mut link, &mut peer, 8, self.lengths);
        drop(peer);
        self.driver.disconnected(self.key);
        drop(link);
        Census::wait_back_to(&self.quiet);
    }

    /// Counts what the test itself has opened since as held by it.
    #[track_caller]
    pub(crate) fn recount(&mut self) {
        self.driver.call(|_| ());
        let now = Census::now();
        self.start.add_difference(&self.quiet, &now);
        self.quiet = now;
    }

    /// What is held while no peer but the neighbour is there.
    pub(crate) fn quiet(&self) -> &Census {
        &self.quiet
    }

    /// The neighbour's link works.
    #[track_caller]
    pub(crate) fn check_neighbour(&mut self) {
        let (key, link, peer) = self.neighbour.as_mut().expect("a neighbour");
        cross_lengths(link, peer, 2, &[64, 3000]);
        let key = *key;
        assert!(self.driver.details(key).link_up, "the neighbour is down");
    }

    /// Ends everything; all descriptors and mappings are given back.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        self.settle();
        self.driver.assert_idle();
        let start = self.start.clone();
        drop(self);
        Census::wait_back_to(&start);
    }
}

/// Queues of a link that went down say so, and go on saying so.
#[track_caller]
pub(crate) fn assert_queues_down(mut link: Link) {
    for rx in &mut link.rx {
        assert!(!rx.is_connected(), "rx {} is up", rx.index());
        assert!(rx.recv(1).is_err(), "rx {} receives", rx.index());
        assert!(rx.wait(None).is_err(), "rx {} waits", rx.index());
    }
    for tx in &mut link.tx {
        assert!(!tx.is_connected(), "tx {} is up", tx.index());
        assert!(tx.send(&[1; 64]).is_err(), "tx {} sends", tx.index());
        assert!(tx.send_wait(&[1; 64]).is_err(), "tx {} waits", tx.index());
    }
}
