//! A master that listens for a slave under test and answers as a test tells it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::dialect::{Dialect, UnknownId};
use crate::master_path::{MasterRing, MasterRx, MasterTx};
use crate::ring::{COOKIE, LINE, Ring, ring_bytes_for};
use crate::seqsock::{Address, Received, SeqListener, SeqSocket};
use crate::shared::SharedFile;
use crate::wiremsg::{AddRegion, AddRing, Hello, Init, Message, SIZE, VERSION};

/// Parameters of a scripted master.
#[derive(Clone, Debug)]
pub struct MasterPlan {
    /// First message.
    pub hello: Hello,
    /// In CONNECTED.
    pub if_name: Vec<u8>,
    /// Interface ids that it has, or all.
    pub ids: Option<Vec<u32>>,
    /// Mode that it demands.
    pub mode: u8,
    /// Secret that it demands.
    pub secret: Vec<u8>,
    /// Rings per direction that it takes.
    pub most_rings: u16,
    /// Bytes of the cache line that it takes rings to be laid out for.
    pub line: u64,
    /// Habits.
    pub dialect: Dialect,
}

impl Default for MasterPlan {
    fn default() -> Self {
        Self::of(Dialect::PLAIN)
    }
}

impl MasterPlan {
    /// The plan of a peer.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        let highest = dialect.highest_index;
        Self {
            hello: Hello {
                max_region: highest,
                max_m2s_ring: highest,
                max_s2m_ring: highest,
                ..Hello::usual("scripted master")
            },
            if_name: b"scripted-master0".to_vec(),
            ids: None,
            mode: 0,
            secret: Vec::new(),
            most_rings: 255,
            line: LINE,
            dialect,
        }
    }

    /// A DPDK server, by its HELLO too.
    #[must_use]
    pub fn dpdk_server() -> Self {
        let mut plan = Self::of(Dialect::DPDK);
        plan.hello.name = Hello::usual("DPDK 22.11.11").name;
        plan
    }
}

/// What a test does at one point of a handshake.
#[derive(Debug)]
pub enum Reply {
    /// What an honest master does.
    Usual,
    /// This message instead.
    Say(Message),
    /// These bytes with these descriptors instead.
    Raw(Vec<u8>, Vec<Arc<OwnedFd>>),
    /// These bytes and descriptors first, then the usual.
    RawThenUsual(Vec<u8>, Vec<Arc<OwnedFd>>),
    /// Nothing; goes on to wait for the slave.
    Nothing,
    /// Closes.
    Close,
}

/// Where a handshake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point<'a> {
    /// A connection was accepted: HELLO is due.
    Accepted,
    /// A message came: its answer is due.
    Got(&'a Message),
}

impl Point<'_> {
    /// Whether this is the point after a message of that type.
    #[must_use]
    pub fn is_after(&self, kind: u16) -> bool {
        matches!(self, Point::Got(message) if message.kind() == kind)
    }
}

/// How a handshake ended without a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What the slave said, DISCONNECT included.
    pub said: Vec<Message>,
    /// It closed without reading all (ECONNRESET).
    pub reset: bool,
    /// This master closed.
    pub closed_here: bool,
}

impl Ending {
    /// The text of the slave's DISCONNECT.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.said.iter().find_map(|message| match message {
            Message::Disconnect(_, text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
    }

    /// Whether the slave left in a way that every master survives (V2, L3): once it had said INIT, with an ACK instead
    /// of it, or without having read HELLO.
    #[must_use]
    pub fn left_safely(&self) -> bool {
        match self.said.first() {
            None => self.reset || self.closed_here,
            Some(first) => matches!(first, Message::Init(_) | Message::Ack),
        }
    }
}

/// A listening master.
#[derive(Debug)]
pub struct ScriptedMaster {
    /// The listener.
    pub listener: SeqListener,
    /// What it does with connections.
    pub plan: MasterPlan,
}

impl ScriptedMaster {
    /// Binds and listens.
    #[must_use]
    #[track_caller]
    pub fn bind(address: &Address, plan: MasterPlan) -> Self {
        Self { listener: SeqListener::bind(address), plan }
    }

    /// Accepts connections until one becomes a link.
    #[must_use]
    #[track_caller]
    pub fn serve(&self) -> MasterLink {
        match self.serve_with(|_| Reply::Usual) {
            Ok(link) => link,
            Err(ending) => panic!("no link: {ending:?}"),
        }
    }

