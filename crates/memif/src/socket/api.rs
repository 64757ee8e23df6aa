//! Adding, changing and removing interfaces, and how they stand.

use std::os::fd::OwnedFd;

use super::event::{Details, Request};
use super::key::InterfaceKey;
use super::poll::Socket;
use super::timers::Timer;
use crate::address::SocketAddress;
use crate::config::InterfaceConfig;
#[cfg(feature = "raw")]
use crate::error::ConnectError;
use crate::error::{Refusal, SocketError};
use crate::sys;
use crate::terms::Role;

impl Socket {
    /// Adds an interface. A master can be connected to from now on, the first one makes the socket listen; a slave
    /// starts to connect.
    ///
    /// # Errors
    /// [`SocketError::Config`] for settings that do not fit together, [`SocketError::IdInUse`], and the errors of
    /// binding the address.
    pub fn add_interface(&mut self, config: InterfaceConfig) -> Result<InterfaceKey, SocketError> {
        config.validate()?;
        let role = config.role();
        let by_itself = !config.manual;
        let key = self.driver.interfaces.insert(config, by_itself)?;
        match role {
            Role::Slave => self.driver.connect_at_once(key),
            Role::Master => {
                if let Err(error) = self.driver.listen() {
                    self.driver.forget(key);
                    return Err(error);
                }
            }
        }
        self.driver.leave();
        Ok(key)
    }

    /// Adds a slave on a socket that is connected to a master already. When that connection ends, the interface stays
    /// without one.
    ///
    /// # Errors
    /// As [`add_interface`](Self::add_interface), and [`SocketError::WrongDescriptor`] when the descriptor is not a
    /// connected `SOCK_SEQPACKET` Unix socket or the configuration is not a slave's.
    pub fn add_connected(&mut self, config: InterfaceConfig, connected: OwnedFd) -> Result<InterfaceKey, SocketError> {
        config.validate()?;
        if config.role() != Role::Slave {
            return Err(SocketError::WrongDescriptor("for a master: hand connections to masters over with `adopt`"));
        }
        check_connected(&connected)?;
        let key = self.driver.interfaces.insert(config, false)?;
        if let Err(error) = self.driver.begin_slave(key, connected) {
            self.driver.forget(key);
            return Err(SocketError::Io { operation: "epoll", error });
        }
        self.driver.leave();
        Ok(key)
    }

    /// Lets a slave that was added as [`manual`](InterfaceConfig::manual) try to connect, now and once. Where the
    /// master's queue of connections is full, it goes on trying until there is room or nobody listens any more. That
    /// the handshake fails later is an event.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`], [`SocketError::Io`] for want of descriptors or memory here; why no connection
    /// was made as [`ConnectError`] inside: also when there is one already ([`ConnectError::Busy`] is the master's, so
    /// that is [`ConnectError::Local`]).
    #[cfg(feature = "raw")]
    pub fn connect_now(&mut self, key: InterfaceKey) -> Result<Result<(), ConnectError>, SocketError> {
        let result = if self.driver.interfaces.get(key)?.connection.is_some() {
            Ok(Err(ConnectError::Local("connected or connecting already".into())))
        } else {
            self.driver.connect_once(key)
        };
        self.driver.leave();
        result
    }

    /// Whether an interface has a connection, a link or a handshake that was admitted, or waits in line for one.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`].
    #[cfg(feature = "raw")]
    pub fn has_connection(&self, key: InterfaceKey) -> Result<bool, SocketError> {
        let interface = self.driver.interfaces.get(key)?;
        Ok(interface.connection.is_some() || interface.attempts.waits_in_line)
    }

    /// Listens on a socket of the caller from now on, see [`SocketBuilder::listener`](super::SocketBuilder::listener).
    ///
    /// # Errors
    /// [`SocketError::WrongDescriptor`], and what the kernel says.
    #[cfg(feature = "raw")]
    pub fn set_listener(&mut self, fd: OwnedFd) -> Result<(), SocketError> {
        let result = self.driver.listener.listen_on(fd, &mut self.driver.waits, &self.driver.closer);
        self.driver.leave();
        result
    }

    /// What listens, while something does.
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn listener(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.driver.listener.fd()
    }

    /// Takes over a connection that was accepted elsewhere, for whichever of our masters it asks for.
    ///
    /// # Errors
    /// [`SocketError::WrongDescriptor`] when the descriptor is not a connected `SOCK_SEQPACKET` Unix socket.
    pub fn adopt(&mut self, connected: OwnedFd) -> Result<(), SocketError> {
        check_connected(&connected)?;
        let begun = self.driver.begin_master(connected);
        self.driver.leave();
        begun.map_err(SocketError::io("epoll"))
    }

