//! Whether somebody holds a socket that no table shows: the kernel is asked, and who listens never learns of it.

use memif::SocketAddress;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, socketpair};

/// What the kernel says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probed {
    /// Somebody listens as memif masters do.
    Listens,
    /// Somebody has it, with a socket of memif's type, and does not listen.
    Bound,
    /// Somebody has it, with a socket of that other type.
    OtherType(&'static str),
    /// Nobody has it any more.
    Nobody,
    /// It cannot be told.
    Unknown,
}

/// Asks the kernel. No connection is made, whatever stands there: a datagram socket that connects tells its peer
/// nothing, and a socket that is connected already is refused once it is known what it was to be connected to.
pub(super) fn ask(address: &SocketAddress) -> Probed {
    try_ask(address).unwrap_or(Probed::Unknown)
}

fn try_ask(address: &SocketAddress) -> Result<Probed, Errno> {
    let to = match address {
        SocketAddress::Path(path) => SocketAddrUnix::new(path.as_path())?,
        SocketAddress::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let datagram = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    match connect(&datagram, &to) {
        Ok(()) => return Ok(Probed::OtherType("datagram")),
        Err(Errno::CONNREFUSED) => return Ok(Probed::Nobody),
        // Somebody has it, with a socket of another type than this.
        Err(Errno::PROTOTYPE) => {}
        Err(error) => return Err(error),
    }
    let (connected, _other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok(match connect(&connected, &to) {
        // The second where its queue of connections is full.
        Err(Errno::ISCONN | Errno::AGAIN) => Probed::Listens,
        Err(Errno::CONNREFUSED) => Probed::Bound,
        Err(Errno::PROTOTYPE) => Probed::OtherType("stream"),
        _ => Probed::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    #[test]
    fn every_kind_of_socket_is_told_and_none_is_disturbed() {
        let directory = std::env::temp_dir().join(format!("memif-probe-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let asked = |name: &str| ask(&SocketAddress::Path(directory.join(name)));
        let stream = UnixListener::bind(directory.join("stream")).unwrap();
        stream.set_nonblocking(true).unwrap();
        let datagram = UnixDatagram::bind(directory.join("datagram")).unwrap();
        datagram.set_nonblocking(true).unwrap();
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let master = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        rustix::net::bind(&master, &SocketAddrUnix::new(directory.join("master")).unwrap()).unwrap();
        assert_eq!(asked("master"), Probed::Bound);
        rustix::net::listen(&master, 0).unwrap();
        for _ in 0..3 {
            assert_eq!(asked("master"), Probed::Listens);
            assert_eq!(asked("stream"), Probed::OtherType("stream"));
            assert_eq!(asked("datagram"), Probed::OtherType("datagram"));
        }
        assert_eq!(rustix::net::accept(&master).unwrap_err(), Errno::AGAIN);
        assert_eq!(stream.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        assert_eq!(datagram.recv(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        // A queue that is full, of one.
        let waiting = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        connect(&waiting, &SocketAddrUnix::new(directory.join("master")).unwrap()).unwrap();
        assert_eq!(asked("master"), Probed::Listens);
        drop((master, stream, datagram));
        for name in ["master", "stream", "datagram"] {
            assert_eq!(asked(name), Probed::Nobody, "{name}");
        }
        assert_eq!(asked("no such"), Probed::Unknown);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
