//! Where metrics are served: an address of this machine, or the path of a Unix socket.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};

use crate::error::{Error, about_call};

/// Connections that may wait in the kernel for those that are served.
const BACKLOG: i32 = 16;
/// Whoever may read and write the file may connect: its owner alone.
const MODE: u32 = 0o600;

const GIVE: &str = "give a port, as in 9100, an address with one, as in 127.0.0.1:9100 or [::1]:9100, or the path of a \
                    Unix socket with a slash in it, as in ./metrics.sock";

/// Where they are to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Address(SocketAddr),
    Path(PathBuf),
}

/// As it is typed. A port alone is one of the loopback: to be reached from elsewhere is to be asked for in full.
pub(super) fn parse(text: &str) -> Result<Place, String> {
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        let port = port.parse().map_err(|_| "give a port from 0 to 65535, as in 9100".to_owned())?;
        return Ok(Place::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    if let Ok(address) = text.parse() {
        return Ok(Place::Address(address));
    }
    if text.starts_with('@') || text.starts_with("abstract:") {
        return Err("an abstract name has no permissions: give the path of a Unix socket, as in ./metrics.sock".into());
    }
    if !text.contains('/') {
        return Err(GIVE.to_owned());
    }
    if text.len() > LONGEST_PATH || SocketAddrUnix::new(text).is_err() {
        return Err(
            "this path is too long for a socket, whose paths have 107 bytes at most: give a shorter one, or go \
                    to its directory and give a relative one, as in ./metrics.sock"
                .to_owned(),
        );
    }
    Ok(Place::Path(text.into()))
}

/// Bytes of a socket's path that every program can name: the kernel takes one more, without a zero behind it.
const LONGEST_PATH: usize = 107;

/// What listens. A file of its own goes away with it.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, File),
}

/// The file of a socket, whatever is at its path later.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    id: (u64, u64),
}

/// A connection to either.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Listens there. A file that nobody listens at any more is replaced.
    pub(super) fn open(place: &Place) -> Result<Self, Error> {
        match place {
            Place::Address(address) => {
                let open = || {
                    let listener = TcpListener::bind(address)?;
                    listener.set_nonblocking(true)?;
                    Ok(listener)
                };
                open().map(Self::Tcp).map_err(|error| cannot(&address.to_string(), error, about_address))
            }
            Place::Path(path) => {
                let failed = |error| cannot(&path.display().to_string(), error, about_path);
                if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
                    return Err(Error::Usage(format!(
                        "--metrics {}: this file is no socket, and is left alone: give another path",
                        path.display()
                    )));
                }
                let (listener, file) = open_path(path).map_err(failed)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// Where it is, for people and programs.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => format!("http://{address}/metrics"),
                Err(_) => "http://localhost/metrics".to_owned(),
            },
            Self::Unix(_, file) => format!("unix:{}", file.path.display()),
        }
    }

    /// Whether other machines may reach it.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Tcp(listener) => listener.local_addr().is_ok_and(|address| !address.ip().is_loopback()),
            Self::Unix(..) => false,
        }
    }

    /// The next connection, which never waits. `WouldBlock` where there is none.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Unix(stream))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Stream {
    /// Says that nothing follows.
    pub(super) fn end_of_answer(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(to),
            Self::Unix(stream) => stream.read(to),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(from),
            Self::Unix(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl File {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), id: (found.dev(), found.ino()) })
    }

    /// Removes it unless another one has taken its place.
    fn remove(&self) -> io::Result<()> {
        match Self::of(&self.path) {
            Ok(now) if now.id == self.id => fs::remove_file(&self.path),
            _ => Ok(()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // While the socket is open: its number may be another file's afterwards. What stays is replaced next time.
        if let Self::Unix(_, file) = self {
            let _ = file.remove();
        }
    }
}

fn open_path(path: &Path) -> io::Result<(UnixListener, File)> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let unbound = || socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let socket = unbound()?;
    // Linux gives the file the mode of the socket, less the umask: at no time is it open to others.
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    let mut bound = bind(&socket, &address);
    if bound == Err(Errno::ADDRINUSE) {
        let stale = File::of(path)?;
        // A listener sees a connection that ends at once, and one of another type nothing at all.
        if connect(&unbound()?, &address) == Err(Errno::CONNREFUSED) {
            stale.remove()?;
            bound = bind(&socket, &address);
        }
    }
    bound?;
    let file = File::of(path)?;
    listen(&socket, BACKLOG).inspect_err(|_| drop(file.remove()))?;
    Ok((UnixListener::from(socket), file))
}

fn cannot(place: &str, source: io::Error, advice: fn(&io::Error) -> Option<&'static str>) -> Error {
    let advice = advice(&source).or_else(|| about_call(source.raw_os_error()));
    Error::System {
        what: format!("cannot serve metrics at {place}"),
        advice: advice.unwrap_or("give --metrics another address"),
        source,
    }
}

fn about_address(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::AddrInUse => Some(
            "another program listens there (ss -ltnp tells which): give --metrics another port, or 0 for a free one",
        ),
        io::ErrorKind::AddrNotAvailable => Some(
            "this machine has no such address (ip address lists them): give --metrics one of its own, as in 127.0.0.1:9100",
        ),
        io::ErrorKind::PermissionDenied => {
            Some("ports below 1024 are for root: give --metrics one from 1024 on, as in 9100")
        }
        _ => None,
    }
}

fn about_path(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::AddrInUse => Some("another program listens there: stop it, or give --metrics another path"),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Some("make the directory, or give --metrics a path in one that is there")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("give --metrics a path in a directory where this user may write")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_the_loopback() {
        for (text, address) in [
            ("9100", "127.0.0.1:9100"),
            (":9100", "127.0.0.1:9100"),
            ("localhost:9100", "127.0.0.1:9100"),
            ("0", "127.0.0.1:0"),
            ("127.0.0.2:9100", "127.0.0.2:9100"),
            ("[::1]:9100", "[::1]:9100"),
            ("0.0.0.0:9100", "0.0.0.0:9100"),
            ("[::]:9100", "[::]:9100"),
        ] {
            assert_eq!(parse(text), Ok(Place::Address(address.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn a_path_has_a_slash() {
        for text in ["/run/memif.metrics", "./m", "a/b"] {
            assert_eq!(parse(text), Ok(Place::Path(text.into())), "{text}");
        }
    }

    #[test]
    fn every_slip_has_an_answer() {
        let long = format!("/{}", "x".repeat(107));
        for (text, answer) in [
            ("", "as in 9100"),
            (":", "as in 9100"),
            ("65536", "from 0 to 65535"),
            ("host:9100", "127.0.0.1:9100"),
            ("::1", "[::1]:9100"),
            ("127.0.0.1", "127.0.0.1:9100"),
            ("metrics.sock", "./metrics.sock"),
            ("@metrics", "no permissions"),
            (&long, "107 bytes"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(answer), "{text}: {error}");
        }
    }
}