    /// Removes an interface; its link goes down. Events of it that were not taken yet are dropped.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`].
    pub fn remove_interface(&mut self, key: InterfaceKey) -> Result<(), SocketError> {
        let connection = self.driver.interfaces.get(key)?.connection;
        self.driver.watches.remove(key, |_| true, &mut self.driver.waits);
        self.driver.forget(key);
        if let Some(token) = connection {
            self.driver.command(token, |connection| connection.disconnect("interface removed"));
        }
        self.driver.events.forget(key);
        self.driver.stop_listening_if_nobody_needs_it();
        self.driver.leave();
        Ok(())
    }

    /// Takes an interface down, with its link, or up again. While it is down a slave does not connect and a master
    /// refuses. Up, a slave connects at once.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`].
    pub fn set_admin_up(&mut self, key: InterfaceKey, up: bool) -> Result<(), SocketError> {
        let interface = self.driver.interfaces.get_mut(key)?;
        let changed = interface.admin_up != up;
        interface.admin_up = up;
        let connection = interface.connection;
        if changed && up {
            self.driver.connect_at_once(key);
        } else if changed {
            self.driver.waits.set(Timer::Connect(key.number), None);
            if let Some(token) = connection {
                self.driver.command(token, |connection| connection.disconnect("interface is down"));
            }
        }
        self.driver.leave();
        Ok(())
    }

    /// Ends the present link or handshake, if there is one, and tells the peer the first 95 bytes of the reason. A
    /// slave connects again after a pause; see [`set_admin_up`](Self::set_admin_up) to keep it from that.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`].
    pub fn disconnect(&mut self, key: InterfaceKey, reason: &str) -> Result<(), SocketError> {
        if let Some(token) = self.driver.interfaces.get(key)?.connection {
            self.driver.command(token, |connection| connection.disconnect(reason));
        }
        self.driver.leave();
        Ok(())
    }

    /// Changes the settings of an interface, its role and id included, for the next connection; the present link
    /// stays as it is. A slave without one tries at once. Whether the interface is administratively up does not change.
    ///
    /// # Errors
    /// As [`add_interface`](Self::add_interface), [`SocketError::NoSuchInterface`], and [`SocketError::NeverSignalled`]
    /// for polling mode where queues are [watched](Self::watch). On an error nothing changes.
    pub fn reconfigure(&mut self, key: InterfaceKey, config: InterfaceConfig) -> Result<(), SocketError> {
        config.validate()?;
        let watched = &self.driver.interfaces.get(key)?.watched;
        if !watched.queues.is_empty() {
            watched.check(&config)?;
        }
        self.driver.interfaces.check_name(key, &config)?;
        if config.role() == Role::Master {
            self.driver.listen()?;
        }
        self.driver.interfaces.reconfigure(key, config)?;
        self.driver.stop_listening_if_nobody_needs_it();
        self.driver.connect_at_once(key);
        self.driver.leave();
        Ok(())
    }

    /// Changes the address for all connections to come: the listener moves at once, slaves without a connection try the
    /// new address at once, links stay. A listener that was [handed in](super::SocketBuilder::listener) stays, too; the
    /// address is then that of slaves only.
    ///
    /// # Errors
    /// The errors of binding the address; everything is then as before.
    pub fn set_address(&mut self, address: SocketAddress) -> Result<(), SocketError> {
        address.validate()?;
        if address != self.driver.address {
            self.driver.listener.move_to(
                &address,
                self.driver.options.access,
                &mut self.driver.waits,
                &self.driver.closer,
            )?;
            self.driver.address = address;
            for key in self.driver.interfaces.keys() {
                self.driver.connect_at_once(key);
            }
        }
        self.driver.leave();
        Ok(())
    }

    /// The address of the socket.
    #[must_use]
    pub fn address(&self) -> &SocketAddress {
        &self.driver.address
    }

    /// All interfaces, in the order in which they were added.
    #[must_use]
    pub fn interfaces(&self) -> Vec<InterfaceKey> {
        self.driver.interfaces.keys()
    }

