//! The TAP or TUN device: joined where it exists, created where it does not.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use tracing::debug;
use tun_rs::SyncDevice;

use super::attach::{self, Wish};
use super::offload::{self, Offloads};
use super::query::{self, Status, Which};
use super::{carrier, holders};
use crate::error::Error;
use crate::packet::Framing;

/// Packets that are passed on before the other side hears of them.
pub(super) const BURST: usize = 64;
/// The MTU of a device that is created without another wish.
pub(super) const DEFAULT_MTU: u16 = 1500;
/// Bytes of the longest device name.
const MAX_NAME: usize = 15;

/// A device with its queues, none of which ever blocks. Where it was created here, it goes away with this.
///
/// Others may have queues of the same device, when they joined it or were joined on purpose. The carrier belongs to all
/// whose queues are attached; it is taken away by the last of them.
pub(super) struct Device {
    name: String,
    framing: Framing,
    queues: Vec<SyncDevice>,
    offloads: Offloads,
    existed: bool,
    mtu: u16,
    index: u32,
    /// Whether our queues are put aside, so that the kernel sends through those of others alone. Written by one thread
    /// at a time: the one without a link, or the main one while there is none of those.
    aside: AtomicBool,
}

impl Device {
    /// Joins or creates the device, without a link, sets it up and up.
    pub(super) fn open(wish: &Wish) -> Result<Self, Error> {
        attach::check_driver()?;
        let before = status(&wish.name)?;
        let existed = before.is_some();
        let mut offloads = true;
        if let Some(found) = before
            && check_others(wish, &found, 0)?
        {
            // What stands before packets is for all who have a queue, and was said by the first of them.
            offloads = found.offload_header;
        }
        if !offloads {
            debug!("{}: no offloads: another program has it, and takes packets with nothing before them", wish.name);
        }
        let first = attach::join(wish, existed, offloads)?;
        let after = status(&wish.name)?.unwrap_or_default();
        let mut device = Self {
            name: wish.name.clone(),
            framing: wish.framing,
            queues: vec![first.queue],
            offloads: first.offloads,
            existed,
            mtu: 0,
            index: after.index,
            aside: AtomicBool::new(false),
        };
        // Every queue that is attached brings the carrier back; others keep it if they had it.
        let had_carrier = before.is_some_and(|found| found.carrier);
        let others = check_others(wish, &after, 1).inspect_err(|_| {
            if !had_carrier {
                // The other error counts.
                let _ = device.set_carrier(false);
            }
        })?;
        device.agree_on_header(wish, others, &after)?;
        if first.multi_queue {
            for _ in 1..wish.queues {
                device.add_queue()?;
            }
        }
        if !(others && had_carrier) {
            device.set_carrier(false)?;
        }
        for queue in &device.queues {
            queue.set_nonblocking(true).map_err(|source| device.failed("prepare", source))?;
        }
        device.set_mtu(wish.mtu)?;
        device.set_up()?;
        device.withdraw()?;
        Ok(device)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// TAP or TUN.
    pub(super) fn kind(&self) -> &'static str {
        match self.framing {
            Framing::Ethernet => "TAP",
            Framing::Ip => "TUN",
        }
    }

    /// Whether it was there before.
    pub(super) fn existed(&self) -> bool {
        self.existed
    }

    pub(super) fn mtu(&self) -> u16 {
        self.mtu
    }

    /// What of the work on packets is left to us.
    pub(super) fn offloads(&self) -> Offloads {
        self.offloads
    }

    /// TAP or TUN, as packets start.
    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// At least one.
    pub(super) fn queues(&self) -> &[SyncDevice] {
        &self.queues
    }

    /// What the kernel says of it; `None` when it is gone, or in another network namespace by now.
    pub(super) fn status(&self) -> Option<Status> {
        query::status(Which::Index(self.index)).ok().flatten()
    }

    /// Takes part, for there is a link: the kernel may send.
    pub(super) fn take_part(&self) -> Result<(), Error> {
        self.attach(true)?;
        self.set_carrier(true)?;
        // Since Linux 6.8 the kernel does what follows from the carrier before it answers, so that it sends from now on
        // and not from some time later.
        let _ = self.status();
        Ok(())
    }

