//! Which process is the slave and which the master.
//!
//! Nothing in the memory says so. The control connection does: the socket that a master accepted has the name of its
//! listener, and that of a slave has none.

use std::collections::{BTreeSet, HashMap};

use memif::Role;

use crate::link::Link;
use crate::sockets::{self, Entry, SEQPACKET, State};

/// The connections of memif's kind that processes hold, each process and each network namespace asked once.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    tables: HashMap<u64, HashMap<u64, Entry>>,
    processes: HashMap<u32, Option<Held>>,
}

/// What a process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    /// Names of the listeners whose connections it accepted.
    accepted: BTreeSet<Vec<u8>>,
    /// Whether it made connections.
    connected: bool,
}

impl Held {
    /// The one role that it can have.
    fn role(&self) -> Option<Role> {
        match (self.accepted.is_empty(), self.connected) {
            (false, false) => Some(Role::Master),
            (true, true) => Some(Role::Slave),
            _ => None,
        }
    }
}

impl Connections {
    /// Sets the roles of a link's ends and its socket, where their connections tell.
    pub(crate) fn tell(&mut self, link: &mut Link) {
        let held: Vec<Option<Held>> = link.ends.iter().map(|end| self.of(end.process.pid)).collect();
        let roles = roles(&held);
        for (end, role) in link.ends.iter_mut().zip(&roles) {
            end.role = if end.is_both() { None } else { *role };
        }
        link.socket = socket(&held, &roles);
    }

    fn of(&mut self, pid: u32) -> Option<Held> {
        if let Some(known) = self.processes.get(&pid) {
            return known.clone();
        }
        let held = self.look(pid);
        self.processes.insert(pid, held.clone());
        held
    }

    fn look(&mut self, pid: u32) -> Option<Held> {
        let numbers = sockets::held_by(pid).ok()?;
        let process = pid.to_string();
        let namespace = sockets::namespace(&process, "net")?;
        let table = self.tables.entry(namespace).or_insert_with(|| {
            let entries = sockets::table(&process).unwrap_or_default();
            by_number(entries)
        });
        let mut held = Held::default();
        for entry in numbers.filter_map(|number| table.get(&number)) {
            if entry.name.is_empty() {
                held.connected = true;
            } else {
                held.accepted.insert(entry.name.clone());
            }
        }
        Some(held)
    }
}

/// The connections of memif's kind by their numbers. A name may hold a line feed and what looks like a line behind it,
/// with the number of a socket of others: which of two lines is the kernel's cannot be told, so neither counts.
fn by_number(entries: Vec<Entry>) -> HashMap<u64, Entry> {
    let mut known: HashMap<u64, Option<Entry>> = HashMap::new();
    for entry in entries {
        let twice = known.contains_key(&entry.inode);
        known.insert(entry.inode, (!twice).then_some(entry));
    }
    let once = known.into_iter().filter_map(|(number, entry)| Some((number, entry?)));
    once.filter(|(_, entry)| entry.kind == SEQPACKET && entry.state == State::Connected).collect()
}

/// The roles of two processes by their connections, or of more by each one's own.
fn roles(held: &[Option<Held>]) -> Vec<Option<Role>> {
    let mut roles: Vec<Option<Role>> = held.iter().map(|held| held.as_ref().and_then(Held::role)).collect();
    if let [first, second] = roles.as_mut_slice() {
        match (*first, *second) {
            // One has connections of both kinds, or may not be looked at: it is what the other one is not.
            (Some(role), None) => *second = Some(other(role)),
            (None, Some(role)) => *first = Some(other(role)),
            // They are joined by other means than these sockets.
            (Some(one), Some(two)) if one == two => (*first, *second) = (None, None),
            _ => {}
        }
    }
    roles
}

fn other(role: Role) -> Role {
    match role {
        Role::Master => Role::Slave,
        Role::Slave => Role::Master,
    }
}

/// The only listener that the link can have come by.
fn socket(held: &[Option<Held>], roles: &[Option<Role>]) -> Option<String> {
    let alone = held.len() == 1;
    let masters = held.iter().zip(roles).filter(|(_, role)| alone || **role == Some(Role::Master));
    let mut names: Vec<&Vec<u8>> =
        masters.filter_map(|(held, _)| held.as_ref()).flat_map(|held| &held.accepted).collect();
    let name = names.pop()?;
    names.is_empty().then(|| name.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(accepted: &[&str], connected: bool) -> Option<Held> {
        Some(Held { accepted: accepted.iter().map(|name| name.as_bytes().to_vec()).collect(), connected })
    }

    #[test]
    fn a_number_that_comes_twice_tells_nothing() {
        let table = b"\
0000000053d69768: 00000003 00000000 00000000 0005 03 7 /run/a
0000000053d69768: 00000003 00000000 00000000 0005 03 8 /run/a
0000000026a8f434: 00000002 00000000 00000000 0001 01 9 /x
0: 0 0 00000000 0005 03 7 /run/b
0: 0 0 00000000 0001 03 8 /run/b
0: 0 0 00000000 0005 03 10 /run/c
";
        let known = by_number(sockets::parse(table));
        assert_eq!(known.keys().collect::<Vec<_>>(), [&10]);
    }

    #[test]
    fn connections_tell_roles_where_they_can() {
        const M: Option<Role> = Some(Role::Master);
        const S: Option<Role> = Some(Role::Slave);
        for (first, second, expected, name) in [
            (held(&["/a"], false), held(&[], true), [M, S], Some("/a")),
            (held(&[], true), held(&["@a", "@b"], true), [S, M], None),
            (held(&["/a"], true), held(&["/b"], false), [S, M], Some("/b")),
            (held(&["/a"], true), held(&["/b"], true), [None, None], None),
            (held(&["/a"], false), held(&["/a"], false), [None, None], None),
            (None, held(&["/\n"], false), [S, M], Some("/\\n")),
            (None, held(&[], true), [M, S], None),
            (None, held(&[], false), [None, None], None),
        ] {
            let both = [first, second];
            let roles = roles(&both);
            assert_eq!(roles, expected, "{both:?}");
            assert_eq!(socket(&both, &roles).as_deref(), name, "{both:?}");
        }
        // Both ends in one process.
        let alone = [held(&["/a"], true)];
        assert_eq!(roles(&alone), [None]);
        assert_eq!(socket(&alone, &[None]).as_deref(), Some("/a"));
    }
}