    /// Accepts one connection; `reply` decides at each point.
    ///
    /// # Errors
    /// How it ended without a link.
    #[track_caller]
    pub fn serve_with(&self, reply: impl FnMut(&Point<'_>) -> Reply) -> Result<MasterLink, Ending> {
        handshake(self.listener.accept(), &self.plan, reply)
    }
}

/// What a slave has announced so far.
#[derive(Debug, Default)]
struct Announced {
    init: Option<Init>,
    regions: Vec<SharedFile>,
    s2m: Vec<(AddRing, Arc<OwnedFd>)>,
    m2s: Vec<(AddRing, Arc<OwnedFd>)>,
    connect: Option<Vec<u8>>,
}

/// A whole handshake as a master on an accepted connection.
///
/// # Errors
/// How it ended without a link.
#[track_caller]
pub fn handshake(
    socket: SeqSocket,
    plan: &MasterPlan,
    mut reply: impl FnMut(&Point<'_>) -> Reply,
) -> Result<MasterLink, Ending> {
    let mut announced = Announced::default();
    let mut said = Vec::new();
    let ending = |said: &[Message], reset, closed_here| Err(Ending { said: said.to_vec(), reset, closed_here });
    let hello = Message::Hello(plan.hello.clone());
    if !perform(&socket, plan, reply(&Point::Accepted), Some(hello)) {
        return ending(&said, false, true);
    }
    loop {
        let (bytes, fds) = match socket.receive() {
            Received::Message { bytes, fds } => (bytes, fds),
            Received::Closed => return ending(&said, false, false),
            Received::Reset => return ending(&said, true, false),
            Received::TimedOut => panic!("the slave says nothing after {said:?}"),
        };
        assert_eq!(bytes.len(), SIZE, "a message of the slave: {bytes:02x?}");
        assert_eq!(Message::meaningless(&bytes), [], "a message with bytes that mean nothing");
        let message = Message::decode(&bytes);
        said.push(message.clone());
        if matches!(message, Message::Disconnect(..)) {
            continue;
        }
        // A slave waits for its answer (V3).
        // Looked for a little at first; 500 rings would make a long handshake of it.
        let moment = if said.len() < 20 { Duration::from_millis(2) } else { Duration::ZERO };
        let next = socket.peek_within(moment);
        if let Received::Message { bytes, .. } = next {
            let next = Message::decode(&bytes);
            let leaves = matches!(next, Message::Disconnect(..));
            assert!(leaves, "{next:?} before the answer to {message:?}");
        }
        let usual = announced.take(plan, &message, fds);
        let connected = matches!(usual, Some(Message::Connected(_)));
        if connected {
            announced.prepare(plan);
        }
        let refused = matches!(usual, Some(Message::Disconnect(..)) | None);
        let chosen = reply(&Point::Got(&message));
        let honest = matches!(chosen, Reply::Usual | Reply::RawThenUsual(..));
        let silent_libmemif =
            honest && refused && plan.dialect.unknown_id == UnknownId::AckThenClose && announced.init.is_some();
        let usual = if silent_libmemif { Some(Message::Ack) } else { usual };
        if !perform(&socket, plan, chosen, usual) || (honest && refused) {
            return ending(&said, false, true);
        }
        if connected && honest {
            return Ok(announced.link(socket, plan, said));
        }
    }
}

/// Does what was chosen. False when that ends the connection.
fn perform(socket: &SeqSocket, plan: &MasterPlan, reply: Reply, usual: Option<Message>) -> bool {
    let send = |bytes: &[u8], fds: &[Arc<OwnedFd>]| {
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
        // The slave may have closed; the next receive tells.
        let _ = socket.try_send(bytes, &fds);
    };
    let say = |message: &Message| {
        let bytes = if plan.dialect.garbage { message.encode_over([0xc7; SIZE]) } else { message.encode() };
        send(&bytes, &[]);
    };
    match reply {
        Reply::Usual => match usual {
            Some(message) => say(&message),
            None => return false,
        },
        Reply::Say(message) => say(&message),
        Reply::Raw(bytes, fds) => send(&bytes, &fds),
        Reply::RawThenUsual(bytes, fds) => {
            send(&bytes, &fds);
            return perform(socket, plan, Reply::Usual, usual);
        }
        Reply::Nothing => {}
        Reply::Close => return false,
    }
    true
}

impl Announced {
    /// Notes a message: the answer of an honest master. `None` closes without a word.
    fn take(&mut self, plan: &MasterPlan, message: &Message, fds: Vec<OwnedFd>) -> Option<Message> {
        let due = usize::from(matches!(message, Message::AddRegion(_) | Message::AddRing(_)));
        assert_eq!(fds.len(), due, "descriptors with {message:?}");
        let fd = fds.into_iter().next();
        match message {
            Message::Init(init) => {
                assert!(self.init.is_none(), "a second INIT");
                let known = plan.ids.as_ref().is_none_or(|ids| ids.contains(&init.id));
                if init.version != VERSION {
                    return (!plan.dialect.closes_silently).then(|| Message::disconnect("incompatible version"));
                }
                self.init = Some(init.clone());
                if !known {
                    return match plan.dialect.unknown_id {
                        UnknownId::Disconnect(text) => Some(Message::disconnect(text)),
                        UnknownId::AckThenClose => None,
                    };
                }
                if init.mode != plan.mode {
                    return Some(Message::disconnect("mode mismatch"));
                }
                if !plan.secret.is_empty() && init.secret != plan.secret {
                    return Some(Message::disconnect("incorrect secret"));
                }
            }
            Message::AddRegion(AddRegion { index, size }) => {
                assert_eq!(usize::from(*index), self.regions.len(), "region index");
                self.regions.push(SharedFile::from_fd(fd.expect("a region's file"), *size));
            }
            Message::AddRing(ring) => {
                let interrupt = Arc::new(fd.expect("a ring's eventfd"));
                assert!(ring.flags <= 1 && ring.private_header == 0, "{ring:?}");
                assert!(ring.log2 <= plan.hello.max_log2, "{ring:?} beyond HELLO");
                let rings = if ring.flags == 1 { &mut self.s2m } else { &mut self.m2s };
                assert_eq!(usize::from(ring.index), rings.len(), "ring index");
                if ring.index >= plan.most_rings {
                    return Some(Message::disconnect("Invalid ring index"));
                }
                rings.push((*ring, interrupt));
            }
            Message::Connect(name) => {
                self.connect = Some(name.clone());
                return Some(Message::Connected(plan.if_name.clone()));
            }
            Message::Ack => return None,
            other => panic!("a slave does not say {other:?}"),
        }
        Some(Message::Ack)
    }

    fn rings(&self, line: u64, rings: &[(AddRing, Arc<OwnedFd>)]) -> Vec<MasterRing> {
        rings
            .iter()
            .map(|(ring, interrupt)| {
                let file = self.regions.get(usize::from(ring.region)).expect("the region of a ring");
                assert!(ring.offset % 8 == 0, "{ring:?} is not aligned");
                assert!(u64::from(ring.offset) + ring_bytes_for(line, ring.log2) <= file.size(), "{ring:?}");
                let ring = Ring::with_line(line, file, u64::from(ring.offset), ring.log2);
                MasterRing { ring, interrupt: interrupt.clone() }
            })
            .collect()
    }

    /// What a master does between CONNECT and CONNECTED. The slave must not have posted anything yet (3.5).
    fn prepare(&self, plan: &MasterPlan) {
        let all = [&self.s2m, &self.m2s].map(|rings| self.rings(plan.line, rings));
        for MasterRing { ring, .. } in all.into_iter().flatten() {
            assert_eq!(ring.cookie(), COOKIE, "cookie");
            assert_eq!((ring.head(), ring.tail()), (0, 0), "cursors before CONNECTED");
            if plan.dialect.zeroes_cursors {
                ring.set_head(0);
                ring.set_tail(0);
            }
        }
        for MasterRing { ring, .. } in self.rings(plan.line, &self.s2m) {
            if let Some(flags) = plan.dialect.rx_flags {
                ring.set_flags(flags);
            }
        }
    }

    fn link(self, socket: SeqSocket, plan: &MasterPlan, said: Vec<Message>) -> MasterLink {
        let (s2m, m2s) = (self.rings(plan.line, &self.s2m), self.rings(plan.line, &self.m2s));
        let regions = Arc::new(self.regions);
        let rx = s2m.iter().map(|ring| MasterRx::new(ring, &regions, plan.dialect)).collect();
        let tx = m2s.iter().map(|ring| MasterTx::new(ring, &regions, plan.dialect)).collect();
        let init = self.init.expect("INIT before CONNECT");
        let slave_if_name = self.connect.expect("CONNECT");
        MasterLink { socket, regions, rx, tx, init, slave_if_name, said }
    }
}

/// A link to a slave under test.
#[derive(Debug)]
pub struct MasterLink {
    /// The control connection.
    pub socket: SeqSocket,
    /// Regions of the slave.
    pub regions: Arc<Vec<SharedFile>>,
    /// S2M rings.
    pub rx: Vec<MasterRx>,
    /// M2S rings.
    pub tx: Vec<MasterTx>,
    /// What the slave introduced itself with.
    pub init: Init,
    /// The slave's interface name.
    pub slave_if_name: Vec<u8>,
    /// All that it said.
    pub said: Vec<Message>,
}

impl MasterLink {
    /// Waits for the slave to end the link: the reason, when it gave one.
    #[track_caller]
    #[must_use]
    pub fn end(&self) -> Option<String> {
        self.socket.last_words()
    }

    /// Whether the control connection is quiet and open.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.socket.is_quiet()
    }
}
