//! What the driver of TUN and TAP devices is told and asked through a queue: whether the cable is plugged in, whether
//! the queue takes part, and what stands before packets.

#![allow(unsafe_code, reason = "no library has safe calls for these ioctls")]

use std::ffi::{c_int, c_short};
use std::io;
use std::ptr;

use rustix::ioctl::{Getter, IntegerSetter, Opcode, Setter, ioctl, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tun_rs::SyncDevice;

/// `TUNSETCARRIER` of `linux/if_tun.h`, since Linux 5.0.
const TUNSETCARRIER: Opcode = opcode::write::<c_int>(b'T', 226);
/// `TUNSETQUEUE`, whose number says int and which takes a [`Request`].
const TUNSETQUEUE: Opcode = opcode::write::<c_int>(b'T', 217);
/// `TUNSETOFFLOAD`, which takes its flags in place of a pointer.
const TUNSETOFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);
/// `TUNGETVNETHDRSZ` and `TUNSETVNETHDRSZ`: bytes of the header before packets.
const TUNGETVNETHDRSZ: Opcode = opcode::read::<c_int>(b'T', 215);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);
/// `SIOCETHTOOL` of `linux/sockios.h`, and what of `linux/ethtool.h` asks whether a device cuts TCP itself.
const SIOCETHTOOL: Opcode = 0x8946;
const ETHTOOL_GTSO: u32 = 0x1e;
/// What `TUNSETQUEUE` is to do.
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

/// Tells the kernel to leave nothing undone in packets of the device. Needs no capability beyond having the queue.
pub(super) fn decline_offloads(queue: &SyncDevice) -> io::Result<()> {
    // SAFETY: the driver takes the argument of this opcode as a number and follows no pointer.
    let request = unsafe { IntegerSetter::<TUNSETOFFLOAD>::new_usize(0) };
    // SAFETY: `request` is what the opcode demands, as argued above, and a `SyncDevice` is a descriptor of the driver
    // that has this opcode; detached from its device, the driver refuses it.
    unsafe { ioctl(queue, request) }?;
    Ok(())
}

/// Bytes of the header before packets of the device.
pub(super) fn header_len(queue: &SyncDevice) -> io::Result<c_int> {
    // SAFETY: the kernel writes one C int through the pointer that `ioctl` passes, which is what `Getter` has room for.
    let request = unsafe { Getter::<TUNGETVNETHDRSZ, c_int>::new() };
    // SAFETY: `request` is what the opcode demands, as argued above, and a `SyncDevice` is a descriptor of the driver
    // that has this opcode; detached from its device, the driver refuses it.
    Ok(unsafe { ioctl(queue, request) }?)
}

/// Says how many bytes the header before packets of the device has.
pub(super) fn set_header_len(queue: &SyncDevice, bytes: c_int) -> io::Result<()> {
    // SAFETY: the kernel reads one C int through the pointer that `ioctl` passes, as the size in the opcode says, and
    // writes nothing; `Setter` holds that int for the time of the call.
    let request = unsafe { Setter::<TUNSETVNETHDRSZ, c_int>::new(bytes) };
    // SAFETY: `request` is what the opcode demands, as argued above, and a `SyncDevice` is a descriptor of the driver
    // that has this opcode; it refuses lengths that the header does not fit in.
    unsafe { ioctl(queue, request) }?;
    Ok(())
}

/// `struct ethtool_value`.
#[repr(C)]
struct Feature {
    command: u32,
    data: u32,
}

/// `struct ifreq` with a pointer in its union.
#[repr(C)]
struct Question {
    name: [u8; 16],
    feature: *mut Feature,
    rest: [u8; 16],
}

const _: () = assert!(size_of::<*mut Feature>() != 8 || size_of::<Question>() == 40);

/// Whether the kernel leaves it to the device of that name to cut TCP.
pub(super) fn cuts_tcp(name: &str) -> io::Result<bool> {
    let mut question = Question { name: [0; 16], feature: ptr::null_mut(), rest: [0; 16] };
    for (place, byte) in question.name.iter_mut().take(15).zip(name.bytes()) {
        *place = byte;
    }
    let mut feature = Feature { command: ETHTOOL_GTSO, data: 0 };
    question.feature = &raw mut feature;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: the kernel reads a `struct ifreq` through the pointer that `ioctl` passes, which `Question` is (asserted
    // above), and through the pointer in it reads and writes the two words of a `struct ethtool_value`, which `feature`
    // is and stays for the time of the call.
    let request = unsafe { Setter::<SIOCETHTOOL, Question>::new(question) };
    // SAFETY: `request` is what the opcode demands, as argued above; the opcode means the same to every socket.
    unsafe { ioctl(&socket, request) }?;
    Ok(feature.data != 0)
}
