//! The master's half: says HELLO, decides on INIT, collects regions and rings, answers CONNECT.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::params::MasterParams;
use super::peer::{PeerFd, PeerNames};
use super::setup::{Collector, Setup};
use super::stage::{Closed, Stage};
use super::transmit::{MAX_MESSAGES, Transmit, disconnect_message, parse_with_fds};
use crate::error::{Breach, Refusal, SystemError};
use crate::names::Name;
use crate::terms::MAX_LOG2_RING_SIZE;
use crate::wire::{Hello, Init, Message, VERSION};

/// The highest index of regions and of rings that HELLO names, whatever is configured; what a slave brings beyond that
/// is refused by name. Less would do harm: a DPDK client cuts its rings down to what it is told and goes on using the
/// queues that it lost, on top of ring 0, and a gomemif slave takes the index for a number.
const HIGHEST_INDEX: u16 = 255;

/// What every master says first.
fn hello(app_name: Name) -> Hello {
    Hello {
        name: app_name,
        min_version: VERSION,
        max_version: VERSION,
        max_region: HIGHEST_INDEX,
        max_m2s_ring: HIGHEST_INDEX,
        max_s2m_ring: HIGHEST_INDEX,
        // The protocol's largest, since VPP announces rings of its configured size whatever HELLO says.
        max_log2_ring_size: MAX_LOG2_RING_SIZE,
    }
}

/// What a master's owner has to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum MasterEvent<F> {
    /// INIT of our version came. Answer with [`Master::admit`] or [`Master::refuse`], and hand in no message before.
    Init(Init),
    /// CONNECT came and everything that was announced fits together. Map it, then call [`Master::connected`] or
    /// [`Master::refuse`], and hand in no message before.
    Connect(Setup<F>),
    /// It is over: send what is left to send and close the socket.
    Closed(Closed),
}

/// One connection, seen by the master.
#[derive(Debug)]
pub struct Master<F> {
    stage: Stage,
    /// `None` when it is too far away to be told.
    deadline: Option<Instant>,
    timeout: Duration,
    messages: u32,
    init: Option<Init>,
    collector: Option<Collector<F>>,
    name: Name,
    outbox: VecDeque<Transmit<F>>,
    events: VecDeque<MasterEvent<F>>,
}

impl<F: PeerFd> Master<F> {
    /// A connection that was just accepted, to be told `app_name`. The handshake must be done `timeout` after `now`.
    #[must_use]
    pub fn new(now: Instant, app_name: Name, timeout: Duration) -> Self {
        Self {
            stage: Stage::WaitInit,
            deadline: now.checked_add(timeout),
            timeout,
            messages: 0,
            init: None,
            collector: None,
            name: Name::EMPTY,
            outbox: VecDeque::from([Message::Hello(hello(app_name)).into()]),
            events: VecDeque::new(),
        }
    }