    /// Takes no part, for there is no link: where nobody else does, the carrier goes, and where somebody does, our
    /// queues are put aside and the carrier is left alone.
    ///
    /// To be called again from time to time while packets come, or while the queues [are aside](Self::is_aside), since
    /// nobody tells when others come and go.
    pub(super) fn withdraw(&self) -> Result<(), Error> {
        let own = if self.is_aside() { 0 } else { u32::try_from(self.queues.len()).unwrap_or(u32::MAX) };
        let attached = self.status().and_then(|status| status.queues).map_or(0, |queues| queues.attached);
        if attached > own {
            return self.attach(false);
        }
        // Even where all are aside: reading them tells when the device is deleted.
        self.attach(true)?;
        self.set_carrier(false)
    }

    /// Whether our queues are put aside: they cannot be read, nor waited for.
    pub(super) fn is_aside(&self) -> bool {
        self.aside.load(Ordering::Relaxed)
    }

    fn attach(&self, on: bool) -> Result<(), Error> {
        if self.aside.swap(!on, Ordering::Relaxed) != on {
            return Ok(());
        }
        for queue in &self.queues {
            carrier::attach(queue, on).map_err(|source| match Errno::from_io_error(&source) {
                // What the driver says of a queue whose device was deleted while it was aside.
                Some(Errno::INVAL) => self.gone(),
                _ if is_gone(&source) => self.gone(),
                _ => self.failed("attach a queue to", source),
            })?;
        }
        Ok(())
    }

    /// Says whether the cable is plugged in.
    fn set_carrier(&self, on: bool) -> Result<(), Error> {
        let Some(queue) = self.queues.first() else { return Ok(()) };
        carrier::set(queue, on)
            .map_err(|source| if is_gone(&source) { self.gone() } else { self.failed("set the carrier of", source) })
    }

    /// The error for a device that was deleted.
    pub(super) fn gone(&self) -> Error {
        Error::System {
            what: format!("{} is gone", self.name),
            advice: "somebody deleted it: start this again, and give the new device its addresses",
            source: Errno::BADFD.into(),
        }
    }

    /// Sees to it that what stands before packets is as long as it is here.
    fn agree_on_header(&self, wish: &Wish, others: bool, found: &Status) -> Result<(), Error> {
        let Some(first) = self.queues.first() else { return Ok(()) };
        let ours = i32::try_from(offload::HEADER).unwrap_or_default();
        if others {
            let theirs = if found.offload_header { carrier::header_len(first).unwrap_or_default() } else { 0 };
            // Who came between the look before and now, or made the header another one.
            return if theirs == if self.offloads.tcp { ours } else { 0 } { Ok(()) } else { Err(taken(wish)) };
        }
        if self.offloads.tcp {
            carrier::set_header_len(first, ours).map_err(|source| self.failed("set the header of", source))?;
            let udp = if self.offloads.udp { " and UDP" } else { "" };
            debug!("{}: offloads of TCP{udp}", self.name);
        }
        Ok(())
    }

    fn add_queue(&mut self) -> Result<(), Error> {
        let Some(first) = self.queues.first() else { return Ok(()) };
        let queue = first.try_clone().map_err(|source| self.failed("add a queue to", source))?;
        self.queues.push(queue);
        Ok(())
    }

    fn set_mtu(&mut self, wanted: Option<u16>) -> Result<(), Error> {
        let Some(first) = self.queues.first() else { return Ok(()) };
        let found = first.mtu().map_err(|source| self.failed("read the MTU of", source))?;
        let mtu = wanted.unwrap_or(if self.existed { found } else { DEFAULT_MTU });
        if mtu != found {
            first.set_mtu(mtu).map_err(|source| Error::System {
                what: format!("cannot change the MTU of {} from {found} to {mtu}", self.name),
                advice: "run this as root, leave --mtu out to take the device as it is, or have root run: \
                         ip link set dev NAME mtu N",
                source,
            })?;
        }
        self.mtu = mtu;
        Ok(())
    }

