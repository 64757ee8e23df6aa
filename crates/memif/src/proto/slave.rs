//! The slave's half: answers HELLO, hands its memory over one message at a time, waits for CONNECTED.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::params::SlaveParams;
use super::peer::PeerNames;
use super::stage::{Closed, Stage};
use super::transmit::{Transmit, disconnect_message, parse_with_fds};
use crate::error::{Breach, Refusal, SystemError};
use crate::wire::{AddRegion, AddRing, Hello, Init, Message, VERSION};

/// What a slave's owner has to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum SlaveEvent {
    /// HELLO came and INIT is to be sent. Send it, allocate this much, then call [`Slave::provide`].
    Allocate {
        /// Rings from slave to master.
        s2m: u8,
        /// Rings from master to slave.
        m2s: u8,
        /// Binary logarithm of the size of every ring.
        log2_ring_size: u8,
    },
    /// The master has mapped everything: post buffers.
    Connected(PeerNames),
    /// It is over: send what is left to send and close the socket.
    Closed(Closed),
}

/// One connection, seen by the slave.
#[derive(Debug)]
pub struct Slave<F> {
    stage: Stage,
    /// `None` when it is too far away to be told.
    deadline: Option<Instant>,
    timeout: Duration,
    params: SlaveParams,
    peer: PeerNames,
    /// Whether the ACK of INIT came before the memory was there.
    owed: bool,
    /// Whether something after INIT was acknowledged, which libmemif does not do for an unknown id.
    known: bool,
    /// What is to be sent, one per answer. `None` until it is provided.
    plan: Option<VecDeque<Transmit<F>>>,
    /// The ring that was announced last, until it is acknowledged.
    unanswered: Option<AddRing>,
    outbox: VecDeque<Transmit<F>>,
    events: VecDeque<SlaveEvent>,
}

