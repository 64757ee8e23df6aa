//! Many interfaces through a `libmemif.so`: one socket, which polls for all of them.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::{HAPPENED, Happened, Interface, LibrarySocket};
use crate::hub::Hub;
use crate::job::Job;
use crate::port::{Port, Result};

pub(crate) struct LibraryHub {
    socket: Rc<LibrarySocket>,
    job: Job,
    /// By id.
    interfaces: Vec<Interface>,
    signalled: Vec<usize>,
    ups: u32,
    downs: u32,
}

impl LibraryHub {
    pub(crate) fn open(path: &Path, job: &Job) -> Result<Self> {
        Ok(Self {
            socket: Rc::new(LibrarySocket::open(path, job)?),
            job: job.clone(),
            interfaces: Vec::new(),
            signalled: Vec::new(),
            ups: 0,
            downs: 0,
        })
    }

    /// Does what was told by callbacks.
    fn hear(&mut self) -> Result<()> {
        for what in HAPPENED.with(|all| std::mem::take(&mut *all.borrow_mut())) {
            match what {
                Happened::Connected(id) => {
                    self.ups += 1;
                    if let Some(interface) = self.interfaces.get_mut(id as usize) {
                        // The link may be gone by now; whoever needs it will say so.
                        let _ = interface.prepare();
                    }
                }
                Happened::Disconnected(_) => self.downs += 1,
                Happened::Signalled(id) => {
                    self.signalled.push(id as usize);
                    if let Some(interface) = self.interfaces.get_mut(id as usize) {
                        interface.drained = false;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Hub for LibraryHub {
    fn add(&mut self) -> Result<()> {
        let id = self.interfaces.len() as u32;
        self.interfaces.push(Interface::create(self.socket.clone(), &self.job, id)?);
        self.hear()
    }

    fn remove(&mut self) -> Result<()> {
        self.interfaces.pop();
        self.hear()
    }

    fn turn(&mut self, timeout: Duration) -> Result<()> {
        self.socket.poll(timeout.as_millis() as i32)?;
        self.hear()
    }

    fn links(&self) -> (u32, u32) {
        (self.ups, self.downs)
    }

    fn send(&mut self, payload: &[u8]) -> Result<()> {
        let interface = self.interfaces.first_mut().ok_or("no interface")?;
        if interface.send(payload, 1)? == 1 { Ok(()) } else { Err("the ring is full".to_owned()) }
    }

    fn take(&mut self, scratch: &mut [u8]) -> Result<usize> {
        let mut packets = 0;
        for id in std::mem::take(&mut self.signalled) {
            let Some(interface) = self.interfaces.get_mut(id) else { continue };
            loop {
                let got = interface.receive(scratch, 64)?;
                if got.packets == 0 {
                    break;
                }
                packets += got.packets;
            }
        }
        Ok(packets)
    }

    fn answer(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.signalled) {
            let Some(interface) = self.interfaces.get_mut(id) else { continue };
            while interface.echo(&mut [], 64)? > 0 {}
        }
        Ok(())
    }
}