    /// Whether there is such an interface.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub(crate) fn check_interface(&self, key: InterfaceKey) -> Result<(), SocketError> {
        self.driver.interfaces.get(key).map(drop)
    }

    /// How an interface stands.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`].
    pub fn details(&self, key: InterfaceKey) -> Result<Details, SocketError> {
        let interface = self.driver.interfaces.get(key)?;
        let connection = interface.connection.and_then(|token| self.driver.connections.get(&token));
        let up = connection.and_then(|connection| Some((connection, connection.link.as_ref()?)));
        // A link keeps the settings that it was made with.
        let config =
            up.and_then(|(connection, _)| connection.bound.as_ref()).map_or(&interface.config, |bound| &bound.config);
        Ok(Details {
            id: config.id(),
            role: config.role(),
            mode: config.mode,
            secret_set: config.secret.is_some(),
            interface_name: config.name,
            app_name: self.driver.options.app_name,
            socket: self.driver.address.clone(),
            admin_up: interface.admin_up,
            link_up: up.is_some(),
            peer: up.map(|(connection, _)| connection.peer()),
            rx: up.map(|(_, up)| up.handle.rx_details()).unwrap_or_default(),
            tx: up.map(|(_, up)| up.handle.tx_details()).unwrap_or_default(),
            regions: up.map(|(_, up)| up.handle.region_details()).unwrap_or_default(),
            surplus_queues: up.is_some_and(|(_, up)| up.handle.surplus_used()),
        })
    }

    /// Lets the slave that asks connect to a new master interface. Role and id of the configuration are set to what
    /// the slave asked for.
    ///
    /// # Errors
    /// [`SocketError::RequestGone`] when the slave is gone or its time is over, and as
    /// [`add_interface`](Self::add_interface); the slave is then refused. That a slave whose secret or mode does not
    /// fit the configuration is refused is no error: the interface is there, without a link.
    pub fn accept(&mut self, request: Request, mut config: InterfaceConfig) -> Result<InterfaceKey, SocketError> {
        self.driver.check_request(&request)?;
        config.role = Role::Master;
        config.id = request.id;
        let added = self.add_interface(config);
        let refusal = match &added {
            Ok(_) => None,
            Err(SocketError::IdInUse { id, .. }) => Some(Refusal::AlreadyConnected(*id)),
            Err(_) => Some(Refusal::UnknownId(request.id)),
        };
        self.driver.answer(request.token, |driver, token, connection| match (refusal, &added) {
            (None, Ok(key)) => {
                if let Err(reason) = driver.admit(token, connection, *key) {
                    connection.refuse(reason);
                }
            }
            (Some(reason), _) => connection.refuse(reason),
            (None, Err(_)) => {}
        });
        self.driver.leave();
        added
    }

    /// Refuses the slave that asks, which is told the first 95 bytes of the reason.
    ///
    /// # Errors
    /// [`SocketError::RequestGone`] when the slave is gone or its time is over.
    pub fn refuse(&mut self, request: Request, reason: &str) -> Result<(), SocketError> {
        self.driver.check_request(&request)?;
        self.driver.answer(request.token, |_, _, connection| connection.disconnect(reason));
        self.driver.leave();
        Ok(())
    }

    /// Reports signals of a receive queue as [`Event::Readable`](crate::Event::Readable), on this link and
    /// on every later one.
    ///
    /// The signals are taken before the event is given, so drain the queue until it is empty. A peer that signals
    /// without sending packets is listened to in intervals of 10 ms.
    ///
    /// In [`RxMode::Adaptive`](crate::RxMode::Adaptive) the peer signals every burst from now on, as in
    /// [`RxMode::Interrupt`](crate::RxMode::Interrupt), also after [`unwatch`](Self::unwatch), and the queue is
    /// reported at first, for packets that came before. A queue that is put into
    /// [`RxMode::Polling`](crate::RxMode::Polling) is not signalled until it is put into another mode.
    ///
    /// Use either this or [`RxQueue::wait`](crate::RxQueue::wait) on a queue: both take its signals, and each would
    /// miss those that the other took.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`]; [`SocketError::NeverSignalled`] where the settings of the interface have its
    /// queues poll. A queue that a link does not have is ignored.
    pub fn watch(&mut self, key: InterfaceKey, queue: u8) -> Result<(), SocketError> {
        let interface = self.driver.interfaces.get_mut(key)?;
        interface.watched.check(&interface.config)?;
        let added = interface.watched.queues.insert(queue);
        let connection = interface.connection.filter(|_| added);
        let up = connection.and_then(|token| self.driver.connections.get(&token)?.link.as_ref());
        if let Some(up) = up
            && self.driver.watches.add(key, queue, &up.handle, &interface.watched, &mut self.driver.waits)
        {
            self.driver.events.push_readable(key, queue);
        }
        self.driver.leave();
        Ok(())
    }

    /// Ends [`watch`](Self::watch) of that queue. An event of it that was not taken yet is dropped.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`]; a queue that is not watched is ignored.
    pub fn unwatch(&mut self, key: InterfaceKey, queue: u8) -> Result<(), SocketError> {
        self.driver.interfaces.get_mut(key)?.watched.queues.remove(&queue);
        self.driver.watches.remove(key, |watched| watched == queue, &mut self.driver.waits);
        self.driver.events.forget_readable(key, queue);
        self.driver.leave();
        Ok(())
    }
}

fn check_connected(fd: &OwnedFd) -> Result<(), SocketError> {
    if sys::check_connected(fd) {
        Ok(())
    } else {
        Err(SocketError::WrongDescriptor("a connected SOCK_SEQPACKET Unix socket"))
    }
}
