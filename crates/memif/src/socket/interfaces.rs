//! The interfaces of a socket, by number and by role and id.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::interface::Interface;
use super::key::InterfaceKey;
use super::number_map::NumberMap;
use crate::config::InterfaceConfig;
use crate::error::SocketError;
use crate::terms::Role;

/// All interfaces. No two of one role have the same id.
#[derive(Debug)]
pub(super) struct Interfaces {
    /// Tells keys and requests of this socket from those of others.
    socket: u64,
    by_number: NumberMap<u32, Interface>,
    numbers: HashMap<(Role, u32), u32>,
    next: u32,
}

impl Interfaces {
    pub(super) fn new() -> Self {
        Self {
            socket: RandomState::new().hash_one(0),
            by_number: NumberMap::default(),
            numbers: HashMap::new(),
            next: 0,
        }
    }

    /// What tells this socket from others.
    pub(super) fn socket(&self) -> u64 {
        self.socket
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn key(&self, number: u32) -> InterfaceKey {
        InterfaceKey { socket: self.socket, number }
    }

    /// In the order in which they were added.
    pub(super) fn keys(&self) -> Vec<InterfaceKey> {
        let mut numbers: Vec<u32> = self.by_number.keys().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|number| self.key(number)).collect()
    }

    pub(super) fn find(&self, role: Role, id: u32) -> Option<InterfaceKey> {
        self.numbers.get(&(role, id)).map(|number| self.key(*number))
    }

    pub(super) fn has_master(&self) -> bool {
        self.numbers.keys().any(|(role, _)| *role == Role::Master)
    }

    pub(super) fn get(&self, key: InterfaceKey) -> Result<&Interface, SocketError> {
        let found = self.by_number.get(&key.number).filter(|_| key.socket == self.socket);
        found.ok_or(SocketError::NoSuchInterface)
    }

    pub(super) fn get_mut(&mut self, key: InterfaceKey) -> Result<&mut Interface, SocketError> {
        let found = self.by_number.get_mut(&key.number).filter(|_| key.socket == self.socket);
        found.ok_or(SocketError::NoSuchInterface)
    }

    /// All, with their numbers.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Interface)> {
        self.by_number.iter_mut().map(|(number, interface)| (*number, interface))
    }

    pub(super) fn insert(&mut self, config: InterfaceConfig, by_itself: bool) -> Result<InterfaceKey, SocketError> {
        let (role, id) = (config.role(), config.id());
        if self.numbers.contains_key(&(role, id)) {
            return Err(SocketError::IdInUse { id, role });
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.numbers.insert((role, id), number);
        self.by_number.insert(number, Interface::new(config, by_itself));
        Ok(self.key(number))
    }

    /// Whether the interface can be of that role and id.
    pub(super) fn check_name(&self, key: InterfaceKey, config: &InterfaceConfig) -> Result<(), SocketError> {
        let (role, id) = (config.role(), config.id());
        let taken = self.numbers.get(&(role, id)).is_some_and(|number| *number != key.number);
        if taken { Err(SocketError::IdInUse { id, role }) } else { Ok(()) }
    }

    /// Other settings for the next connection; their role and id are [free](Self::check_name).
    pub(super) fn reconfigure(&mut self, key: InterfaceKey, config: InterfaceConfig) -> Result<(), SocketError> {
        self.check_name(key, &config)?;
        let new = (config.role(), config.id());
        let interface = self.get_mut(key)?;
        let old = (interface.config.role(), interface.config.id());
        interface.config = Arc::new(config);
        self.numbers.remove(&old);
        self.numbers.insert(new, key.number);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: InterfaceKey) {
        if let Some(interface) = self.by_number.remove(&key.number) {
            self.numbers.remove(&(interface.config.role(), interface.config.id()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_free_again_when_their_interface_has_another() {
        let mut interfaces = Interfaces::new();
        let first = interfaces.insert(InterfaceConfig::slave(1), true).unwrap();
        let second = interfaces.insert(InterfaceConfig::slave(2), true).unwrap();
        let taken = |result: Result<_, SocketError>| matches!(result, Err(SocketError::IdInUse { id: 2, .. }));
        assert!(taken(interfaces.insert(InterfaceConfig::slave(2), true).map(drop)));
        assert!(taken(interfaces.reconfigure(first, InterfaceConfig::slave(2))));
        interfaces.reconfigure(second, InterfaceConfig::slave(2)).unwrap();
        assert!(!interfaces.has_master());
        interfaces.reconfigure(second, InterfaceConfig::master(2)).unwrap();
        assert!(interfaces.has_master());
        interfaces.reconfigure(first, InterfaceConfig::slave(2)).unwrap();
        assert_eq!(interfaces.find(Role::Slave, 2), Some(first));
        assert_eq!((interfaces.find(Role::Slave, 1), interfaces.keys()), (None, vec![first, second]));
        interfaces.remove(first);
        assert!(interfaces.get(first).is_err() && interfaces.find(Role::Slave, 2).is_none());
    }

    #[test]
    fn keys_of_another_socket_name_nothing() {
        let (mut interfaces, mut other) = (Interfaces::new(), Interfaces::new());
        let key = interfaces.insert(InterfaceConfig::slave(1), true).unwrap();
        other.insert(InterfaceConfig::slave(1), true).unwrap();
        assert!(other.get(key).is_err() && other.get_mut(key).is_err());
    }
}
