//! TCP in user space: two processes with smoltcp in each, over a memif, or over TAP devices that a bridge of the kernel
//! joins.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use memif::smoltcp::{Device, DeviceConfig};
use memif::{InterfaceConfig, Socket};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::socket::tcp;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::bridge::{Namespace, PATIENCE, Program};
use crate::end::pin;
use crate::job::Report;
use crate::port::kernel::ip;
use crate::port::{Result, io_error};

/// The first word of the arguments of an end.
pub(crate) const PART: &str = "stack";
const PORT: u16 = 7777;
/// The last byte of the address of the one that sends, and of the one that takes.
const SOURCE: u8 = 1;
const SINK: u8 = 2;
/// Of a socket, each way. 1 MiB is slower: it lies in no cache.
const BUFFER: usize = 64 << 10;

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Memif,
    Tap,
}

/// Measures for so long, with an end on either core.
pub(crate) fn measure(over: Over, cpus: (usize, usize), place: &Path, length: Duration) -> Result<Report> {
    let namespace = (over == Over::Tap).then(taps).transpose()?;
    let socket = place.join("stack.sock").display().to_string();
    let start = |last: u8, cpu: usize| {
        let program = std::env::current_exe().map_err(io_error("finding this program"))?;
        let mut command = namespace.as_ref().map_or_else(|| Command::new(&program), |inside| inside.run(&program));
        let at = if over == Over::Tap { device(last) } else { socket.clone() };
        let numbers = [u128::from(last), cpu as u128, length.as_millis()].map(|number| number.to_string());
        command.args(["part", PART, if over == Over::Tap { "tap" } else { "memif" }, &at]).args(numbers);
        Program::start(command)
    };
    let sink = start(SINK, cpus.0)?;
    let source = start(SOURCE, cpus.1)?;
    let text = sink.wait_for_output()?;
    drop(source);
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(bytes)), Some(Ok(nanoseconds))) => {
            Ok(Report { packets: bytes, nanoseconds: nanoseconds as f64, ..Report::default() })
        }
        _ => Err(format!("the stream gave no figures: {text}")),
    }
}

fn device(last: u8) -> String {
    format!("stk{last}")
}

/// A namespace with two TAP devices, joined by a bridge.
fn taps() -> Result<Namespace> {
    let namespace = Namespace::new("s")?;
    let run = |line: &str| {
        let mut all = vec!["-n", &namespace.0];
        all.extend(line.split(' '));
        ip(&all)
    };
    run("link add stkbr type bridge")?;
    run("link set stkbr up")?;
    for last in [SOURCE, SINK] {
        let device = device(last);
        run(&format!("tuntap add {device} mode tap"))?;
        run(&format!("link set {device} master stkbr"))?;
        run(&format!("link set {device} up"))?;
    }
    Ok(namespace)
}

/// One end: what it is over, where that is, the last byte of its address, its core, milliseconds.
pub(crate) fn part(arguments: &[String]) -> Result<()> {
    let [_, over, at, last, cpu, length] = arguments else { return Err("arguments of a stack".to_owned()) };
    let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
    let last = u8::try_from(number(last)?).map_err(|_| "no last byte of an address")?;
    let length = Duration::from_millis(number(length)?);
    pin(usize::try_from(number(cpu)?).map_err(|_| "no core")?)?;
    match over.as_str() {
        "memif" => {
            let mut socket = Socket::builder(at.as_str()).open().map_err(|error| error.to_string())?;
            let config = if last == SINK { InterfaceConfig::master(0) } else { InterfaceConfig::slave(0) };
            let key = socket.add_interface(config).map_err(|error| error.to_string())?;
            let link = socket.wait_connected(key, PATIENCE).map_err(|error| error.to_string())?;
            let device = Device::of_link(DeviceConfig::new(Medium::Ethernet), link);
            run(Carrier::Memif(device.map_err(|error| error.to_string())?), last, length)
        }
        _ => run(Carrier::Tap(TunTapInterface::new(at, Medium::Ethernet).map_err(io_error("TAP"))?), last, length),
    }
}

#[expect(clippy::large_enum_variant, reason = "there is one, and what is measured is not to be behind a box")]
enum Carrier {
    Memif(Device),
    Tap(TunTapInterface),
}

impl Carrier {
    fn interface(&mut self, config: Config) -> Interface {
        let now = smoltcp::time::Instant::now();
        match self {
            Carrier::Memif(device) => Interface::new(config, device, now),
            Carrier::Tap(device) => Interface::new(config, device, now),
        }
    }

    fn poll(&mut self, interface: &mut Interface, sockets: &mut SocketSet<'_>) -> Result<()> {
        let now = smoltcp::time::Instant::now();
        match self {
            Carrier::Memif(device) => drop(device.poll(now, interface, sockets).map_err(|end| end.to_string())?),
            Carrier::Tap(device) => drop(interface.poll(now, device, sockets)),
        }
        Ok(())
    }

    fn wait(&mut self, interface: &mut Interface, sockets: &SocketSet<'_>) -> Result<()> {
        let now = smoltcp::time::Instant::now();
        match self {
            Carrier::Memif(device) => device.wait(now, interface, sockets, None).map_err(|end| end.to_string()),
            // As the examples of smoltcp do.
            Carrier::Tap(device) => {
                wait(device.as_raw_fd(), interface.poll_delay(now, sockets)).map_err(io_error("waiting"))
            }
        }
    }
}

fn run(mut carrier: Carrier, last: u8, length: Duration) -> Result<()> {
    let hardware = EthernetAddress([2, 0, 10, 77, 0, last]);
    let mut interface = carrier.interface(Config::new(hardware.into()));
    let address = |last| IpAddress::v4(10, 77, 0, last);
    interface.update_ip_addrs(|all| {
        let _ = all.push(IpCidr::new(address(last), 24));
    });
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(tcp::Socket::new(buffer(), buffer()));
    let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
    if last == SINK {
        socket.listen(PORT).map_err(|error| error.to_string())?;
        sink(&mut carrier, &mut interface, &mut sockets, handle, length)
    } else {
        let to = (address(SINK), PORT);
        socket.connect(interface.context(), to, 50_000).map_err(|error| error.to_string())?;
        source(&mut carrier, &mut interface, &mut sockets, handle)
    }
}

/// Takes the stream for that long, and says how many bytes came in how many nanoseconds.
fn sink(
    carrier: &mut Carrier,
    interface: &mut Interface,
    sockets: &mut SocketSet<'_>,
    handle: SocketHandle,
    length: Duration,
) -> Result<()> {
    let mut room = vec![0; BUFFER];
    let (mut first, mut bytes) = (None, 0);
    loop {
        carrier.poll(interface, sockets)?;
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        while socket.can_recv() {
            bytes += socket.recv_slice(&mut room).map_err(|error| error.to_string())?;
        }
        if bytes > 0 {
            let elapsed = first.get_or_insert_with(Instant::now).elapsed();
            if elapsed >= length {
                println!("{bytes} {}", elapsed.as_nanos());
                return Ok(());
            }
        }
        carrier.wait(interface, sockets)?;
    }
}

/// Sends until it is ended.
fn source(
    carrier: &mut Carrier,
    interface: &mut Interface,
    sockets: &mut SocketSet<'_>,
    handle: SocketHandle,
) -> Result<()> {
    let room = vec![0x5a; BUFFER];
    loop {
        carrier.poll(interface, sockets)?;
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        while socket.can_send() {
            socket.send_slice(&room).map_err(|error| error.to_string())?;
        }
        carrier.wait(interface, sockets)?;
    }
}
