//! The library as slave, with a neighbour interface that must not notice anything, opposite a scripted master.

use memif::{ConnectError, InterfaceConfig, InterfaceKey, Link, SocketBuilder};
use std::time::Duration;
use testkit::master::{Ending, Point, handshake};
use testkit::{Address, Census, MasterLink, MasterPlan, Reply, ScriptedMaster, SeqSocket};

use super::rig::{Parts, Rig, Surroundings, as_told};
use super::{Driver, LENGTHS};

/// A slave under test.
pub(crate) struct SlaveRig {
    surroundings: Surroundings<MasterLink>,
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
        let surroundings = Surroundings::new(start, &mut driver, (neighbour_key, link, neighbour));
        Self { surroundings, lengths: LENGTHS, driver, address, key, master }
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
    pub(crate) fn breach(&mut self, reply: impl FnMut(&Point<'_>) -> Reply) -> memif::Refusal {
        let (ending, error) = self.fails(reply);
        let ConnectError::GaveUp(breach) = error else { panic!("{error:?} is no breach") };
        assert!(ending.left_safely(), "{ending:?}");
        if matches!(ending.said.first(), Some(testkit::wiremsg::Message::Init(_))) {
            assert_eq!(ending.reason(), Some(as_told(&breach)), "the words of DISCONNECT and of the event");
        }
        breach
    }

    /// Takes the interface down and throws away connections that nobody accepted.
    #[track_caller]
    pub(crate) fn down(&mut self) {
        self.driver.set_admin_up(self.key, false);
        while self.master.listener.accept_within(Duration::ZERO).is_some() {}
        self.driver.forget_events();
    }

    /// What is held while no peer but the neighbour is there.
    pub(crate) fn quiet(&self) -> &Census {
        self.surroundings.quiet()
    }
}

impl Rig for SlaveRig {
    type Peer = MasterLink;

    fn parts(&mut self) -> Parts<'_, MasterLink> {
        let Self { surroundings, driver, key, lengths, .. } = self;
        Parts { surroundings, driver, key: *key, lengths }
    }

    #[track_caller]
    fn link(&mut self) -> (Link, MasterLink) {
        self.driver.set_admin_up(self.key, true);
        let peer = self.master.serve();
        (self.driver.connected(self.key), peer)
    }

    fn after_link(&mut self) {
        self.down();
    }
}
