//! This project's Rust API, used as its guide says.

use std::time::Duration;

use memif::{InterfaceConfig, InterfaceKey, RxMode, RxQueue, SendError, Socket, TxQueue};

use super::{Got, Port, Result};
use crate::job::{Job, Role, Waiting};

/// Longest wait before the caller looks whether the slice is over.
const PATIENCE: Duration = Duration::from_millis(200);

pub(crate) struct Rust {
    socket: Socket,
    #[allow(dead_code, reason = "names the interface as long as it is there")]
    key: InterfaceKey,
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
    next_rx: usize,
    next_tx: usize,
    waiting: Waiting,
}

pub(crate) fn config(job: &Job, id: u32) -> InterfaceConfig {
    let config = match job.role {
        Role::Master => InterfaceConfig::master(id),
        Role::Slave => InterfaceConfig::slave(id),
    };
    config
        .ring_size(1 << job.log2_ring)
        .buffer_size(job.buffer_size)
        .rx_queues(job.queues)
        .tx_queues(job.queues)
        .rx_mode(match job.waiting {
            Waiting::Polling => RxMode::Polling,
            Waiting::Adaptive => RxMode::Adaptive,
            Waiting::Interrupt => RxMode::Interrupt,
        })
}

pub(crate) fn socket(job: &Job) -> Result<Socket> {
    let mut address = job.place.join("memif.sock").display().to_string();
    if job.abstract_name {
        address.insert(0, '@');
    }
    // A thousand slaves of one process may connect at once.
    Socket::builder(address).max_half_open(4096).open().map_err(text)
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Rust {
    pub(crate) fn open(job: &Job) -> Result<Self> {
        let mut socket = socket(job)?;
        let key = socket.add_interface(config(job, 0)).map_err(text)?;
        let link = socket.wait_connected(key, Duration::from_secs(10)).map_err(text)?;
        Ok(Self { socket, key, rx: link.rx, tx: link.tx, next_rx: 0, next_tx: 0, waiting: job.waiting })
    }
}

/// The next of `len` queues.
#[inline]
pub(crate) fn turn(at: &mut usize, len: usize) -> usize {
    let now = *at;
    *at = if now + 1 < len { now + 1 } else { 0 };
    now
}

impl Port for Rust {
    #[inline]
    fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        let queue = turn(&mut self.next_tx, self.tx.len());
        let mut batch = self.tx[queue].reserve().map_err(text)?;
        for _ in 0..count {
            match batch.push(payload) {
                Ok(()) => {}
                Err(SendError::Full) => break,
                Err(error) => return Err(text(error)),
            }
        }
        Ok(batch.commit())
    }

    #[inline]
    fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got> {
        let queue = turn(&mut self.next_rx, self.rx.len());
        let mut batch = self.rx[queue].recv(count).map_err(text)?;
        let mut got = Got::default();
        for packet in &mut batch {
            got.bytes += packet.copy_to(scratch);
            got.packets += 1;
        }
        Ok(got)
    }

    #[inline]
    fn echo(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let queue = turn(&mut self.next_rx, self.rx.len());
        let mut received = self.rx[queue].recv(count).map_err(text)?;
        if received.is_empty() {
            return Ok(0);
        }
        let mut batch = self.tx[queue].reserve().map_err(text)?;
        for packet in &mut received {
            batch.push_packet(&packet).map_err(text)?;
        }
        Ok(batch.commit())
    }

    #[inline]
    fn forward(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let queue = turn(&mut self.next_rx, self.rx.len());
        let mut received = self.rx[queue].recv(count).map_err(text)?;
        if received.is_empty() {
            return Ok(0);
        }
        let mut batch = self.tx[queue].reserve().map_err(text)?;
        for packet in &mut received {
            batch.forward(packet).map_err(text)?;
        }
        Ok(batch.commit())
    }

    #[inline]
    fn wait(&mut self) -> Result<()> {
        if self.waiting == Waiting::Polling {
            std::hint::spin_loop();
            return Ok(());
        }
        RxQueue::wait_any(&mut self.rx, Some(PATIENCE)).map_err(text).map(drop)
    }

    fn rarely(&mut self) -> Result<()> {
        self.socket.poll(Some(Duration::ZERO)).map_err(text).map(drop)
    }
}
