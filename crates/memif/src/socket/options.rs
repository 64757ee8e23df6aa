//! The settings that stay with a socket.

use std::time::Duration;

use crate::error::Refusal;
use crate::names::Name;
use crate::sys::{Credentials, FileAccess};

/// See [`SocketBuilder`](super::SocketBuilder), which sets each.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) app_name: Name,
    pub(super) retry_period: Duration,
    pub(super) handshake_timeout: Duration,
    /// The same of our slaves, where it is another one.
    pub(super) slave_timeout: Option<Duration>,
    pub(super) max_half_open: usize,
    pub(super) access: FileAccess,
    pub(super) allowed_uids: Vec<u32>,
    pub(super) allowed_gids: Vec<u32>,
    pub(super) accept_unknown: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            app_name: Name::lossy(concat!("memif-rs ", env!("CARGO_PKG_VERSION")).as_bytes()),
            retry_period: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(5),
            slave_timeout: None,
            max_half_open: 64,
            access: FileAccess::default(),
            allowed_uids: Vec::new(),
            allowed_gids: Vec::new(),
            accept_unknown: false,
        }
    }
}

impl Options {
    /// C23, for peers of either role.
    pub(super) fn check_allowed(&self, credentials: Option<Credentials>) -> Result<(), Refusal> {
        if self.allowed_uids.is_empty() && self.allowed_gids.is_empty() {
            return Ok(());
        }
        // Unknown is nobody.
        let (uid, gid) = credentials.map_or((u32::MAX, u32::MAX), |who| (who.uid, who.gid));
        let known = credentials.is_some();
        if known && (self.allowed_uids.contains(&uid) || self.allowed_gids.contains(&gid)) {
            return Ok(());
        }
        Err(Refusal::NotAllowed { uid, gid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_on_neither_list_is_refused() {
        let who = |uid, gid| Some(Credentials { pid: 1, uid, gid });
        let mut options = Options::default();
        assert_eq!(options.check_allowed(None), Ok(()));
        options.allowed_uids.push(5);
        options.allowed_gids.push(6);
        for allowed in [who(5, 1), who(1, 6), who(5, 6)] {
            assert_eq!(options.check_allowed(allowed), Ok(()));
        }
        assert_eq!(options.check_allowed(who(6, 5)), Err(Refusal::NotAllowed { uid: 6, gid: 5 }));
        // Not even where the number of nobody is on a list.
        options.allowed_uids.push(u32::MAX);
        assert_eq!(options.check_allowed(None), Err(Refusal::NotAllowed { uid: u32::MAX, gid: u32::MAX }));
    }
}
