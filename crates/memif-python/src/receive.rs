//! Receiving, apart from Python.

use std::sync::Arc;
use std::time::Duration;

use memif::{Packet, RxQueue};

use crate::channel::{Channel, Receiver};
use crate::errors::{self, Failure};
use crate::packets::Packets;
use crate::readiness::Readiness;

impl Channel {
    /// Receives packets that are on the ring already, up to `most` of them, without a wait: `take` gets one after the
    /// other. Returns how many there were; none also where a call that may wait has more to do than that.
    pub(crate) fn receive_now(&self, most: usize, mut take: impl FnMut(&Packet<'_>)) -> usize {
        let Some(mut receiver) = self.receiver.try_lock() else { return 0 };
        let Receiver { queues, readiness: None, tap: None, met: met @ None, .. } = &mut *receiver else { return 0 };
        // Of several queues none is to keep the others from being served.
        let [queue] = queues.as_mut_slice() else { return 0 };
        match queue.recv(most) {
            Ok(mut batch) => batch.packets().map(|packet| take(&packet)).count(),
            Err(error) => {
                *met = Some(error);
                0
            }
        }
    }

    /// Receives up to `most` packets, waiting for the first for as long as `time`. `None` where none came, or somebody
    /// else received all the time.
    pub(crate) fn receive(&self, packets: &mut Packets, most: usize, time: Duration) -> Result<Option<()>, Failure> {
        let Some(mut receiver) = self.receiver.try_lock_for(time) else { return Ok(None) };
        let result = self.receive_with(&mut receiver, packets, most, time);
        if let Some(readiness) = &receiver.readiness {
            let readiness = Arc::clone(readiness);
            // What is left is not signalled again. A link that is down is told by its queues themselves.
            let left = packets.len() == most && receiver.queues.iter_mut().any(holds_packets);
            readiness.tell(left || self.has_news());
        }
        result
    }

    fn receive_with(
        &self,
        receiver: &mut Receiver,
        packets: &mut Packets,
        most: usize,
        time: Duration,
    ) -> Result<Option<()>, Failure> {
        loop {
            if receiver.queues.is_empty() {
                self.adopt(receiver)?;
            }
            let Receiver { queues, readiness, tap, met, .. } = &mut *receiver;
            let waited = match met.take() {
                Some(error) => Err(error),
                None => RxQueue::wait_any_or(queues, None, time),
            };
            let mut from = match waited {
                Ok(None) => {
                    // Whoever goes on to wait for the descriptor is to find it unreadable, unless that was for the end
                    // of the link, which is told now.
                    if readiness.is_some() {
                        queues.iter_mut().for_each(acknowledge_all);
                        if queues.iter_mut().any(|queue| !queue.is_connected() || holds_packets(queue)) {
                            continue;
                        }
                    }
                    return Ok(None);
                }
                Ok(Some(from)) => Ok(from),
                Err(error) => Err(error),
            };
            if let Ok(first) = from {
                if readiness.is_some() {
                    queues.iter_mut().for_each(RxQueue::acknowledge);
                }
                let before = packets.len();
                from = receive_from(queues, first, packets, most).map(|()| first);
                if let Some(tap) = tap {
                    tap.record(packets.iter().skip(before));
                }
            }
            // Of a link that ended, what it left comes first.
            if packets.len() > 0 {
                return Ok(Some(()));
            }
            match from {
                // A packet that was dropped.
                Ok(_) => return Ok(None),
                Err(error) => {
                    let link = receiver.link;
                    receiver.drop_queues();
                    if self.is_closed() {
                        return Err(Failure::Closed);
                    }
                    let known = self.is_known(link);
                    if !known || matches!(error, memif::RecvError::NoQueue) {
                        return Err(errors::received(error, || self.end(link)));
                    }
                }
            }
        }
    }

    /// Takes the queues of the next link.
    fn adopt(&self, receiver: &mut Receiver) -> Result<(), Failure> {
        let (link, queues, readiness) = self.take_rx()?;
        if queues.is_empty() {
            return Err(Failure::Queue(memif::RecvError::NoQueue.to_string()));
        }
        (receiver.link, receiver.queues, receiver.readiness) = (link, queues, readiness);
        receiver.listen()
    }
}

impl Receiver {
    /// Puts the queues into the descriptor, if there is one.
    pub(crate) fn listen(&mut self) -> Result<(), Failure> {
        let Some(readiness) = &self.readiness else { return Ok(()) };
        self.queues.iter().try_for_each(|queue| readiness.add(queue)).map_err(|error| {
            Failure::System(format!("no descriptor that tells of packets: {error}; raise the limit of open files"))
        })
    }

    /// Lets go of the queues.
    pub(crate) fn drop_queues(&mut self) {
        if let Some(readiness) = &self.readiness {
            self.queues.iter().for_each(|queue| Readiness::remove(readiness, queue));
        }
        self.queues.clear();
        self.met = None;
    }
}

/// Receives from one queue after the other, from that one on, until there are so many packets or no more.
fn receive_from(
    queues: &mut [RxQueue],
    first: usize,
    packets: &mut Packets,
    most: usize,
) -> Result<(), memif::RecvError> {
    let (before, from) = queues.split_at_mut_checked(first).unwrap_or_default();
    for queue in from.iter_mut().chain(before) {
        loop {
            let wanted = most - packets.len();
            let mut batch = queue.recv(wanted)?;
            let found = batch.len();
            for packet in &mut batch {
                packets.push(&packet);
            }
            if found == 0 || packets.len() == most {
                break;
            }
        }
        if packets.len() == most {
            break;
        }
    }
    Ok(())
}

/// Takes the signals that came, and looks whether the peer is there: that is done where there is no signal.
fn acknowledge_all(queue: &mut RxQueue) {
    queue.acknowledge();
    queue.acknowledge();
}

fn holds_packets(queue: &mut RxQueue) -> bool {
    // An error is told by the queue's own descriptor.
    queue.recv(1).is_ok_and(|batch| !batch.is_empty())
}
