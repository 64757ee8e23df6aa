//! The thread that serves one link.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memif::{Link, RecvError, RxQueue, SendError, TxQueue};

use super::engine::{Responder, Verdict};
use super::tally::Tally;
use crate::exit::Error;

/// Packets that are looked at before their answers are handed over.
const BURST: usize = 256;
/// Bytes of the largest packet.
const MAX_PACKET: usize = memif::MAX_PACKET_SIZE as usize;
/// How long the answers of one burst wait for a peer that takes none, before they are dropped.
const PATIENCE: Duration = Duration::from_millis(100);

/// Serves a link on a thread of its own until it goes down; the thread gives the counts.
pub(crate) fn start(link: Link, responder: Responder) -> Result<JoinHandle<Tally>, Error> {
    thread::Builder::new()
        .name("responder".to_owned())
        .spawn(move || serve(link, responder))
        .map_err(|source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limit of processes (ulimit -u), or serve fewer interfaces",
            source,
        })
}

fn serve(mut link: Link, mut responder: Responder) -> Tally {
    let mut scratch = vec![0; MAX_PACKET];
    // The end of the link is no news here: its reason comes as an event.
    while RxQueue::wait_any(&mut link.rx, None).is_ok() {
        // An answer leaves by the queue with the number of the one it came by, as far as there are as many.
        let queues = link.tx.len().max(1);
        for (at, rx) in link.rx.iter_mut().enumerate() {
            let Some(tx) = link.tx.get_mut(at % queues) else { return responder.tally() };
            if burst(rx, tx, &mut responder, &mut scratch).is_err() {
                return responder.tally();
            }
        }
    }
    responder.tally()
}

/// Why a link cannot be served any more. The details come as an event.
struct LinkDown;

impl From<RecvError> for LinkDown {
    fn from(_: RecvError) -> Self {
        Self
    }
}

impl From<SendError> for LinkDown {
    fn from(_: SendError) -> Self {
        Self
    }
}

/// Answers what lies on one receive queue, up to a burst.
fn burst(
    rx: &mut RxQueue,
    tx: &mut TxQueue,
    responder: &mut Responder,
    scratch: &mut [u8],
) -> Result<(), LinkDown> {
    let mut batch = rx.recv(BURST)?;
    if batch.is_empty() {
        return Ok(());
    }
    let mut deadline = None;
    let mut out = tx.reserve()?;
    for packet in &mut batch {
        let len = packet.copy_to(scratch);
        let Some(bytes) = scratch.get_mut(..len) else { continue };
        let Verdict::Reply(len) = responder.answer(bytes) else { continue };
        let Some(reply) = bytes.get(..len) else { continue };
        match out.push(reply) {
            Ok(()) => continue,
            Err(SendError::Full) => {}
            Err(SendError::TooLong { .. }) => {
                // The peer sends longer packets than it offers room for.
                responder.unanswered(reply);
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        // No peer signals room: hand over what there is, then wait a little.
        out.commit();
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
        match tx.send_timeout(reply, deadline.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(SendError::Full | SendError::TooLong { .. }) => responder.unanswered(reply),
            Err(error) => return Err(error.into()),
        }
        out = tx.reserve()?;
    }
    out.commit();
    Ok(())
}
