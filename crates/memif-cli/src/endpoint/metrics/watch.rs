//! What happens to the links of a socket, as the thread that owns it sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use memif::{Event, InterfaceKey, Socket};

use super::board::{Board, Metrics, lock};
use super::interface::{Change, Interface, Of};

/// Notes what happens to the interfaces of one socket. When it goes, so have their links.
#[derive(Default)]
pub(crate) struct Watch {
    board: Option<Arc<Board>>,
    interfaces: HashMap<InterfaceKey, Arc<Mutex<Interface>>>,
}

impl Metrics {
    /// For the thread of a socket.
    pub(crate) fn watch(&self) -> Watch {
        Watch { board: self.0.clone(), interfaces: HashMap::new() }
    }
}

impl Watch {
    /// Takes note of the interfaces that the socket has now.
    pub(crate) fn look(&mut self, socket: &Socket) {
        let Some(board) = &self.board else { return };
        let keys = socket.interfaces();
        for key in &keys {
            if self.interfaces.contains_key(key) {
                continue;
            }
            if let Ok(details) = socket.details(*key) {
                let of = Of::new(&details.socket, details.id, details.role);
                self.interfaces.insert(*key, board.interface(of));
            }
        }
        for (_, gone) in self.interfaces.extract_if(|key, _| !keys.contains(key)) {
            lock(&gone).link_down(Change::Local);
        }
    }

    /// Takes note of an event, before anybody else gets it.
    pub(crate) fn note(&mut self, socket: &Socket, event: &Event) {
        if self.board.is_none() {
            return;
        }
        match event {
            Event::Connected { interface, link } => {
                if !self.interfaces.contains_key(interface) {
                    self.look(socket);
                }
                if let Some(interface) = self.interfaces.get(interface) {
                    lock(interface).link_up(link);
                }
            }
            Event::Disconnected { interface, reason } => {
                if let Some(interface) = self.interfaces.get(interface) {
                    lock(interface).link_down(reason.into());
                }
            }
            _ => {}
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for interface in self.interfaces.values() {
            lock(interface).link_down(Change::Local);
        }
    }
}
