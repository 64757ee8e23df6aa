//! Which process is the slave and which the master.

use crate::link::Link;

/// The Unix sockets that processes hold.
#[derive(Debug, Default)]
pub(crate) struct Sockets {}

impl Sockets {
    /// Sets the roles of a link's ends, where their sockets tell.
    pub(crate) fn tell_roles(&mut self, _link: &mut Link) {}
}
