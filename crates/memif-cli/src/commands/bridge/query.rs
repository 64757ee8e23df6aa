//! What the kernel says of a network device, over netlink.

use std::io;

use netlink_packet_core::{
    DefaultNla, Emitable, ErrorBuffer, NLM_F_REQUEST, NLMSG_ERROR, NetlinkBuffer, NlaBuffer, NlasIterator, parse_i32,
    parse_u32,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Message types of `linux/rtnetlink.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
/// Attributes of `linux/if_link.h`: of a device, of its kind, of a TUN or TAP device.
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_CARRIER: u16 = 33;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_TUN_PI: u16 = 4;
const IFLA_TUN_VNET_HDR: u16 = 5;
const IFLA_TUN_NUM_QUEUES: u16 = 8;
const IFLA_TUN_NUM_DISABLED_QUEUES: u16 = 9;
/// Flags of a device in `linux/if.h`.
const IFF_UP: u32 = 1 << 0;
const IFF_RUNNING: u32 = 1 << 6;
/// Bytes of `struct nlmsghdr` and `struct ifinfomsg`.
const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;
/// Longer than what the kernel says of any device but one with virtual functions.
const LONGEST_ANSWER: usize = 32 << 10;

/// The device that is asked for, in the network namespace of this thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    Name(&'a str),
    /// Stays the same when it is renamed.
    Index(u32),
}

/// A device as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) index: u32,
    /// Set up by the administrator.
    pub(super) up: bool,
    /// Up, with a carrier, and what the kernel sends through it is sent: a carrier alone is not enough, since the
    /// kernel opens its queues to a device some time after that came.
    pub(super) operational: bool,
    pub(super) carrier: bool,
    /// Of a TUN or TAP device that was made for many queues.
    pub(super) queues: Option<Queues>,
    /// Of a TUN or TAP device: whether the number of its protocol stands before each packet.
    pub(super) protocol_header: bool,
    /// Of a TUN or TAP device: whether what the kernel left undone stands before each packet.
    pub(super) offload_header: bool,
}

/// How many queues of a device are held, by whomever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queues {
    /// What the kernel sends is spread over those.
    pub(super) attached: u32,
    /// Those that were put aside by who holds them.
    pub(super) aside: u32,
}

impl Queues {
    pub(super) fn all(self) -> u32 {
        self.attached.saturating_add(self.aside)
    }
}

/// Asks for a device: `None` when there is none.
///
/// The kernel answers when it is done with all that followed from a change of the device.
pub(super) fn status(which: Which<'_>) -> io::Result<Option<Status>> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &question(which), SendFlags::empty())?;
    let mut buffer = vec![0; LONGEST_ANSWER];
    // The answer is there when the question was taken.
    let (_, len) = recv(&socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT)?;
    let answer = buffer.get(..len).ok_or(Errno::MSGSIZE)?;
    match read(answer) {
        Ok(Ok(status)) => Ok(Some(status)),
        Ok(Err(error)) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => Ok(None),
        Ok(Err(error)) => Err(error),
        Err(Unreadable) => Err(Errno::PROTO.into()),
    }
}

fn question(which: Which<'_>) -> Vec<u8> {
    let (index, name) = match which {
        Which::Name(name) => (0, Some(DefaultNla::new(IFLA_IFNAME, [name.as_bytes(), b"\0"].concat()))),
        Which::Index(index) => (index, None),
    };
    let len = MESSAGE_HEADER + LINK_HEADER + name.as_ref().map_or(0, Emitable::buffer_len);
    let mut bytes = vec![0; len];
    let mut header = NetlinkBuffer::new(&mut bytes);
    header.set_length(u32::try_from(len).unwrap_or_default());
    header.set_message_type(RTM_GETLINK);
    header.set_flags(NLM_F_REQUEST);
    // The index is what `struct ifinfomsg` has at its fifth byte.
    if let Some(field) = bytes.get_mut(MESSAGE_HEADER + 4..MESSAGE_HEADER + 8) {
        field.copy_from_slice(&index.to_ne_bytes());
    }
    if let (Some(name), Some(room)) = (name, bytes.get_mut(MESSAGE_HEADER + LINK_HEADER..)) {
        name.emit(room);
    }
    bytes
}

/// An answer that makes no sense.
#[derive(Debug)]
struct Unreadable;

/// What the answer says: the device, or an error of the kernel's.
fn read(answer: &[u8]) -> Result<io::Result<Status>, Unreadable> {
    let message = NetlinkBuffer::new_checked(answer).map_err(|_| Unreadable)?;
    let payload = message.payload();
    match message.message_type() {
        NLMSG_ERROR => {
            let error = ErrorBuffer::new_checked(payload).map_err(|_| Unreadable)?;
            let code = error.code().ok_or(Unreadable)?;
            Ok(Err(io::Error::from_raw_os_error(code.get().wrapping_neg())))
        }
        RTM_NEWLINK => {
            let (header, attributes) = payload.split_at_checked(LINK_HEADER).ok_or(Unreadable)?;
            let field = |at: usize| header.get(at..at + 4).ok_or(Unreadable);
            let index = parse_i32(field(4)?).map_err(|_| Unreadable)?;
            let flags = parse_u32(field(8)?).map_err(|_| Unreadable)?;
            let mut status = Status {
                index: u32::try_from(index).map_err(|_| Unreadable)?,
                up: flags & IFF_UP != 0,
                operational: flags & IFF_RUNNING != 0,
                carrier: attribute(attributes, IFLA_CARRIER).is_some_and(is_set),
                ..Status::default()
            };
            let kind = attribute(attributes, IFLA_LINKINFO).and_then(|info| attribute(info, IFLA_INFO_DATA));
            if let Some(tun) = kind {
                let count = |which| attribute(tun, which).and_then(|value| parse_u32(value).ok());
                status.queues = count(IFLA_TUN_NUM_QUEUES).map(|attached| Queues {
                    attached,
                    aside: count(IFLA_TUN_NUM_DISABLED_QUEUES).unwrap_or_default(),
                });
                let flag = |which| attribute(tun, which).is_some_and(is_set);
                status.protocol_header = flag(IFLA_TUN_PI);
                status.offload_header = flag(IFLA_TUN_VNET_HDR);
            }
            Ok(Ok(status))
        }
        _ => Err(Unreadable),
    }
}

/// The value of the attribute of that kind.
fn attribute(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    let found = NlasIterator::new(attributes).map_while(Result::ok).find(|found| found.kind() == kind)?;
    value(found)
}

/// Of a buffer that was checked, without a panic.
fn value(attribute: NlaBuffer<&[u8]>) -> Option<&[u8]> {
    let len = usize::from(attribute.length());
    attribute.into_inner().get(4..len)
}

fn is_set(value: &[u8]) -> bool {
    value.iter().any(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_name_and_by_index() {
        let named = status(Which::Name("lo")).unwrap().unwrap();
        assert!(named.index > 0 && named.queues.is_none() && !named.offload_header);
        assert_eq!(status(Which::Index(named.index)).unwrap().map(|status| status.index), Some(named.index));
        assert_eq!(status(Which::Name("no-such-device")).unwrap(), None);
        assert_eq!(status(Which::Index(0x7fff_fff0)).unwrap(), None);
    }

    /// An attribute, whole.
    fn whole(kind: u16, value: &[u8]) -> Vec<u8> {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let mut bytes = vec![0; attribute.buffer_len()];
        attribute.emit(&mut bytes);
        bytes
    }

    /// An answer about a device with index 7 and those flags.
    fn answer(flags: u32, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; MESSAGE_HEADER];
        bytes.extend([0; 4]);
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(attributes);
        let len = u32::try_from(bytes.len()).unwrap();
        let mut header = NetlinkBuffer::new(&mut bytes);
        header.set_length(len);
        header.set_message_type(RTM_NEWLINK);
        bytes
    }

    #[test]
    fn queues_flags_and_carrier_are_read() {
        let tun = [
            whole(IFLA_TUN_PI, &[0]),
            whole(IFLA_TUN_VNET_HDR, &[1]),
            whole(IFLA_TUN_NUM_QUEUES, &3_u32.to_ne_bytes()),
            whole(IFLA_TUN_NUM_DISABLED_QUEUES, &2_u32.to_ne_bytes()),
        ]
        .concat();
        let info = [whole(1, b"tun\0"), whole(IFLA_INFO_DATA, &tun)].concat();
        let attributes = [whole(IFLA_CARRIER, &[1]), whole(IFLA_LINKINFO, &info)].concat();
        let read_well = |flags, attributes: &[u8]| read(&answer(flags, attributes)).unwrap().unwrap();
        let all = Status {
            index: 7,
            up: true,
            operational: true,
            carrier: true,
            queues: Some(Queues { attached: 3, aside: 2 }),
            protocol_header: false,
            offload_header: true,
        };
        assert_eq!(read_well(IFF_UP | IFF_RUNNING, &attributes), all);
        assert_eq!(read_well(0, &[]), Status { index: 7, ..Status::default() });
    }

    #[test]
    fn nonsense_is_no_device() {
        let good = answer(IFF_UP, &whole(IFLA_CARRIER, &[1]));
        for len in 0..good.len() {
            assert!(read(&good[..len]).is_err(), "{len}");
        }
        for attributes in [&[1, 2, 3][..], &[255; 12], &[0; 8]] {
            assert!(!read(&answer(IFF_UP, attributes)).unwrap().unwrap().carrier);
        }
    }
}
