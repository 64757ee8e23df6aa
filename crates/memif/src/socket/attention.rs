//! Links that call for the driver: a queue found a breach or its peer gone, or nobody has the link any more.

use super::driver::Driver;
use super::turn::MANY_MESSAGES;

/// What is told of a link that is down for its queues and has no other end.
const LOST: &str = "a queue found the peer gone";
/// What both sides are told of a link that its program dropped.
pub(super) const DROPPED: &str = "the program dropped the link";

impl Driver {
    /// Takes down those that have to go.
    pub(super) fn attend_to_links(&mut self) {
        for (token, fault) in self.link_signals.faults(self.links()) {
            self.command(token, |connection| connection.refuse(fault));
        }
        let down = self.links().filter(|(_, link)| link.is_down());
        for token in down.map(|(token, _)| token).collect::<Vec<_>>() {
            // Its last words, and its end.
            self.serve(token, false, MANY_MESSAGES);
            self.command(token, |connection| connection.disconnect(LOST));
        }
        let unused = self.links().filter(|(_, link)| link.is_unused());
        for token in unused.map(|(token, _)| token).collect::<Vec<_>>() {
            // Programs drop a link whose peer has left, too, and that is the reason then.
            self.serve(token, false, MANY_MESSAGES);
            self.command(token, |connection| connection.disconnect(DROPPED));
        }
    }
}