    /// How far the connection has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Descriptors that are kept until CONNECT.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        self.collector.as_ref().map_or(0, Collector::descriptors)
    }

    /// A whole message as received, with every descriptor that came with it.
    pub fn handle_message(&mut self, bytes: &[u8], fds: Vec<F>) {
        if self.stage == Stage::Closed {
            return;
        }
        if let Err(reason) = self.message(bytes, fds) {
            self.refuse(reason);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            let millis = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
            self.refuse(Refusal::HandshakeTimeout(millis));
        }
    }

    /// The peer closed the socket, or the socket failed.
    pub fn handle_closed(&mut self) {
        let stage = self.stage;
        self.close(Closed::Hangup(stage), None);
    }

    /// Checks INIT against an interface (C8, C9) without answering it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, params: &MasterParams) -> Result<(), Refusal> {
        let Some(init) = &self.init else { return Ok(()) };
        if init.mode != params.mode.to_wire() {
            return Err(Refusal::Mode { theirs: init.mode, ours: params.mode });
        }
        // Without a secret of our own the field is not looked at: libmemif may leave garbage in it.
        match &params.secret {
            Some(_) if init.secret[0] == 0 => Err(Refusal::SecretRequired),
            Some(secret) if !same_secret(&init.secret, secret.field().field()) => Err(Refusal::SecretWrong),
            _ => Ok(()),
        }
    }

    /// Answers [`MasterEvent::Init`]: verifies it, and lets the slave go on if all is well.
    ///
    /// # Errors
    /// What is wrong with INIT; the slave was told.
    pub fn admit(&mut self, params: &MasterParams) -> Result<(), Refusal> {
        if self.stage != Stage::Admission {
            return Ok(());
        }
        if let Err(reason) = self.verify(params) {
            self.refuse(reason.clone());
            return Err(reason);
        }
        self.name = params.name;
        self.collector = Some(Collector::new(params));
        self.stage = Stage::Setup;
        self.outbox.push_back(Message::Ack.into());
        Ok(())
    }

    /// Answers [`MasterEvent::Connect`]: the memory is mapped.
    pub fn connected(&mut self) {
        if self.stage == Stage::Mapping {
            self.stage = Stage::Connected;
            self.outbox.push_back(Message::Connected(self.name).into());
        }
    }

    /// Ends the connection because of what the peer did, or did not do.
    pub fn refuse(&mut self, reason: impl Into<Refusal>) {
        let reason = reason.into();
        let farewell = disconnect_message(&reason.to_string());
        self.close(Closed::Refused(reason), Some(farewell));
    }

    /// Ends the connection because this side wants so. The peer is told the first 95 bytes of the reason.
    pub fn disconnect(&mut self, reason: impl Into<SystemError>) {
        let reason = reason.into();
        let farewell = disconnect_message(&reason.to_string());
        self.close(Closed::Local(reason), Some(farewell));
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<F>> {
        self.outbox.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline.filter(|_| self.stage.is_handshake())
    }

    /// The next thing to do.
    pub fn poll_event(&mut self) -> Option<MasterEvent<F>> {
        self.events.pop_front()
    }

    fn message(&mut self, bytes: &[u8], fds: Vec<F>) -> Result<(), Refusal> {
        let message = parse_with_fds(bytes, fds.len())?;
        if let Message::Disconnect(end) = message {
            self.close(Closed::Peer(end), None);
            return Ok(());
        }
        self.messages = self.messages.saturating_add(1);
        if self.messages > MAX_MESSAGES {
            return Err(Breach::MessageFlood(MAX_MESSAGES).into());
        }
        let fd = fds.into_iter().next();
        match (self.stage, message, fd) {
            (Stage::WaitInit, Message::Init(init), _) => self.init(init),
            (Stage::Setup, Message::AddRegion(region), Some(fd)) => {
                self.collector_mut()?.add_region(region, fd)?;
                self.outbox.push_back(Message::Ack.into());
                Ok(())
            }
            (Stage::Setup, Message::AddRing(ring), Some(fd)) => {
                self.collector_mut()?.add_ring(ring, fd)?;
                self.outbox.push_back(Message::Ack.into());
                Ok(())
            }
            (Stage::Setup, Message::Connect(name), _) => Ok(self.connect(name)?),
            // Harmless: a slave that counts answers may have one to spare.
            (Stage::Setup, Message::Ack, _) => Ok(()),
            (stage, message, _) => Err(unexpected(stage, &message).into()),
        }
    }

    fn init(&mut self, init: Init) -> Result<(), Refusal> {
        if init.version != VERSION {
            return Err(Refusal::Version { min: init.version, max: init.version });
        }
        self.init = Some(init);
        self.stage = Stage::Admission;
        self.events.push_back(MasterEvent::Init(init));
        Ok(())
    }

    fn connect(&mut self, interface_name: Name) -> Result<(), Breach> {
        let app_name = self.init.map(|init| init.name).unwrap_or_default();
        let collector = self.collector.take().ok_or(Breach::NoRings)?;
        let setup = collector.finish(PeerNames { app_name, interface_name })?;
        self.stage = Stage::Mapping;
        self.events.push_back(MasterEvent::Connect(setup));
        Ok(())
    }

    /// There is one in [`Stage::Setup`].
    fn collector_mut(&mut self) -> Result<&mut Collector<F>, Breach> {
        self.collector.as_mut().ok_or(Breach::NoRings)
    }

    fn close(&mut self, reason: Closed, farewell: Option<Message>) {
        if self.stage == Stage::Closed {
            return;
        }
        self.stage = Stage::Closed;
        self.collector = None;
        self.events.clear();
        match farewell {
            Some(message) => self.outbox.push_back(message.into()),
            None => self.outbox.clear(),
        }
        self.events.push_back(MasterEvent::Closed(reason));
    }
}

fn unexpected(stage: Stage, message: &Message) -> Breach {
    Breach::UnexpectedMessage { message: message.name(), state: stage.as_str() }
}

/// Compares in a time that does not depend on where the difference is.
fn same_secret(theirs: &[u8; 24], ours: &[u8; 24]) -> bool {
    let difference = theirs.iter().zip(ours).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    black_box(difference) == 0
}
