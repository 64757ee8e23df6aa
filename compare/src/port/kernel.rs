//! What the kernel offers between two processes: Unix `SOCK_SEQPACKET`, UDP on loopback, and a veth pair with
//! `AF_PACKET`. All by bursts of `sendmmsg` and `recvmmsg`.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Got, Port, Result, io_error};
use crate::job::{Job, Role, Waiting};

/// Longest wait for the other end, and for packets before the caller looks whether the slice is over.
const MEETING: Duration = Duration::from_secs(10);
const PATIENCE_MS: i32 = 200;
/// Of the frames that are sent, in network order; nobody else's come.
const ETHER_TYPE: u16 = 0x88b5_u16.to_be();

/// A connected socket with room for bursts.
pub(crate) struct Kernel {
    fd: OwnedFd,
    waiting: Waiting,
    /// Room for packets but the first, which goes to the caller's.
    room: Vec<u8>,
    each: usize,
    vectors: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers inside are written anew before each call and never read afterwards.
unsafe impl Send for Kernel {}

impl Kernel {
    pub(crate) fn seqpacket(job: &Job) -> Result<Self> {
        let path = job.place.join("seqpacket.sock");
        let new = || {
            let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
            // SAFETY: takes no pointers.
            owned(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }).map_err(io_error("socket"))
        };
        let (address, length) = unix_address(&path)?;
        let address = std::ptr::from_ref(&address).cast();
        if job.role == Role::Master {
            let listener = new()?;
            // SAFETY: the address has that many bytes.
            check(unsafe { libc::bind(listener.as_raw_fd(), address, length) }, "bind")?;
            // SAFETY: takes no pointers.
            check(unsafe { libc::listen(listener.as_raw_fd(), 1) }, "listen")?;
            let (fd, none) = (listener.as_raw_fd(), std::ptr::null_mut());
            // SAFETY: asks for no address.
            let fd = owned(unsafe { libc::accept4(fd, none, none.cast(), libc::SOCK_CLOEXEC) });
            return Self::new(fd.map_err(io_error("accept"))?, job);
        }
        let fd = new()?;
        meeting("nobody listens", || {
            // SAFETY: the address has that many bytes.
            let connected = unsafe { libc::connect(fd.as_raw_fd(), address, length) };
            Ok((connected == 0).then_some(()))
        })?;
        Self::new(fd, job)
    }

    pub(crate) fn udp(job: &Job) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(io_error("bind"))?;
        let port = socket.local_addr().map_err(io_error("address"))?.port();
        let other = exchange(job, "port", port.into())?;
        let other = u16::try_from(other).map_err(|_| "no port")?;
        socket.connect(("127.0.0.1", other)).map_err(io_error("connect"))?;
        Self::new(socket.into(), job)
    }

    pub(crate) fn veth(job: &Job) -> Result<Self> {
        own_network()?;
        let other = exchange(job, "pid", std::process::id())?;
        if job.role == Role::Slave {
            let pid = other.to_string();
            ip(&["link", "add", "cmp0", "type", "veth", "peer", "name", "cmp0", "netns", &pid])?;
        }
        let index = meeting("no veth device", || {
            // SAFETY: a text with its zero byte.
            let index = unsafe { libc::if_nametoindex(c"cmp0".as_ptr()) };
            Ok((index != 0).then_some(index))
        })?;
        // The kernel's own packets stay away.
        ip(&["link", "set", "cmp0", "addrgenmode", "none"])?;
        ip(&["link", "set", "cmp0", "mtu", "9216"])?;
        ip(&["link", "set", "cmp0", "up"])?;
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: takes no pointers.
        let fd = owned(unsafe { libc::socket(libc::AF_PACKET, kind, 0) }).map_err(io_error("socket"))?;
        let yes: libc::c_int = 1;
        // SAFETY: the option is an int.
        let code = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_QDISC_BYPASS,
                std::ptr::from_ref(&yes).cast(),
                size_of_val(&yes) as u32,
            )
        };
        check(code, "PACKET_QDISC_BYPASS")?;
        // SAFETY: plain data, for which zero is a value.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ETHER_TYPE;
        address.sll_ifindex = index as i32;
        let length = size_of_val(&address) as u32;
        let address = std::ptr::from_ref(&address).cast();
        // SAFETY: the address has that many bytes.
        check(unsafe { libc::bind(fd.as_raw_fd(), address, length) }, "bind")?;
        // Both devices are up before the first packet.
        exchange(job, "up", 1)?;
        Self::new(fd, job)
    }

    fn new(fd: OwnedFd, job: &Job) -> Result<Self> {
        Self::with(fd, job.waiting, job.size, job.burst)
    }

    /// A socket that only sends, to where it is connected.
    pub(crate) fn sender(socket: UdpSocket, size: usize, burst: usize) -> Result<Self> {
        Self::with(socket.into(), Waiting::Polling, size, burst)
    }

    fn with(fd: OwnedFd, waiting: Waiting, size: usize, burst: usize) -> Result<Self> {
        let (each, burst) = (size + 64, burst.max(1));
        // As much room as the kernel gives without asking for privileges.
        let bytes: libc::c_int = 4 << 20;
        for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
            // SAFETY: the option is an int.
            let code = unsafe {
                libc::setsockopt(
                    fd.as_raw_fd(),
                    libc::SOL_SOCKET,
                    option,
                    std::ptr::from_ref(&bytes).cast(),
                    size_of_val(&bytes) as u32,
                )
            };
            check(code, "buffer size")?;
        }
        // SAFETY: plain data, for which zero is a value.
        let message: libc::mmsghdr = unsafe { mem::zeroed() };
        let vector = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Ok(Self {
            fd,
            waiting,
            room: vec![0; each * burst],
            each,
            vectors: vec![vector; burst],
            messages: vec![message; burst],
        })
    }

    /// Points message `at` to those bytes.
    fn aim(&mut self, at: usize, start: *mut u8, len: usize) {
        self.vectors[at] = libc::iovec { iov_base: start.cast(), iov_len: len };
        let header = &mut self.messages[at].msg_hdr;
        header.msg_iov = &raw mut self.vectors[at];
        header.msg_iovlen = 1;
    }

    /// Sends messages from `first` to `end`. Returns how many.
    fn transmit(&mut self, first: usize, end: usize) -> Result<usize> {
        let messages = &mut self.messages[first..end];
        let count = messages.len() as u32;
        // SAFETY: that many messages, aimed by `aim` at bytes that are there during the call.
        let sent = unsafe { libc::sendmmsg(self.fd.as_raw_fd(), messages.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
        counted(sent, "sendmmsg")
    }

    fn take(&mut self, scratch: &mut [u8], count: usize) -> Result<usize> {
        let count = count.min(self.messages.len());
        let each = self.each;
        self.aim(0, scratch.as_mut_ptr(), scratch.len().min(each));
        for at in 1..count {
            let start = self.room[at * each..].as_mut_ptr();
            self.aim(at, start, each);
        }
        // SAFETY: that many messages, aimed at room that is there during the call; no timeout.
        let got = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                self.messages.as_mut_ptr(),
                count as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        counted(got, "recvmmsg")
    }
}

fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that the kernel gave just now, to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(code: libc::c_int, what: &str) -> Result<()> {
    if code < 0 { Err(io_error(what)(io::Error::last_os_error())) } else { Ok(()) }
}

/// A number of messages; none where the kernel had no room or nothing.
fn counted(code: libc::c_int, what: &str) -> Result<usize> {
    if code >= 0 {
        return Ok(code as usize);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR | libc::ECONNREFUSED) => Ok(0),
        _ => Err(io_error(what)(error)),
    }
}

