//! Many interfaces through the Rust API: one socket, one thread, every receive queue watched.

use std::collections::HashMap;
use std::time::Duration;

use memif::{Event, InterfaceKey, Link, Socket};

use super::Result;
use super::rust::{config, socket, text};
use crate::hub::Hub;
use crate::job::Job;

pub(crate) struct RustHub {
    job: Job,
    socket: Socket,
    keys: Vec<InterfaceKey>,
    links: HashMap<InterfaceKey, Link>,
    signalled: Vec<InterfaceKey>,
    ups: u32,
    downs: u32,
}

impl RustHub {
    pub(crate) fn open(job: &Job) -> Result<Self> {
        Ok(Self {
            job: job.clone(),
            socket: socket(job)?,
            keys: Vec::new(),
            links: HashMap::new(),
            signalled: Vec::new(),
            ups: 0,
            downs: 0,
        })
    }
}

impl Hub for RustHub {
    fn add(&mut self) -> Result<()> {
        let id = u32::try_from(self.keys.len()).map_err(text)?;
        let key = self.socket.add_interface(config(&self.job, id)).map_err(text)?;
        self.socket.watch(key, 0).map_err(text)?;
        self.keys.push(key);
        Ok(())
    }

    fn remove(&mut self) -> Result<()> {
        let key = self.keys.pop().ok_or("no interface")?;
        self.socket.remove_interface(key).map_err(text)?;
        self.links.remove(&key);
        Ok(())
    }

    fn turn(&mut self, timeout: Duration) -> Result<()> {
        match self.socket.poll(Some(timeout)).map_err(text)? {
            Some(Event::Connected { interface, link }) => {
                self.ups += 1;
                self.links.insert(interface, link);
            }
            Some(Event::Disconnected { interface, .. }) => {
                self.downs += 1;
                self.links.remove(&interface);
            }
            Some(Event::Readable { interface, .. }) => self.signalled.push(interface),
            _ => {}
        }
        Ok(())
    }

    fn links(&self) -> (u32, u32) {
        (self.ups, self.downs)
    }

    fn send(&mut self, payload: &[u8]) -> Result<()> {
        let link = self.keys.first().and_then(|key| self.links.get_mut(key));
        link.ok_or("no link")?.tx[0].send(payload).map_err(text)
    }

    fn take(&mut self, scratch: &mut [u8]) -> Result<usize> {
        let mut packets = 0;
        for key in self.signalled.drain(..) {
            let Some(link) = self.links.get_mut(&key) else { continue };
            loop {
                let mut batch = link.rx[0].recv(64).map_err(text)?;
                if batch.is_empty() {
                    break;
                }
                for packet in &mut batch {
                    packet.copy_to(scratch);
                    packets += 1;
                }
            }
        }
        Ok(packets)
    }

    fn answer(&mut self) -> Result<()> {
        for key in self.signalled.drain(..) {
            let Some(link) = self.links.get_mut(&key) else { continue };
            loop {
                let mut received = link.rx[0].recv(64).map_err(text)?;
                if received.is_empty() {
                    break;
                }
                let mut batch = link.tx[0].reserve().map_err(text)?;
                for packet in &mut received {
                    batch.forward(packet).map_err(text)?;
                }
                batch.commit();
            }
        }
        Ok(())
    }
}
