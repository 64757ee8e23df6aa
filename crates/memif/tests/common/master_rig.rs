//! The library as master, with a neighbour interface that must not notice anything, opposite a scripted slave.

use memif::{InterfaceConfig, InterfaceKey, Link, Peer, SocketBuilder};
use testkit::{Address, Census, Refusal, Script, ScriptedSlave, SlaveLink, SlavePlan};

use super::rig::{Parts, Rig, Surroundings, as_told};
use super::{Driver, LENGTHS};

/// Id of the neighbour.
const NEIGHBOUR: u32 = 4711;

/// A master under test.
pub(crate) struct MasterRig {
    surroundings: Surroundings<SlaveLink>,
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
        let surroundings = Surroundings::new(start, &mut driver, (neighbour_key, link, neighbour));
        Self { surroundings, lengths: LENGTHS, driver, address, key, plan: SlavePlan::default() }
    }

    /// What is held while no peer but the neighbour is there.
    pub(crate) fn quiet(&self) -> &Census {
        self.surroundings.quiet()
    }

    /// A good connection with another plan.
    #[track_caller]
    pub(crate) fn link_as(&mut self, plan: &SlavePlan) -> (Link, SlaveLink) {
        let peer = SlaveLink::connect(&self.address, plan);
        (self.driver.connected(self.key), peer)
    }

    /// A handshake that must be refused, for a reason that both ends name with the same words.
    #[track_caller]
    pub(crate) fn refused(&mut self, edit: impl FnOnce(&mut Script)) -> memif::Refusal {
        let plan = self.plan.clone();
        self.refused_as(&plan, edit).0
    }

    /// As [`refused`](Self::refused) with another plan; also at which step, and who it was.
    #[track_caller]
    pub(crate) fn refused_as(
        &mut self,
        plan: &SlavePlan,
        edit: impl FnOnce(&mut Script),
    ) -> (memif::Refusal, String, Peer) {
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
    pub(crate) fn agreed(&mut self, refusal: &Refusal) -> (memif::Refusal, Peer) {
        let (breach, peer) = self.driver.refused();
        assert_eq!(refusal.reason(), as_told(&breach), "the words of DISCONNECT and of the event");
        (breach, peer)
    }

    /// What is said to a fresh connection by hand; it must be refused.
    #[track_caller]
    pub(crate) fn refused_by_hand(&mut self, say: impl FnOnce(&ScriptedSlave)) -> memif::Refusal {
        let slave = ScriptedSlave::connect(&self.address);
        say(&slave);
        let refusal = slave.refusal("what was said by hand");
        drop(slave);
        let (breach, _) = self.agreed(&refusal);
        self.settle();
        breach
    }
}

impl Rig for MasterRig {
    type Peer = SlaveLink;

    fn parts(&mut self) -> Parts<'_, SlaveLink> {
        let Self { surroundings, driver, key, lengths, .. } = self;
        Parts { surroundings, driver, key: *key, lengths }
    }

    #[track_caller]
    fn link(&mut self) -> (Link, SlaveLink) {
        let plan = self.plan.clone();
        self.link_as(&plan)
    }
}
