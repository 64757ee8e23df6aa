//! A slave that says what its script says, to a master under test.

use std::os::fd::{AsFd, BorrowedFd};

use crate::plan::{Answer, Script, SlaveMemory, SlavePlan};
use crate::seqsock::{Address, Received, SeqSocket};
use crate::slave_path::{SlaveRx, SlaveTx};
use crate::wiremsg::{Hello, Message};

/// How a master ended a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The step after which the end was seen.
    pub at: String,
    /// The text of DISCONNECT, when there was one.
    pub reason: Option<String>,
}

impl Refusal {
    /// The text, which must be there.
    #[track_caller]
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_else(|| panic!("closed without a reason after {}", self.at))
    }
}

/// A connection to a master, before or in its handshake.
#[derive(Debug)]
pub struct ScriptedSlave {
    /// The connection.
    pub socket: SeqSocket,
    /// What the master said first.
    pub hello: Hello,
}

impl ScriptedSlave {
    /// Connects and reads HELLO, which must be clean: a master sends nothing of its memory.
    #[must_use]
    #[track_caller]
    pub fn connect(address: &Address) -> Self {
        Self::over(SeqSocket::connect(address))
    }

    /// Reads HELLO from a connection.
    #[must_use]
    #[track_caller]
    pub fn over(socket: SeqSocket) -> Self {
        let Received::Message { bytes, fds } = socket.receive() else { panic!("HELLO was due") };
        assert!(fds.is_empty(), "HELLO with descriptors");
        let Message::Hello(hello) = Message::decode(&bytes) else { panic!("no HELLO: {bytes:02x?}") };
        assert_eq!(Message::meaningless(&bytes), [], "HELLO with bytes that mean nothing");
        Self { socket, hello }
    }

    /// Says the script, step by step. The master's interface name, or how it refused.
    ///
    /// # Errors
    /// The refusal.
    #[track_caller]
    pub fn run(&self, plan: &SlavePlan, script: &Script) -> Result<Vec<u8>, Refusal> {
        let mut name = Vec::new();
        for step in &script.0 {
            let fds: Vec<BorrowedFd<'_>> = step.fds.iter().map(|fd| fd.as_fd()).collect();
            if self.socket.try_send(&step.bytes(plan.dialect.garbage), &fds).is_err() {
                return Err(self.refusal(&step.label));
            }
            if step.answer == Answer::None {
                continue;
            }
            match self.answer(&step.label)? {
                Message::Ack if step.answer == Answer::Ack => {}
                Message::Connected(text) if step.answer == Answer::Connected => name = text,
                other => panic!("{} was answered with {other:?}", step.label),
            }
        }
        Ok(name)
    }

    /// One answer, checked for garbage, or how the master refused.
    fn answer(&self, label: &str) -> Result<Message, Refusal> {
        let closed = |reason| Err(Refusal { at: label.to_owned(), reason });
        match self.socket.receive() {
            Received::Message { bytes, fds } => {
                assert!(fds.is_empty(), "an answer with descriptors");
                assert_eq!(Message::meaningless(&bytes), [], "an answer with bytes that mean nothing");
                match Message::decode(&bytes) {
                    Message::Disconnect(_, text) => {
                        let end = self.socket.receive();
                        assert!(end.is_over(), "after DISCONNECT came {end:?}");
                        closed(Some(String::from_utf8_lossy(&text).into_owned()))
                    }
                    message => Ok(message),
                }
            }
            Received::Closed | Received::Reset => closed(None),
            Received::TimedOut => panic!("no answer to {label}"),
        }
    }

    /// Reads until the master closes: how it refused.
    #[track_caller]
    #[must_use]
    pub fn refusal(&self, label: &str) -> Refusal {
        loop {
            if let Err(refusal) = self.answer(label) {
                return refusal;
            }
        }
    }
}

/// A link to a master under test.
#[derive(Debug)]
pub struct SlaveLink {
    /// The control connection.
    pub socket: SeqSocket,
    /// The memory that was handed over.
    pub memory: SlaveMemory,
    /// S2M rings.
    pub tx: Vec<SlaveTx>,
    /// M2S rings.
    pub rx: Vec<SlaveRx>,
    /// What the master said first.
    pub hello: Hello,
    /// The master's interface name.
    pub master_if_name: Vec<u8>,
}

impl SlaveLink {
    /// A whole handshake as planned.
    #[must_use]
    #[track_caller]
    pub fn connect(address: &Address, plan: &SlavePlan) -> Self {
        Self::try_connect(address, plan, |_| ()).unwrap_or_else(|r| panic!("refused: {r:?}"))
    }

    /// A whole handshake with an edited script.
    ///
    /// # Errors
    /// How the master refused.
    #[track_caller]
    pub fn try_connect(address: &Address, plan: &SlavePlan, edit: impl FnOnce(&mut Script)) -> Result<Self, Refusal> {
        Self::over(ScriptedSlave::connect(address), plan, edit)
    }

    /// A whole handshake after HELLO.
    ///
    /// # Errors
    /// How the master refused.
    #[track_caller]
    pub fn over(slave: ScriptedSlave, plan: &SlavePlan, edit: impl FnOnce(&mut Script)) -> Result<Self, Refusal> {
        let memory = SlaveMemory::new(plan);
        let mut script = Script::new(plan, &memory);
        edit(&mut script);
        let master_if_name = slave.run(plan, &script)?;
        Ok(Self::established(slave, plan, memory, master_if_name))
    }

    /// What follows CONNECTED: buffers are posted as the dialect does.
    #[must_use]
    pub fn established(slave: ScriptedSlave, plan: &SlavePlan, memory: SlaveMemory, master_if_name: Vec<u8>) -> Self {
        let dialect = plan.dialect;
        if dialect.zeroes_cursors {
            for ring in memory.s2m.iter().chain(&memory.m2s) {
                ring.ring.set_head(0);
                ring.ring.set_tail(0);
            }
        }
        let tx = memory.s2m.iter().map(|r| SlaveTx::new(r, &memory.regions, dialect)).collect();
        let mut rx: Vec<SlaveRx> = memory.m2s.iter().map(|r| SlaveRx::new(r, &memory.regions, dialect)).collect();
        if !dialect.posts_late {
            rx.iter_mut().for_each(SlaveRx::post);
        }
        let ScriptedSlave { socket, hello } = slave;
        Self { socket, memory, tx, rx, hello, master_if_name }
    }

    /// Waits for the master to end the link: the reason, when it gave one.
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