impl<F> Slave<F> {
    /// A socket that was just connected. The handshake must be done `timeout` after `now`.
    #[must_use]
    pub fn new(now: Instant, params: SlaveParams, timeout: Duration) -> Self {
        Self {
            stage: Stage::WaitHello,
            deadline: now.checked_add(timeout),
            timeout,
            params,
            peer: PeerNames::default(),
            owed: false,
            known: false,
            plan: None,
            unanswered: None,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// How far the connection has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The ring whose announcement was not answered yet. It stays when the connection is over: then the master refused
    /// it.
    #[must_use]
    pub fn unanswered_ring(&self) -> Option<&AddRing> {
        self.unanswered.as_ref()
    }

    /// A whole message as received, with every descriptor that came with it; none should. HELLO is best handed in while
    /// it is still in the socket, and taken out once INIT is sent: every master survives a slave that dies so (V2).
    pub fn handle_message(&mut self, bytes: &[u8], fds: Vec<F>) {
        if self.stage == Stage::Closed {
            return;
        }
        let result = match parse_with_fds(bytes, fds.len()) {
            Ok(message) => self.message(message),
            Err(breach) => Err(breach.into()),
        };
        if let Err(reason) = result {
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
        let acknowledged = self.stage == Stage::WaitAck || self.owed;
        let reason = if acknowledged && !self.known { Closed::UnknownId } else { Closed::Hangup(self.stage) };
        self.close(reason, None);
    }

    /// Answers [`SlaveEvent::Allocate`]: the regions with their sizes and the rings with their eventfds, each in the
    /// order to send. All memory must be as it was allocated: nothing is posted before CONNECTED. Regions beyond those
    /// that an index can name, 65,536, are left out.
    pub fn provide(
        &mut self,
        regions: impl IntoIterator<Item = (F, u64)>,
        rings: impl IntoIterator<Item = (AddRing, F)>,
    ) {
        if self.stage != Stage::WaitInitAck || self.plan.is_some() {
            return;
        }
        let mut plan = VecDeque::new();
        for (index, (fd, size)) in (0..=u16::MAX).zip(regions) {
            let message = Message::AddRegion(AddRegion { index, size });
            plan.push_back(Transmit { bytes: message.emit(), fd: Some(fd) });
        }
        for (ring, fd) in rings {
            plan.push_back(Transmit { bytes: Message::AddRing(ring).emit(), fd: Some(fd) });
        }
        self.plan = Some(plan);
        if std::mem::take(&mut self.owed) {
            self.advance();
        }
    }

    /// Ends the connection because of what the peer did, or did not do.
    pub fn refuse(&mut self, reason: impl Into<Refusal>) {
        let reason = reason.into();
        let farewell = self.farewell(&reason.to_string());
        self.close(Closed::Refused(reason), Some(farewell));
    }

    /// Ends the connection because this side wants so. The peer is told the first 95 bytes of the reason.
    pub fn disconnect(&mut self, reason: impl Into<SystemError>) {
        let reason = reason.into();
        let farewell = self.farewell(&reason.to_string());
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
    pub fn poll_event(&mut self) -> Option<SlaveEvent> {
        self.events.pop_front()
    }

    fn message(&mut self, message: Message) -> Result<(), Refusal> {
        match (self.stage, message) {
            (_, Message::Disconnect(end)) => {
                self.close(Closed::Peer(end), None);
                Ok(())
            }
            (Stage::WaitHello, Message::Hello(hello)) => self.hello(&hello),
            (Stage::WaitInitAck, Message::Ack) if !self.owed => {
                self.owed = self.plan.is_none();
                if !self.owed {
                    self.advance();
                }
                Ok(())
            }
            (Stage::WaitAck, Message::Ack) => {
                self.known = true;
                self.advance();
                Ok(())
            }
            (Stage::WaitConnected, Message::Connected(name)) => {
                self.peer.interface_name = name;
                self.stage = Stage::Connected;
                self.events.push_back(SlaveEvent::Connected(self.peer));
                Ok(())
            }
            (stage, message) => {
                Err(Breach::UnexpectedMessage { message: message.name(), state: stage.as_str() }.into())
            }
        }
    }

    fn hello(&mut self, hello: &Hello) -> Result<(), Refusal> {
        let (min, max) = (hello.min_version, hello.max_version);
        if !(min..=max).contains(&VERSION) {
            return Err(Refusal::Version { min, max });
        }
        self.peer.app_name = hello.name;
        let params = &self.params;
        let init = Init {
            version: VERSION,
            id: params.id,
            mode: params.mode.to_wire(),
            secret: params.secret.map(|secret| *secret.field().field()).unwrap_or_default(),
            name: params.app_name,
        };
        self.outbox.push_back(Message::Init(init).into());
        self.stage = Stage::WaitInitAck;
        let m2s = params.m2s_of_dpdk.filter(|_| self.peer.is_dpdk()).unwrap_or(params.m2s);
        self.events.push_back(SlaveEvent::Allocate {
            s2m: ring_count(hello.max_s2m_ring, params.s2m),
            m2s: ring_count(hello.max_m2s_ring, m2s),
            log2_ring_size: params.log2_ring_size.min(hello.max_log2_ring_size),
        });
        Ok(())
    }

    /// Sends the next message of the plan; behind the last one comes CONNECT.
    fn advance(&mut self) {
        match self.plan.as_mut().and_then(VecDeque::pop_front) {
            Some(next) => {
                self.stage = Stage::WaitAck;
                self.unanswered = match Message::parse(&next.bytes) {
                    Ok(Message::AddRing(ring)) => Some(ring),
                    _ => None,
                };
                self.outbox.push_back(next);
            }
            None => {
                self.unanswered = None;
                self.stage = Stage::WaitConnected;
                self.outbox.push_back(Message::Connect(self.params.name).into());
            }
        }
    }

    /// The last message: DISCONNECT, but before INIT an ACK, which every master survives (V2, L3).
    fn farewell(&self, reason: &str) -> Message {
        match self.stage {
            Stage::WaitHello => Message::Ack,
            _ => disconnect_message(reason),
        }
    }

    fn close(&mut self, reason: Closed, farewell: Option<Message>) {
        if self.stage == Stage::Closed {
            return;
        }
        self.stage = Stage::Closed;
        self.plan = None;
        self.events.clear();
        match farewell {
            Some(message) => self.outbox.push_back(message.into()),
            None => self.outbox.clear(),
        }
        self.events.push_back(SlaveEvent::Closed(reason));
    }
}

/// Rings of one direction: what is wanted, within the highest index that HELLO names. VPP says 256 there.
fn ring_count(highest_index: u16, wanted: u8) -> u8 {
    let offered = u32::from(highest_index) + 1;
    u8::try_from(offered.min(u32::from(wanted))).unwrap_or(wanted)
}
