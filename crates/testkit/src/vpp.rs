//! Peers that behave as the description tells of VPP, in both roles. No package of VPP exists to test with.
//!
//! Covered: layout by the negotiated and announcement of the configured ring size (V1), slaves that give up before INIT
//! (V2, as a question to [`Ending`]), one queued message per answer (V3), silent closes (V4), limits of 256 (V5), lazy
//! refill and late freeing (V7), limits of its receiver (V8), at most 256 packets per signal (V11), first parts longer
//! than posted buffers (V15), the zero-copy layout with all descriptors zero until posted, data 14 bytes in for IP
//! mode, DISCONNECT answered.

use crate::dialect::Dialect;
use crate::master::{Ending, MasterLink, MasterPlan, Point, Reply, ScriptedMaster};
use crate::plan::{Layout, Script, SlavePlan};
use crate::seqsock::{Address, Received};
use crate::shared::FileKind;
use crate::slave::{Refusal, ScriptedSlave, SlaveLink};
use crate::wiremsg::Message;

/// What is configured on the VPP side.
#[derive(Clone, Debug)]
pub struct VppLikeSlave {
    /// `interface memif id`.
    pub id: u32,
    /// `secret`.
    pub secret: Vec<u8>,
    /// `ring-size`, as log2.
    pub log2: u8,
    /// `rx-queues`.
    pub rx_queues: u16,
    /// `tx-queues`.
    pub tx_queues: u16,
    /// Not `no-zero-copy`.
    pub zero_copy: bool,
    /// `mode ip`.
    pub ip: bool,
    /// `set interface rx-mode interrupt`.
    pub interrupt: bool,
    /// Buffer pools on huge pages, which cannot be sealed.
    pub huge_pages: bool,
}

impl Default for VppLikeSlave {
    fn default() -> Self {
        Self {
            id: 0,
            secret: Vec::new(),
            log2: 10,
            rx_queues: 1,
            tx_queues: 1,
            zero_copy: true,
            ip: false,
            interrupt: false,
            huge_pages: false,
        }
    }
}

impl VppLikeSlave {
    /// What it would say and allocate after a HELLO with that log2.
    #[must_use]
    pub fn plan(&self, hello_log2: u8, hello_s2m: u16, hello_m2s: u16) -> SlavePlan {
        let mut dialect = if self.interrupt { Dialect::VPP_INTERRUPT } else { Dialect::VPP };
        let (lazy, eager) = (Dialect::VPP, Dialect::VPP_INTERRUPT);
        let refill = if self.zero_copy { lazy } else { eager };
        dialect.refill_from = refill.refill_from;
        dialect.refill_step = refill.refill_step;
        dialect.free_step = refill.free_step;
        dialect.in_front = if self.zero_copy { 14 } else { 0 };
        let log2 = self.log2.min(hello_log2);
        let rings = u64::from(self.rx_queues) + u64::from(self.tx_queues);
        let pool = (rings * (2 << log2) * (2048 + 256)).next_multiple_of(2 << 20).max(16 << 20);
        SlavePlan {
            id: self.id,
            mode: u8::from(self.ip),
            secret: self.secret.clone(),
            name: b"VPP 26.10-rc0~374-gb575ec2c56d".to_vec(),
            if_name: format!("memif2/{}", self.id).into_bytes(),
            s2m: self.tx_queues.min(hello_s2m.saturating_add(1)),
            m2s: self.rx_queues.min(hello_m2s.saturating_add(1)),
            log2,
            announced_log2: Some(self.log2),
            buffer_size: 2048,
            headroom: if self.ip && self.zero_copy { 14 } else { 0 },
            layout: if self.zero_copy { Layout::Pool(pool) } else { Layout::OneRegion },
            rings_file: FileKind::Sealed,
            buffers_file: match (self.zero_copy, self.huge_pages) {
                (true, true) => FileKind::Huge,
                (true, false) => FileKind::Unsealable,
                _ => FileKind::Sealed,
            },
            dialect,
            ..SlavePlan::default()
        }
    }

    /// Connects, with an edited script.
    ///
    /// # Errors
    /// How the master refused.
    #[track_caller]
    pub fn try_connect(&self, address: &Address, edit: impl FnOnce(&mut Script)) -> Result<SlaveLink, Refusal> {
        let slave = ScriptedSlave::connect(address);
        let hello = &slave.hello;
        let plan = self.plan(hello.max_log2, hello.max_s2m_ring, hello.max_m2s_ring);
        SlaveLink::over(slave, &plan, edit)
    }

    /// Connects.
    #[must_use]
    #[track_caller]
    pub fn connect(&self, address: &Address) -> SlaveLink {
        self.try_connect(address, |_| ()).unwrap_or_else(|r| panic!("refused: {r:?}"))
    }
}

/// What VPP does with a DISCONNECT: it answers with another, then closes. Returns the reason it was given.
#[must_use]
#[track_caller]
pub fn answer_disconnect(socket: &crate::SeqSocket) -> String {
    match socket.receive().message() {
        Message::Disconnect(_, text) => {
            let _ = socket.send_now(&Message::disconnect("disconnect received"));
            // Whatever the other side does with the answer, it must not answer in turn.
            let next = socket.receive();
            assert!(next.is_over(), "after DISCONNECT and its answer came {next:?}");
            String::from_utf8_lossy(&text).into_owned()
        }
        other => panic!("DISCONNECT was due, not {other:?}"),
    }
}

/// A master like VPP's.
#[derive(Debug)]
pub struct VppLikeMaster(pub ScriptedMaster);

impl VppLikeMaster {
    /// Listens as VPP does. `interrupt`: rx-mode interrupt.
    #[must_use]
    #[track_caller]
    pub fn bind(address: &Address, interrupt: bool) -> Self {
        let dialect = if interrupt { Dialect::VPP_INTERRUPT } else { Dialect::VPP };
        let mut plan = MasterPlan::of(dialect);
        plan.hello.name = b"VPP 26.10-rc0~374-gb575ec2c56d".to_vec();
        plan.if_name = b"memif2/0".to_vec();
        plan.most_rings = 257;
        Self(ScriptedMaster::bind(address, plan))
    }

    /// The next connection becomes a link.
    #[must_use]
    #[track_caller]
    pub fn serve(&self) -> MasterLink {
        self.serve_with(|_| Reply::Usual).unwrap_or_else(|ending| panic!("no link: {ending:?}"))
    }

    /// The next connection, with `reply` at each point. Fails the test when a slave left in a way that not every master
    /// survives.
    ///
    /// # Errors
    /// How it ended.
    #[track_caller]
    pub fn serve_with(&self, reply: impl FnMut(&Point<'_>) -> Reply) -> Result<MasterLink, Ending> {
        let result = self.0.serve_with(reply);
        if let Err(ending) = &result {
            assert!(ending.left_safely(), "{ending:?}");
        }
        result
    }

    /// `delete interface memif`: DISCONNECT, then close.
    pub fn delete(link: MasterLink) {
        link.socket.send(&Message::disconnect("interface deleted"));
        while let Received::Message { .. } = link.socket.receive() {}
    }
}
