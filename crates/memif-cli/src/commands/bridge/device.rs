//! The TAP or TUN device: joined where it exists, created where it does not.

use std::fs::OpenOptions;
use std::io;

use rustix::io::Errno;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::carrier;
use super::query::{self, Status, Which};
use crate::error::Error;
use crate::packet::Framing;

/// Where the kernel hands out TUN and TAP devices.
const CLONE: &str = "/dev/net/tun";
/// Bytes of the longest packet of either side: a device passes on no more, the rest of the room makes one that is
/// longer visible.
pub(super) const MAX_PACKET: usize = memif::MAX_PACKET_SIZE as usize + 64;
/// Packets that are passed on before the other side hears of them.
pub(super) const BURST: usize = 64;
/// The MTU of a device that is created without another wish.
pub(super) const DEFAULT_MTU: u16 = 1500;
/// Bytes of the longest device name.
const MAX_NAME: usize = 15;

/// What is wanted of a device.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) name: String,
    /// A TAP device for ethernet, a TUN device for IP.
    pub(super) framing: Framing,
    pub(super) mtu: Option<u16>,
    pub(super) queues: u8,
}

/// A device with its queues, none of which ever blocks. Where it was created here, it goes away with this.
pub(super) struct Device {
    name: String,
    framing: Framing,
    queues: Vec<SyncDevice>,
    existed: bool,
    mtu: u16,
    index: u32,
}

impl Device {
    /// Joins or creates the device, without a carrier, sets it up and up.
    pub(super) fn open(wish: &Wish) -> Result<Self, Error> {
        check_driver()?;
        let existed = status(&wish.name)?.is_some();
        let first = attach(wish, existed)?;
        let mut device = Self {
            name: wish.name.clone(),
            framing: wish.framing,
            queues: vec![first.queue],
            existed,
            mtu: 0,
            index: status(&wish.name)?.unwrap_or_default().index,
        };
        if first.multi_queue {
            for _ in 1..wish.queues {
                device.add_queue()?;
            }
        }
        // Every queue that is attached brings the carrier back.
        device.set_carrier(false)?;
        for queue in &device.queues {
            queue.set_nonblocking(true).map_err(|source| device.failed("prepare", source))?;
        }
        device.set_mtu(wish.mtu)?;
        device.set_up()?;
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

    /// At least one.
    pub(super) fn queues(&self) -> &[SyncDevice] {
        &self.queues
    }

    /// What the kernel says of it; `None` when it is gone, or in another network namespace by now.
    pub(super) fn status(&self) -> Option<Status> {
        query::status(Which::Index(self.index)).ok().flatten()
    }

    /// Says whether the cable is plugged in.
    pub(super) fn set_carrier(&self, on: bool) -> Result<(), Error> {
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

/// A first queue.
struct Attached {
    queue: SyncDevice,
    multi_queue: bool,
}

/// Attaches the first queue: with several queues where that is wanted and the device has them, or where it cannot be
/// joined otherwise.
fn attach(wish: &Wish, existed: bool) -> Result<Attached, Error> {
    let wanted = wish.queues > 1;
    let attempt = |multi_queue| {
        let layer = match wish.framing {
            Framing::Ethernet => Layer::L2,
            Framing::Ip => Layer::L3,
        };
        DeviceBuilder::new()
            .name(&wish.name)
            .layer(layer)
            .multi_queue(multi_queue)
            .inherit_enable_state()
            .build_sync()
            .map(|queue| Attached { queue, multi_queue })
    };
    // A device keeps the number of queues that it was created for: one, or several.
    let attached = match attempt(wanted) {
        Err(error) if existed && Errno::from_io_error(&error) == Some(Errno::INVAL) => attempt(!wanted),
        other => other,
    };
    attached.map_err(|source| {
        let name = &wish.name;
        let error = Errno::from_io_error(&source);
        let (what, advice) = match error {
            Some(Errno::PERM) if existed => (
                format!("cannot join {name}"),
                "run this as root (CAP_NET_ADMIN), or have root give the device to this user: \
                 ip tuntap add dev NAME mode tap user USER (mode tun with --mode ip)",
            ),
            Some(Errno::PERM) => (
                format!("cannot create {name}"),
                "run this as root (CAP_NET_ADMIN), or have root create the device for this user: \
                 ip tuntap add dev NAME mode tap user USER (mode tun with --mode ip)",
            ),
            Some(Errno::BUSY) => {
                (format!("cannot join {name}"), "another program has it: stop that, or choose another --tap")
            }
            Some(Errno::INVAL) if existed => (
                format!("cannot join {name}"),
                "a device of that name is there and is not of this kind (TAP for --mode ethernet, TUN for --mode \
                 ip): choose another --tap, or remove that one (ip link del)",
            ),
            _ => (format!("cannot create {name}"), "choose another --tap, and look into the kernel's log (dmesg)"),
        };
        Error::System { what, advice, source }
    })
}

/// Opens the driver's file once, for the sake of errors with a name: the same errors on attaching mean other things.
fn check_driver() -> Result<(), Error> {
    match OpenOptions::new().read(true).write(true).open(CLONE) {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::PermissionDenied => Err(Error::System {
            what: format!("cannot open {CLONE}"),
            advice: "run this as root, or have root give this user the file: chmod 666 /dev/net/tun",
            source,
        }),
        Err(source) => Err(Error::System {
            what: format!("cannot open {CLONE}"),
            advice: "load the driver (modprobe tun); into a container pass --device /dev/net/tun and \
                     --cap-add NET_ADMIN",
            source,
        }),
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
