//! Takes a link down with the last of those who use it.

use std::sync::{Arc, Weak};

use super::LinkShared;

/// A share in a link, which its caller's [`Link`](crate::Link) and each queue has.
#[derive(Clone, Debug)]
pub(crate) struct InUse(Arc<Last>);

/// Holds nothing of the link: the driver has it while it is up.
#[derive(Debug)]
struct Last(Weak<LinkShared>);

impl InUse {
    pub(crate) fn new(link: &Arc<LinkShared>) -> Self {
        Self(Arc::new(Last(Arc::downgrade(link))))
    }

    /// The link stays up when the last share is gone.
    pub(crate) fn keep_up(&self) {
        if let Some(link) = self.0.0.upgrade() {
            link.keep_up();
        }
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.users_are_gone();
        }
    }
}

#[cfg(test)]
impl InUse {
    /// Of a link that is gone.
    pub(crate) fn of_nothing() -> Self {
        Self(Arc::new(Last(Weak::new())))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::queue::DriverSignals;
    use crate::shm::Regions;
    use crate::terms::Role;
    use rustix::event::{EventfdFlags, eventfd};

    #[test]
    fn a_share_holds_nothing_of_a_link_that_ended() {
        let event = || eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let signals = DriverSignals::new(Arc::new(event()), Arc::new(event()));
        let link = LinkShared::new(Role::Slave, Regions::new(vec![]), &signals, None, vec![], vec![]);
        let share = InUse::new(&link);
        assert_eq!(Arc::strong_count(&link), 1);
        drop(share.clone());
        assert!(!link.is_unused());
        drop(share);
        assert!(link.is_unused());
    }
}