    fn set_up(&self) -> Result<(), Error> {
        if self.status().is_some_and(|status| status.up) {
            return Ok(());
        }
        let Some(first) = self.queues.first() else { return Ok(()) };
        first.enabled(true).map_err(|source| Error::System {
            what: format!("cannot set {} up", self.name),
            advice: "run this as root, or have root run first: ip link set dev NAME up",
            source,
        })
    }

    fn failed(&self, what: &str, source: io::Error) -> Error {
        Error::System {
            what: format!("cannot {what} {}", self.name),
            advice: "look whether somebody deletes the device, and at the limit of open files (ulimit -n)",
            source,
        }
    }
}

impl Drop for Device {
    /// A device that stays keeps what was said of it, and who joins it next may know nothing of large packets.
    fn drop(&mut self) {
        let own = u32::try_from(self.queues.len()).unwrap_or(u32::MAX);
        let alone = self.status().and_then(|status| status.queues).is_none_or(|queues| queues.all() <= own);
        if let (true, true, Some(first)) = (self.existed && self.offloads.tcp, alone, self.queues.first()) {
            // A device that is gone keeps nothing.
            let _ = carrier::decline_offloads(first);
        }
    }
}

/// Whether reading or writing failed because the device was deleted.
pub(super) fn is_gone(error: &io::Error) -> bool {
    // EBADF is what it says of a descriptor that is open but no queue of any device.
    matches!(Errno::from_io_error(error), Some(Errno::BADFD | Errno::BADF))
}

/// The error for a thread that cannot sleep.
pub(super) fn cannot_wait(source: io::Error) -> Error {
    Error::System {
        what: "cannot wait for packets of the device".to_owned(),
        advice: "look at the limits of memory and open files (ulimit -a)",
        source,
    }
}

/// A name that the kernel takes for a device.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_NAME {
        return Err(format!("give 1 to {MAX_NAME} bytes, as in tap0"));
    }
    let wrong = |c: char| c == '/' || c == ':' || c == '%' || c.is_whitespace() || c.is_control();
    if text == "." || text == ".." || text.contains(wrong) {
        return Err("a device name has no '/', ':', '%' or blank: give one such as tap0".to_owned());
    }
    Ok(text.to_owned())
}

/// Whether others than us, who have so many queues, have queues of the device; an error where they may not.
fn check_others(wish: &Wish, found: &Status, own: u32) -> Result<bool, Error> {
    let all = found.queues.map_or(0, |queues| queues.all());
    if all <= own {
        return Ok(false);
    }
    // Who attaches a queue says for all of them what the kernel leaves undone: that may change nothing for others.
    let same = || !found.offload_header || carrier::cuts_tcp(&wish.name).unwrap_or(false);
    if wish.shared && !found.protocol_header && same() { Ok(true) } else { Err(taken(wish)) }
}

/// The error for a device that another program has.
fn taken(wish: &Wish) -> Error {
    Error::System {
        what: format!("cannot join {}{}", wish.name, holders::clause(&wish.name)),
        advice: if wish.shared {
            "another program has it, with a header before each packet of its own (IFF_VNET_HDR, or without IFF_NO_PI), \
             which this cannot share: choose another --tap"
        } else {
            "another program has it: stop that, choose another --tap, or share it on purpose (--shared)"
        },
        source: Errno::BUSY.into(),
    }
}

/// The device of that name in this network namespace, if there is one.
fn status(name: &str) -> Result<Option<Status>, Error> {
    query::status(Which::Name(name)).map_err(|source| Error::System {
        what: "cannot ask the kernel about its network devices".to_owned(),
        advice: "look at the limit of open files (ulimit -n), and whether a sandbox forbids netlink sockets",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        for name in ["tap0", "a", "fifteen-bytes-x", "vnet.10"] {
            assert_eq!(parse_name(name).as_deref(), Ok(name));
        }
        for (name, answer) in [
            ("", "1 to 15 bytes"),
            ("sixteen-bytes-xy", "1 to 15 bytes"),
            (".", "no '/'"),
            ("..", "no '/'"),
            ("a/b", "no '/'"),
            ("a b", "blank"),
            ("tap%d", "'%'"),
            ("a:0", "':'"),
            ("a\nb", "blank"),
        ] {
            let error = parse_name(name).unwrap_err();
            assert!(error.contains(answer), "{name:?}: {error}");
        }
    }
}
