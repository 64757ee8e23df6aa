//! The carrier of a TAP device: whether its cable is plugged in.

#![allow(unsafe_code, reason = "no library has a safe call for this ioctl")]

use std::ffi::c_int;
use std::io;

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use tun_rs::SyncDevice;

/// `TUNSETCARRIER` of `linux/if_tun.h`, since Linux 5.0.
const TUNSETCARRIER: Opcode = opcode::write::<c_int>(b'T', 226);

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
