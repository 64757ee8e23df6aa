//! The library as slave, with a neighbour interface that must not notice anything, opposite a scripted master.

use memif::{Breach, ConnectError, InterfaceConfig, InterfaceKey, Link, SocketBuilder};
use std::time::Duration;
use testkit::master::{Ending, Point, handshake};
use testkit::{Address, Census, MasterLink, MasterPlan, Reply, ScriptedMaster, SeqSocket};

use super::master_rig::assert_queues_down;
use super::{Driver, LENGTHS, cross_lengths};

/// A slave under test.
pub(crate) struct SlaveRig {
    start: Census,
    quiet: Census,
    /// The library.
    pub(crate) driver: Driver,
    /// Where the master listens.
    pub(crate) address: Address,
    /// The interface under test, id 0. It is down between attempts.
    pub(crate) key: InterfaceKey,
    /// Packet lengths of the good connection: what its ring takes.
    pub(crate) lengths: &'static [usize],
    /// The master.
    pub(crate) master: ScriptedMaster,
    neighbour: Option<(InterfaceKey, Link, MasterLink)>,
}

impl SlaveRig {
    /// Interface 0 with rings of 256.
    pub(crate) fn new() -> Self {
        Self::with(InterfaceConfig::slave(0).ring_size(256))
    }

    /// The interface under test as configured (it must have id 0).
    pub(crate) fn with(config: InterfaceConfig) -> Self {
        Self::with_socket(config, MasterPlan::default(), |builder| builder)
    }

    /// With settings of the socket and of the master.
    pub(crate) fn with_socket(
        config: InterfaceConfig,
        plan: MasterPlan,
        settings: impl FnOnce(SocketBuilder) -> SocketBuilder,
    ) -> Self {
        let start = Census::now();
        let address = Address::fresh_abstract();
        let master = ScriptedMaster::bind(&address, plan);
        let mut driver = Driver::open_with(&address, settings);
        let key = driver.add(config.admin_up(false));
        let (ours, theirs) = SeqSocket::pair();
        let neighbour_key = driver
            .call(|socket| socket.add_connected(InterfaceConfig::slave(4711).ring_size(64), theirs.into_fd()))
            .expect("an interface on a connected socket");
        let neighbour = handshake(ours, &MasterPlan::default(), |_| Reply::Usual).expect("a link");
        let link = driver.connected(neighbour_key);
        let mut rig = Self {
            start,
            quiet: Census::now(),
            lengths: LENGTHS,
            driver,
            address,
            key,
            master,
            neighbour: Some((neighbour_key, link, neighbour)),
        };
        rig.check_neighbour();
        rig.quiet = Census::now();
        rig
    }

    /// A good connection.
    #[track_caller]
    pub(crate) fn link(&mut self) -> (Link, MasterLink) {
        self.driver.set_admin_up(self.key, true);
        let peer = self.master.serve();
        (self.driver.connected(self.key), peer)
    }

    /// A handshake that fails: how it ended, as the master saw it and as the library tells it.
    #[track_caller]
    pub(crate) fn fails(&mut self, reply: impl FnMut(&Point<'_>) -> Reply) -> (Ending, ConnectError) {
        self.driver.set_admin_up(self.key, true);
        let result = self.master.serve_with(reply);
        let ending = match result {
            Err(ending) => ending,
            Ok(_) => panic!("it did not fail"),
        };
        let error = self.driver.connect_failed(self.key);
        self.down();
        self.settle();
        (ending, error)
    }

    /// A handshake that fails for a breach of the master, which is told so in the same words when INIT was out; before
    /// that the slave leaves in one of the two ways that every master survives.
    #[track_caller]
    pub(crate) fn breach(&mut self, reply: impl FnMut(&Point<'_>) -> Reply) -> Breach {
        let (ending, error) = self.fails(reply);
        let ConnectError::Breach(breach) = error else { panic!("{error:?} is no breach") };
        assert!(ending.left_safely(), "{ending:?}");
        if matches!(ending.said.first(), Some(testkit::wiremsg::Message::Init(_))) {
            let mut words = breach.to_string();
            words.truncate(95);
            assert_eq!(ending.reason(), Some(words), "the words of DISCONNECT and of the event");
        }
        breach
    }

    /// The link that is up must go down for a breach, in the same words at both ends.
    #[track_caller]
    pub(crate) fn breached(&mut self, link: Link, peer: MasterLink) -> Breach {
        let told = peer.end();
        let breach = self.driver.breached(self.key);
        let mut words = breach.to_string();
        words.truncate(95);
        assert_eq!(told, Some(words), "the words of DISCONNECT and of the event");
        self.down();
        assert_queues_down(link);
        drop(peer);
        self.settle();
        breach
    }

    /// Takes the interface down and throws away connections that nobody accepted.
    #[track_caller]
    pub(crate) fn down(&mut self) {
        self.driver.set_admin_up(self.key, false);
        while self.master.listener.accept_within(Duration::ZERO).is_some() {}
        self.driver.forget_events();
    }

    /// Everything of the last link was given back, the neighbour works, and a good master gets its link.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        Census::wait_back_to(&self.quiet);
        self.check_neighbour();
        let (mut link, mut peer) = self.link();
        cross_lengths(&mut link, &mut peer, 8, self.lengths);
        drop(peer);
        self.driver.disconnected(self.key);
        self.down();
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
