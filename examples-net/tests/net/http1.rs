//! Downloads over TCP: by a stack in this process, and by the kernel through `memif bridge`.

use std::path::Path;
use std::process::Command;

use memif::smoltcp::{Device, DeviceConfig};
use memif::{InterfaceConfig, Mode, Role, Socket};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use testkit::download::Server;
use testkit::patience::STEP;
use testkit::{Directory, Program};

pub(crate) const IPSTACK: &str = env!("CARGO_BIN_EXE_ipstack_server");
pub(crate) const NETSTACK: &str = env!("CARGO_BIN_EXE_netstack_server");
pub(crate) fn download(server: &str, role: Role) {
    let directory = Directory::new();
    let address = directory.path("memif.sock");
    let mut command = Command::new(server);
    command.arg(&address).arg(role.to_string());
    let _server = Program::start(command);
    let ours = if role == Role::Master { Role::Slave } else { Role::Master };
    let mut control = Socket::builder(address.as_path()).open().expect("a socket");
    let key = control.add_interface(InterfaceConfig::new(ours, 0).mode(Mode::Ip)).expect("an interface");
    let mut link = control.wait_connected(key, STEP).expect("a link");
    // What is no packet of IP costs nobody the link.
    for rubbish in [&[0x45][..], &[0; 60], &[0x45; 60], &[0x60; 41], &[0xff; 1400]] {
        link.tx[0].send_wait(rubbish).expect("sending");
    }
    let device = Device::of_link(DeviceConfig::new(Medium::Ip), link).expect("a device");
    super::assert_100mb(&get(device, "/100MB"));
}

/// Fetches a page from 192.168.1.2, and gives what comes behind the head.
fn get(mut device: Device, path: &str) -> Vec<u8> {
    let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::now());
    interface.update_ip_addrs(|all| all.push(IpCidr::new(IpAddress::v4(192, 168, 1, 1), 24)).expect("room"));
    let buffer = || tcp::SocketBuffer::new(vec![0; 1 << 16]);
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(tcp::Socket::new(buffer(), buffer()));
    let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
    // A server that has gone is noticed.
    socket.set_keep_alive(Some(Duration::from_secs(5)));
    socket.set_timeout(Some(Duration::from_secs(60)));
    socket.connect(interface.context(), (IpAddress::v4(192, 168, 1, 2), 80), 50_000).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 192.168.1.2\r\n\r\n");
    let (mut asked, mut answer) = (false, Vec::new());
    loop {
        let now = Instant::now();
        device.poll(now, &mut interface, &mut sockets).expect("the link is up");
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        if !asked && socket.can_send() {
            asked = socket.send_slice(request.as_bytes()).expect("sent") == request.len();
        }
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), answer.extend_from_slice(bytes))).expect("bytes");
        }
        if let Some(body) = whole_body(&answer) {
            return body.to_vec();
        }
        assert!(socket.is_active(), "{} bytes came, and then the end", answer.len());
        device.wait(now, &mut interface, &sockets, None).expect("the link is up");
    }
}

/// What comes behind the head, when all has come.
fn whole_body(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (head, body) = answer.split_at(end + 4);
    let head = std::str::from_utf8(head).expect("text");
    let length = head.strip_prefix("HTTP/1.1 200 OK\r\nContent-Length: ").expect("an answer").trim_end();
    (body.len() == length.parse::<usize>().expect("a number")).then_some(body)
}

pub(crate) fn curl(server: &str) {
    for mtu in [1500, 9000] {
        Server { program: Path::new(server), mode: "ip", mtu }.must_serve();
    }
}
