//! The carrier of a TAP device: whether its cable is plugged in.

#![allow(unsafe_code, reason = "no library has a safe call for this ioctl")]

use std::ffi::c_int;
use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Setter, ioctl, opcode};

/// `TUNSETCARRIER` of `linux/if_tun.h`, since Linux 5.0.
const TUNSETCARRIER: rustix::ioctl::Opcode = opcode::write::<c_int>(b'T', 226);

/// Says whether the TAP device that `queue` belongs to has a carrier. Needs no capability beyond having the queue.
pub(super) fn set(queue: impl AsFd, on: bool) -> io::Result<()> {
    // SAFETY: the kernel reads one C int through the pointer that `ioctl` passes, as the size in the opcode says, and
    // writes nothing; `Setter` holds that int for the time of the call. A descriptor of another kind answers ENOTTY: no
    // other driver has this number with this letter.
    let request = unsafe { Setter::<TUNSETCARRIER, c_int>::new(c_int::from(on)) };
    // SAFETY: `request` is what the opcode demands, as argued above.
    unsafe { ioctl(queue, request) }?;
    Ok(())
}