fn unix_address(path: &Path) -> Result<(libc::sockaddr_un, libc::socklen_t)> {
    use std::os::unix::ffi::OsStrExt;
    // SAFETY: plain data, for which zero is a value.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= address.sun_path.len() {
        return Err(format!("{} is too long for a socket", path.display()));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    Ok((address, size_of::<libc::sockaddr_un>() as u32))
}

/// Tries until it works.
fn meeting<T>(what: &str, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    while start.elapsed() < MEETING {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(what.to_owned())
}

/// Has this thread, which is the only one or sets up alone, in a network of its own.
pub(crate) fn own_network() -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }, "a network namespace (needs root)")
}

/// Tells the other end a number, and learns its.
pub(crate) fn exchange(job: &Job, what: &str, mine: u32) -> Result<u32> {
    let file = |role| job.place.join(format!("{what}-{role:?}"));
    let new = job.place.join(format!("{what}-{:?}.new", job.role));
    std::fs::write(&new, mine.to_string()).map_err(io_error("meeting"))?;
    std::fs::rename(&new, file(job.role)).map_err(io_error("meeting"))?;
    meeting("the other end did not come", || {
        let text = std::fs::read_to_string(file(job.role.other())).unwrap_or_default();
        Ok(text.parse().ok())
    })
}

/// Runs `ip`.
pub(crate) fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(io_error("running ip (Debian: apt install iproute2)"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

impl Port for Kernel {
    fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        let count = count.min(self.messages.len());
        for at in 0..count {
            self.aim(at, payload.as_ptr().cast_mut(), payload.len());
        }
        self.transmit(0, count)
    }

    fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got> {
        let packets = self.take(scratch, count)?;
        let bytes = self.messages[..packets].iter().map(|message| message.msg_len as usize).sum();
        Ok(Got { packets, bytes })
    }

    fn echo(&mut self, scratch: &mut [u8], count: usize) -> Result<usize> {
        let count = self.take(scratch, count)?;
        for message in 0..count {
            self.vectors[message].iov_len = self.messages[message].msg_len as usize;
        }
        let mut sent = 0;
        while sent < count {
            sent += self.transmit(sent, count)?;
        }
        Ok(count)
    }

    fn wait(&mut self) -> Result<()> {
        if self.waiting == Waiting::Polling {
            std::hint::spin_loop();
            return Ok(());
        }
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry.
        let code = unsafe { libc::poll(&mut poll, 1, PATIENCE_MS) };
        counted(code, "poll").map(drop)
    }
}
