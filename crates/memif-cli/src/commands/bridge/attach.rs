//! Attaching the first queue of a TAP or TUN device.

use std::fs::OpenOptions;
use std::io;

use rustix::io::Errno;
use tracing::debug;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::holders;
use super::offload::Offloads;
use crate::error::Error;
use crate::packet::Framing;

/// Where the kernel hands out TUN and TAP devices.
const CLONE: &str = "/dev/net/tun";

/// What is wanted of a device.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) name: String,
    /// A TAP device for ethernet, a TUN device for IP.
    pub(super) framing: Framing,
    pub(super) mtu: Option<u16>,
    pub(super) queues: u8,
    /// Whether others may have queues of it.
    pub(super) shared: bool,
}

/// A first queue.
pub(super) struct Attached {
    pub(super) queue: SyncDevice,
    pub(super) multi_queue: bool,
    pub(super) offloads: Offloads,
}

/// Attaches the first queue: with several queues where that is wanted and the device has them, or where it cannot be
/// joined otherwise; with offloads where those are wanted and the driver has them.
pub(super) fn join(wish: &Wish, existed: bool, offloads: bool) -> Result<Attached, Error> {
    let wanted = wish.queues > 1;
    let attempt = |multi_queue, offloads| {
        let layer = match wish.framing {
            Framing::Ethernet => Layer::L2,
            Framing::Ip => Layer::L3,
        };
        DeviceBuilder::new()
            .name(&wish.name)
            .layer(layer)
            .multi_queue(multi_queue)
            .with(|builder| {
                builder.offload(offloads);
            })
            .inherit_enable_state()
            .build_sync()
            .map(|queue| {
                let offloads = Offloads { tcp: queue.tcp_gso(), udp: queue.udp_gso() };
                Attached { queue, multi_queue, offloads }
            })
    };
    let is_invalid = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::INVAL);
    // A device keeps the number of queues that it was created for: one, or several.
    let either = |offloads| match attempt(wanted, offloads) {
        Err(error) if existed && is_invalid(&error) => attempt(!wanted, offloads),
        other => other,
    };
    let attached = match either(offloads) {
        Err(error) if offloads && is_invalid(&error) => {
            debug!("{}: no offloads: {error}", wish.name);
            either(false)
        }
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
            Some(Errno::BUSY) => (
                format!("cannot join {name}{}", holders::clause(name)),
                if wish.shared {
                    "another program has it, and it was made for one: stop that, or make it with \
                     ip tuntap add dev NAME mode tap multi_queue (mode tun with --mode ip)"
                } else {
                    "another program has it: stop that, or choose another --tap"
                },
            ),
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
pub(super) fn check_driver() -> Result<(), Error> {
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
