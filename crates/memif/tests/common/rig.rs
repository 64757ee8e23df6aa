//! What rigs of either role do: each puts one interface of the library opposite a scripted peer, with a neighbour that
//! must not notice anything, and counts what is left over.

use memif::{Breach, InterfaceKey, Link};
use testkit::Census;

use super::{Driver, PeerEnd, cross_lengths};

/// What was there before the peer came, and the neighbour.
pub(crate) struct Surroundings<P> {
    start: Census,
    quiet: Census,
    neighbour: Option<(InterfaceKey, Link, P)>,
}

/// The parts that every rig has.
pub(crate) struct Parts<'a, P> {
    pub(crate) surroundings: &'a mut Surroundings<P>,
    pub(crate) driver: &'a mut Driver,
    pub(crate) key: InterfaceKey,
    pub(crate) lengths: &'static [usize],
}

impl<P: PeerEnd> Surroundings<P> {
    /// With a neighbour that is connected, and what was held before anything was made. Uses each path once, so that
    /// what is made on first use is there before anything is counted.
    pub(crate) fn new(start: Census, driver: &mut Driver, neighbour: (InterfaceKey, Link, P)) -> Self {
        let mut surroundings = Self { start, quiet: Census::now(), neighbour: Some(neighbour) };
        surroundings.check_neighbour(driver);
        surroundings.quiet = Census::now();
        surroundings
    }

    /// What is held while no peer but the neighbour is there.
    pub(crate) fn quiet(&self) -> &Census {
        &self.quiet
    }

    #[track_caller]
    fn check_neighbour(&mut self, driver: &mut Driver) {
        let (key, link, peer) = self.neighbour.as_mut().expect("a neighbour");
        cross_lengths(link, peer, 2, &[64, 3000]);
        assert!(driver.details(*key).link_up, "the neighbour is down");
    }
}

/// A rig of either role.
pub(crate) trait Rig: Sized {
    /// The other end of a link.
    type Peer: PeerEnd;

    fn parts(&mut self) -> Parts<'_, Self::Peer>;

    /// A good connection.
    fn link(&mut self) -> (Link, Self::Peer);

    /// What is to be done after the end of a link, before it is dropped.
    fn after_link(&mut self) {}

    /// The link that is up must go down for a breach, in the same words at both ends.
    #[track_caller]
    fn breached(&mut self, link: Link, peer: Self::Peer) -> Breach {
        let told = peer.end();
        let Parts { driver, key, .. } = self.parts();
        let breach = driver.breached(key);
        assert_eq!(told, Some(as_told(&breach)), "the words of DISCONNECT and of the event");
        self.after_link();
        assert_queues_down(link);
        drop(peer);
        self.settle();
        breach
    }

    /// Everything of the last peer was given back, the neighbour works, and a good peer gets its link.
    #[track_caller]
    fn settle(&mut self) {
        Census::wait_back_to(self.parts().surroundings.quiet());
        self.check_neighbour();
        let (mut link, mut peer) = self.link();
        cross_lengths(&mut link, &mut peer, 8, self.parts().lengths);
        drop(peer);
        self.disconnected(link);
        Census::wait_back_to(self.parts().surroundings.quiet());
    }

    /// The peer of the link has gone, which is told.
    #[track_caller]
    fn disconnected(&mut self, link: Link) {
        let Parts { driver, key, .. } = self.parts();
        driver.disconnected(key);
        self.after_link();
        drop(link);
    }

    /// Counts what the test itself has opened since as held by it.
    #[track_caller]
    fn recount(&mut self) {
        let Parts { surroundings, driver, .. } = self.parts();
        driver.call(|_| ());
        let now = Census::now();
        surroundings.start.add_difference(&surroundings.quiet, &now);
        surroundings.quiet = now;
    }

    /// The neighbour's link works.
    #[track_caller]
    fn check_neighbour(&mut self) {
        let Parts { surroundings, driver, .. } = self.parts();
        surroundings.check_neighbour(driver);
    }

    /// Ends everything; all descriptors and mappings are given back.
    #[track_caller]
    fn finish(mut self) {
        self.settle();
        self.parts().driver.assert_idle();
        let start = self.parts().surroundings.start.clone();
        drop(self);
        Census::wait_back_to(&start);
    }
}

/// The words of a refusal as DISCONNECT has them.
pub(crate) fn as_told(reason: &impl std::fmt::Display) -> String {
    let mut words = reason.to_string();
    words.truncate(95);
    words
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
