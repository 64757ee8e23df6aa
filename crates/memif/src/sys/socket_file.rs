//! The file of a listening socket: who holds it, who may use it, and whose it is.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Uid, chmodat, chownat, fchmod, lstat, stat, unlink};
use rustix::io::Errno;

use super::seqpacket::{connect_address, stream_probe, unbound};
use crate::SocketAddress;
use crate::error::SocketError;

/// Owner, group and mode of a socket file; `None` leaves what the kernel gives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FileAccess {
    pub(crate) owner: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) mode: Option<u32>,
}

/// Which file it is, whatever is at its path later. It says so while its socket is open: the kernel may give the
/// number to another file afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> rustix::io::Result<Self> {
        let stat = lstat(path)?;
        Ok(Self { device: stat.st_dev, inode: stat.st_ino })
    }
}

/// A socket bound to the address, not listening yet, and its file if it has one.
///
/// A file that nobody holds is replaced. Access is set before anybody can connect.
pub(crate) fn bind(address: &SocketAddress, access: FileAccess) -> Result<(OwnedFd, Option<FileId>), SocketError> {
    let io = |operation| move |error: Errno| SocketError::Io { operation, error: error.into() };
    let kernel_address = connect_address(address).map_err(io("address"))?;
    let fd = unbound().map_err(io("socket"))?;
    let SocketAddress::Path(path) = address else {
        return match rustix::net::bind(&fd, &kernel_address) {
            Ok(()) => Ok((fd, None)),
            Err(Errno::ADDRINUSE) => Err(SocketError::InUse(address.to_string())),
            Err(error) => Err(io("bind")(error)),
        };
    };
    // Linux gives the file the mode of the socket, less the umask: it is never more open than asked for.
    if let Some(mode) = access.mode {
        fchmod(&fd, Mode::from_raw_mode(mode)).map_err(io("fchmod"))?;
    }
    let mut bound = rustix::net::bind(&fd, &kernel_address);
    if bound == Err(Errno::ADDRINUSE) {
        remove_stale(address, path)?;
        bound = rustix::net::bind(&fd, &kernel_address);
    }
    bound.map_err(|error| match error {
        Errno::ADDRINUSE => SocketError::InUse(address.to_string()),
        Errno::NOENT | Errno::NOTDIR => SocketError::NoDirectory(directory(path).to_owned()),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => SocketError::Permission(address.to_string()),
        error => io("bind")(error),
    })?;
    let id = FileId::of(path).map_err(io("stat"))?;
    if let Err(error) = set_access(path, access) {
        unlink_if_same(path, id);
        return Err(match error {
            Errno::PERM if access.owner.is_some() || access.group.is_some() => {
                SocketError::Ownership(address.to_string())
            }
            Errno::PERM => SocketError::Permission(address.to_string()),
            error => io("chown or chmod of the socket file")(error),
        });
    }
    Ok((fd, Some(id)))
}

/// Whether something that is no socket stands at the address, behind symbolic links.
pub(crate) fn is_no_socket(address: &SocketAddress) -> bool {
    let SocketAddress::Path(path) = address else { return false };
    stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Socket)
}

/// Removes the file unless another one has taken its place.
pub(crate) fn unlink_if_same(path: &Path, id: FileId) {
    if FileId::of(path) == Ok(id) {
        let _ = unlink(path);
    }
}

/// Removes a socket file that nobody holds.
///
/// It asks with a stream connect: a socket of another type says so, and its listener sees nothing of it, and no master
/// is disturbed by a connection that is not carried on (V2, L11). `/proc/net/unix` is no help: it does not show
/// listeners of other network namespaces.
fn remove_stale(address: &SocketAddress, path: &Path) -> Result<(), SocketError> {
    let io = |operation| move |error: Errno| SocketError::Io { operation, error: error.into() };
    let stat = match lstat(path) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(io("stat")(error)),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    let id = FileId { device: stat.st_dev, inode: stat.st_ino };
    match stream_probe(&connect_address(address).map_err(io("address"))?) {
        Err(Errno::CONNREFUSED) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ACCESS | Errno::PERM) => {
            return Err(SocketError::Permission(address.to_string()));
        }
        // EPROTOTYPE is a memif listener, all else another one: somebody is there.
        _ => return Err(SocketError::InUse(address.to_string())),
    }
    if FileId::of(path) == Ok(id) {
        unlink(path).map_err(|error| match error {
            Errno::ACCESS | Errno::PERM => SocketError::Permission(address.to_string()),
            error => io("unlink")(error),
        })?;
    }
    Ok(())
}

