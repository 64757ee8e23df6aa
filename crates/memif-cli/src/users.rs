//! Names of users.

use nix::unistd::{Uid, User};

/// The name of that user, where there is one.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}
