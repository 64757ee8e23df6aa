//! What the driver of TUN and TAP devices is told through a queue: whether the cable is plugged in, and whether the
//! queue takes part.

#![allow(unsafe_code, reason = "no library has safe calls for these two ioctls")]

use std::ffi::{c_int, c_short};
use std::io;

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use tun_rs::SyncDevice;

/// `TUNSETCARRIER` of `linux/if_tun.h`, since Linux 5.0.
const TUNSETCARRIER: Opcode = opcode::write::<c_int>(b'T', 226);
/// `TUNSETQUEUE`, whose number says int and which takes a [`Request`].
const TUNSETQUEUE: Opcode = opcode::write::<c_int>(b'T', 217);
/// What it is to do.
const IFF_ATTACH_QUEUE: c_short = 0x0200;
const IFF_DETACH_QUEUE: c_short = 0x0400;

/// `struct ifreq` of `linux/if.h`, with flags in its union.
#[repr(C, align(8))]
struct Request {
    name: [u8; 16],
    flags: c_short,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<Request>() == 40);

/// Says whether the device that `queue` belongs to has a carrier. Needs no capability beyond having the queue.
pub(super) fn set(queue: &SyncDevice, on: bool) -> io::Result<()> {
    // SAFETY: the kernel reads one C int through the pointer that `ioctl` passes, as the size in the opcode says, and
    // writes nothing; `Setter` holds that int for the time of the call.
    let request = unsafe { Setter::<TUNSETCARRIER, c_int>::new(c_int::from(on)) };
    // SAFETY: `request` is what the opcode demands, as argued above, and a `SyncDevice` is a descriptor of the driver
    // that has this opcode; detached from its device, the driver refuses it.
    unsafe { ioctl(queue, request) }?;
    Ok(())
}

/// Attaches a queue that was put aside to its device, or puts it aside: the kernel sends nothing through it then, and
/// what it holds is gone. For devices with many queues alone. Needs no capability beyond having the queue.
pub(super) fn attach(queue: &SyncDevice, on: bool) -> io::Result<()> {
    let flags = if on { IFF_ATTACH_QUEUE } else { IFF_DETACH_QUEUE };
    let request = Request { name: [0; 16], flags, rest: [0; 22] };
    // SAFETY: the kernel reads a `struct ifreq` of up to 40 bytes through the pointer that `ioctl` passes, which is as
    // many as `Request` has (asserted above), all initialized, and writes nothing for this opcode; `Setter` holds it
    // for the time of the call.
    let request = unsafe { Setter::<TUNSETQUEUE, Request>::new(request) };
    // SAFETY: `request` is what the opcode demands, as argued above, and a `SyncDevice` is a descriptor of the driver
    // that has this opcode; it refuses what the queue is already.
    unsafe { ioctl(queue, request) }?;
    Ok(())
}
