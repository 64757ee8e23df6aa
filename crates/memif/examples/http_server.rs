//! An HTTP server without a kernel: TCP/IP by smoltcp over a memif, at 192.168.1.2. `/100MB` is 100,000,000 bytes.
//!
//! ```sh
//! cargo run --release -p memif --features smoltcp --example http_server -- /tmp/memif.sock master
//! ```
//!
//! From the kernel's own programs, as root in another terminal:
//!
//! ```sh
//! memif bridge --tap tap0 --socket /tmp/memif.sock &
//! ip address add 192.168.1.1/24 dev tap0
//! curl -o /dev/null http://192.168.1.2/100MB
//! ```

use std::error::Error;
use std::sync::mpsc;

use memif::smoltcp::{Device, DeviceConfig, LinkError};
use memif::{Event, InterfaceConfig, Link, Role, Socket};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

/// Connections at a time.
const CONNECTIONS: usize = 16;
/// Bytes of the buffers of a connection. Larger ones are slower: no cache holds them.
const BUFFER: usize = 1 << 16;
/// Bytes of a request.
const LONGEST_REQUEST: usize = 8192;
const HUNDRED_MB: u64 = 100_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(role)) = (arguments.next(), arguments.next()) else {
        return Err("usage: http_server SOCKET master|slave [MTU]".into());
    };
    let role: Role = role.parse()?;
    let mtu = arguments.next().map_or(Ok(1500), |mtu| mtu.parse())?;

    let mut socket = Socket::builder(&address).open()?;
    socket.add_interface(InterfaceConfig::new(role, 0))?;
    println!("{role} on {address}");
    // Links come and go, and a thread of their own takes care of that.
    let (sender, links) = mpsc::channel();
    let control = std::thread::spawn(move || -> Result<(), memif::SocketError> {
        loop {
            match socket.poll(None)? {
                Some(Event::Connected { link, .. }) => drop(sender.send(link)),
                Some(Event::Disconnected { reason, .. }) => println!("{reason}"),
                _ => {}
            }
        }
    });

    if let Ok(link) = links.recv() {
        let mut server = Server::new(link, mtu)?;
        println!("serving http://192.168.1.2/100MB");
        loop {
            let end = server.serve();
            println!("{end}");
            let Ok(link) = links.recv() else { break };
            // Connections go on over the next link.
            server.device.attach(link)?;
        }
    }
    Ok(control.join().map_err(|_| "the thread of the socket panicked")??)
}

struct Server {
    device: Device,
    interface: Interface,
    sockets: SocketSet<'static>,
    connections: Vec<Connection>,
}

impl Server {
    fn new(link: Link, mtu: usize) -> Result<Self, Box<dyn Error>> {
        let mut device = Device::of_link(DeviceConfig::new(Medium::Ethernet).mtu(mtu), link)?;
        let config = Config::new(EthernetAddress([2, 0, 192, 168, 1, 2]).into());
        let mut interface = Interface::new(config, &mut device, Instant::now());
        interface.update_ip_addrs(|all| {
            // There is room for two.
            let _ = all.push(IpCidr::new(IpAddress::v4(192, 168, 1, 2), 24));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let connections = (0..CONNECTIONS).map(|_| Connection::new(&mut sockets)).collect();
        Ok(Self { device, interface, sockets, connections })
    }

    /// Serves until the link is down.
    fn serve(&mut self) -> LinkError {
        loop {
            let now = Instant::now();
            if let Err(end) = self.device.poll(now, &mut self.interface, &mut self.sockets) {
                return end;
            }
            for connection in &mut self.connections {
                connection.serve(self.sockets.get_mut(connection.socket));
            }
            // Asleep until packets come; for a moment, where the ring is full.
            if let Err(end) = self.device.wait(now, &mut self.interface, &self.sockets, None) {
                return end;
            }
        }
    }
}

/// One request after the other, each on a connection of its own.
struct Connection {
    socket: SocketHandle,
    request: Vec<u8>,
    head: Vec<u8>,
    /// What is still to be sent of the head and of the content.
    answer: Option<(usize, std::ops::Range<u64>)>,
}

impl Connection {
    fn new(sockets: &mut SocketSet<'_>) -> Self {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let socket = sockets.add(tcp::Socket::new(buffer(), buffer()));
        Self { socket, request: Vec::new(), head: Vec::new(), answer: None }
    }

    fn serve(&mut self, socket: &mut tcp::Socket<'_>) {
        if !socket.is_open() {
            (self.request, self.answer) = (Vec::new(), None);
            // It can only be in use, or the port 0.
            let _ = socket.listen(80);
        }
        if self.answer.is_none() && socket.can_recv() {
            let _ = socket.recv(|bytes| (bytes.len(), self.request.extend_from_slice(bytes)));
            if self.request.windows(4).any(|end| end == b"\r\n\r\n") {
                self.answer();
            } else if self.request.len() > LONGEST_REQUEST {
                socket.abort();
            }
        } else if socket.state() == tcp::State::CloseWait && self.answer.is_none() {
            socket.close();
        }
        self.send(socket);
    }

    fn answer(&mut self) {
        let (status, bytes) = match self.request.split(|byte| *byte == b' ').nth(1) {
            Some(b"/100MB") => ("200 OK", HUNDRED_MB),
            _ => ("404 Not Found", 0),
        };
        self.head = format!("HTTP/1.1 {status}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n").into_bytes();
        self.answer = Some((0, 0..bytes));
    }

    fn send(&mut self, socket: &mut tcp::Socket<'_>) {
        let Some((head, content)) = &mut self.answer else { return };
        while socket.can_send() && *head < self.head.len() {
            *head += socket.send_slice(&self.head[*head..]).unwrap_or(0);
        }
        while socket.can_send() && *head == self.head.len() && !content.is_empty() {
            let _ = socket.send(|room| {
                let count = room.len().min(usize::try_from(content.end - content.start).unwrap_or(usize::MAX));
                write_content(content.start, &mut room[..count]);
                content.start += count as u64;
                (count, ())
            });
        }
        if *head == self.head.len() && content.is_empty() {
            socket.close();
        }
    }
}

/// The content from byte `at` on: words of 64 bits, least byte first, each its number times an odd constant, with its
/// halves exchanged.
fn write_content(at: u64, room: &mut [u8]) {
    let mut number = at / 8;
    let mut skip = (at % 8) as usize;
    let mut rest = room;
    while !rest.is_empty() {
        let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).to_le_bytes();
        let count = rest.len().min(8 - skip);
        let (now, later) = rest.split_at_mut(count);
        now.copy_from_slice(&word[skip..skip + count]);
        (rest, skip, number) = (later, 0, number + 1);
    }
}
