//! The links of one interface as they come up, each waited for no longer than a time.

use std::time::{Duration, Instant};

use memif::{Event, InterfaceConfig, Link, Role, SocketAddress};

use super::metrics::Metrics;
use super::options::{EndpointOptions, InterfaceOptions};
use super::signals::Stop;
use super::socket::{Endpoint, Inbox, Next};
use crate::error::Error;
use crate::output::said::Told;
use crate::output::{advice, report, warn};

/// An interface whose links are waited for. What happens to it is said on standard error.
#[derive(Debug)]
pub(crate) struct Links {
    endpoint: Endpoint,
    address: SocketAddress,
    role: Role,
    id: u32,
    timeout: Duration,
    /// Whether there was a line about the link.
    told: bool,
    /// What may be the matter with the last link when nothing comes over it.
    silence: Option<String>,
    interface: InterfaceOptions,
    /// Whether this end needs no hint that the peer may have more queues than it.
    finds_queues: bool,
}

impl Links {
    /// Opens the socket of the options with that interface.
    pub(crate) fn open(
        options: &EndpointOptions,
        config: InterfaceConfig,
        timeout: Duration,
        inbox: Inbox,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let (role, address) = (options.role(), options.address()?);
        let mut socket = options.socket()?.open()?;
        socket.add_interface(config)?;
        Ok(Self {
            endpoint: Endpoint::start(socket, address.clone(), inbox, Told::warn, metrics)?,
            address,
            role,
            id: options.id,
            timeout,
            told: false,
            silence: None,
            interface: options.interface.clone(),
            finds_queues: role == Role::Master || options.interface.finds_rx_queues(),
        })
    }

    /// The next link, or `None` when a signal ends the wait. `figures` tells those so far to who asks meanwhile.
    pub(crate) fn next(&mut self, stop: &Stop, figures: impl Fn() -> Result<(), Error>) -> Result<Option<Link>, Error> {
        let deadline = Instant::now() + self.timeout;
        let mut last = None;
        while !stop.is_requested() {
            let event = match self.endpoint.next(Some(deadline))? {
                Next::Event(event) => event,
                Next::Failed(error) => return Err(error.into()),
                Next::Over => return Ok(None),
                Next::Figures => {
                    if stop.takes_figures() {
                        figures()?;
                    }
                    continue;
                }
                Next::Nothing => {
                    self.endpoint.teller().finish()?;
                    return Err(Error::NotConnected(no_link(self.role, &self.address, self.id, self.timeout, last)));
                }
            };
            let (id, teller) = (self.id, self.endpoint.teller());
            if let Some(told) = teller.note(&event, |_| format!("interface {id}"), |_| id) {
                // The first link is what everybody expects; one that comes back is news.
                if self.told || !matches!(event, Event::Connected { .. }) {
                    self.told = true;
                    told.warn()?;
                } else {
                    report(told.report.as_ref())?;
                }
            }
            if let Event::Connected { link, .. } = event {
                if let Some(shortfall) = self.interface.shortfall(self.role, &link) {
                    warn(format_args!("{shortfall}"));
                }
                let suspect = link.peer.is_dpdk() && !self.finds_queues;
                self.silence = suspect.then(|| advice::perhaps_surplus(link.rx.len()));
                return Ok(Some(link));
            }
            last = teller.cause(&event).or(last);
        }
        Ok(None)
    }

    /// Says what has to be said while a link is up, and keeps the rest.
    pub(crate) fn glance(&mut self) -> Result<(), Error> {
        let said_at_once = |event: &Event| {
            let of_slaves = matches!(event, Event::Refused { .. } | Event::Left { .. });
            let of_all = matches!(event, Event::AcceptFailed { .. } | Event::AcceptResumed);
            of_slaves || of_all || matches!(event, Event::SurplusQueues { .. })
        };
        while let Some(event) = self.endpoint.pick(said_at_once) {
            if let Event::SurplusQueues { rx_queues, .. } = &event {
                self.silence = Some(advice::surplus(*rx_queues));
            }
            let id = self.id;
            self.endpoint.teller().tell(&event, |_| format!("interface {id}"), |_| id)?;
        }
        Ok(())
    }

    /// Takes the link down and says what is left to say.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.endpoint.close();
        self.glance()?;
        self.endpoint.teller().finish()
    }

    /// The number of the interface.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// What may be the matter when nothing came over the last link.
    pub(crate) fn silence(&self) -> Option<&str> {
        self.silence.as_deref()
    }
}

/// What to say when no link of that interface came up in that time: the last reason, or what is missing.
pub(crate) fn no_link(role: Role, address: &SocketAddress, id: u32, timeout: Duration, last: Option<String>) -> String {
    let reason = last.unwrap_or_else(|| match role {
        Role::Slave => format!(
            "nobody answered at {address}; look whether the master runs \
             (`memif show {address}` tells whose the socket is)"
        ),
        Role::Master => format!("no slave connected to {address}; start one with id {id}, or check its socket and id"),
    });
    format!("no link in {} s: {reason}", timeout.as_secs_f64())
}