fn set_access(path: &Path, access: FileAccess) -> rustix::io::Result<()> {
    if access.owner.is_some() || access.group.is_some() {
        let owner = access.owner.map(Uid::from_raw);
        let group = access.group.map(Gid::from_raw);
        chownat(CWD, path, owner, group, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some(mode) = access.mode
        && lstat(path)?.st_mode & 0o7777 != mode
    {
        chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
    }
    Ok(())
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{accept, connect, listen};

    struct Place(std::path::PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("memif-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn address(&self) -> SocketAddress {
            SocketAddress::Path(self.0.join("memif.sock"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_stale_file_is_replaced_and_a_held_one_is_not_disturbed() {
        let place = Place::new("stale");
        let address = place.address();
        let (first, _) = bind(&address, FileAccess::default()).unwrap();
        // Bound and not listening yet counts as held, too.
        let refused = bind(&address, FileAccess::default());
        assert!(matches!(refused, Err(SocketError::InUse(_))), "{refused:?}");
        listen(&first, 8).unwrap();
        let refused = bind(&address, FileAccess::default());
        assert!(matches!(refused, Err(SocketError::InUse(_))), "{refused:?}");
        assert_eq!(accept(&first).err(), Some(Errno::AGAIN), "the listener saw the question");

        drop(first);
        let (second, _) = bind(&address, FileAccess::default()).unwrap();
        drop(second);
        assert!(bind(&address, FileAccess::default()).is_ok());
    }

    #[test]
    fn only_our_own_file_is_removed() {
        let place = Place::new("own");
        let address = place.address();
        let SocketAddress::Path(path) = &address else { panic!("no path") };
        let (_first, id) = bind(&address, FileAccess::default()).unwrap();
        unlink(path.as_path()).unwrap();
        let (_second, other) = bind(&address, FileAccess::default()).unwrap();
        assert_ne!(id, other);
        unlink_if_same(path, id.unwrap());
        assert!(path.exists(), "another socket's file was removed");
        unlink_if_same(path, other.unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let place = Place::new("file");
        let SocketAddress::Path(path) = place.address() else { panic!("no path") };
        std::fs::write(&path, "precious").unwrap();
        let refused = bind(&place.address(), FileAccess::default());
        assert!(matches!(refused, Err(SocketError::NotASocket(_))), "{refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let address = SocketAddress::Path("/nonexistent/memif.sock".into());
        let refused = bind(&address, FileAccess::default());
        assert!(matches!(&refused, Err(SocketError::NoDirectory(d)) if d == Path::new("/nonexistent")));
    }

    #[test]
    fn the_mode_is_exact_before_anybody_can_connect() {
        let place = Place::new("mode");
        for mode in [0o600, 0o660, 0o777] {
            let access = FileAccess { mode: Some(mode), ..FileAccess::default() };
            let address = place.address();
            let (fd, id) = bind(&address, access).unwrap();
            let SocketAddress::Path(path) = &address else { panic!("no path") };
            assert_eq!(lstat(path.as_path()).unwrap().st_mode & 0o7777, mode);
            let kernel_address = connect_address(&address).unwrap();
            assert_eq!(connect(&kernel_address).err(), Some(Errno::CONNREFUSED));
            listen(&fd, 8).unwrap();
            connect(&kernel_address).unwrap();
            unlink_if_same(path, id.unwrap());
        }
    }
}
