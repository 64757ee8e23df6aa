//! `memif::tokio`, used as its guide says.

use memif::SendError;
use memif::tokio::{Control, RxQueue, TxQueue};

use super::Port;
use crate::job::Job;
use crate::port::rust::{config, socket, text};
use crate::port::{Got, Result};

pub(super) struct Link {
    _control: Control,
    rx: RxQueue,
    tx: TxQueue,
}

impl Link {
    pub(super) async fn open(job: &Job) -> Result<Self> {
        let (control, driver) = memif::tokio::drive(socket(job)?);
        tokio::spawn(driver);
        let key = control.add_interface(config(job, 0)).map_err(text)?;
        let link = control.connected(key).await.map_err(text)?;
        let (mut rx, mut tx) = (link.rx, link.tx);
        match (rx.pop(), tx.pop()) {
            (Some(rx), Some(tx)) => Ok(Self { _control: control, rx, tx }),
            _ => Err("the link has no queue in one direction".to_owned()),
        }
    }
}

impl Port for Link {
    async fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        let mut batch = self.tx.reserve(1).await.map_err(text)?;
        for _ in 0..count {
            match batch.push(payload) {
                Ok(()) => {}
                Err(SendError::Full) => break,
                Err(error) => return Err(text(error)),
            }
        }
        Ok(batch.commit())
    }

    async fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got> {
        let mut batch = self.rx.recv(count).await.map_err(text)?;
        let mut got = Got::default();
        for packet in &mut batch {
            got.bytes += packet.copy_to(scratch);
            got.packets += 1;
        }
        Ok(got)
    }

    async fn echo(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let mut received = self.rx.recv(count).await.map_err(text)?;
        let mut batch = self.tx.reserve(received.len()).await.map_err(text)?;
        for packet in &mut received {
            batch.push_packet(&packet).map_err(text)?;
        }
        Ok(batch.commit())
    }
}
