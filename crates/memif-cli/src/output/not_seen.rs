//! What of other processes may not be looked into, in words.

use memif_watch::{Process, Unseen, UnseenKind};

use crate::users::user_name;

/// What could not be seen, and what it takes: a pair for each reason, with those that it holds for.
pub(crate) fn not_seen(unseen: &[Unseen]) -> Vec<(String, String)> {
    let mut groups: Vec<(&Unseen, usize)> = Vec::new();
    for one in unseen {
        match groups.iter_mut().find(|(first, _)| first.what == one.what && first.why == one.why) {
            Some((_, count)) => *count += 1,
            None => groups.push((one, 1)),
        }
    }
    let told = |(first, count): (&Unseen, usize)| {
        let who = first.processes.iter().map(named).collect::<Vec<_>>().join(", ");
        let what = match (first.what, count) {
            (UnseenKind::Process, 1) => format!("the memory of {who}"),
            (UnseenKind::Process, _) => format!("the memory of {count} processes, as of {who}"),
            (UnseenKind::Memory, 1) => format!("what {who} share"),
            (UnseenKind::Memory, _) => format!("{count} pieces of memory that processes share, as {who}"),
            (UnseenKind::Rest, 1) => format!("the rest of {who}"),
            (UnseenKind::Rest, _) => format!("the rest of {count} processes, as of {who}"),
        };
        (what, first.why.to_string())
    };
    groups.into_iter().map(told).collect()
}

/// Program, pid and user.
fn named(process: &Process) -> String {
    let user = user_name(process.uid).unwrap_or_else(|| process.uid.to_string());
    format!("{} {} {user}", process.name, process.pid)
}
