//! `memif bridge`: joins an interface to a TAP device of the kernel.

mod attach;
mod carrier;
mod device;
mod from_memif;
mod holders;
mod idle;
mod live;
mod offload;
mod query;
mod ready;
mod report;
mod session;
mod stop;
mod tally;
mod to_memif;

use std::ops::ControlFlow;
use std::sync::Arc;

use clap::Args;
use memif::{Event, InterfaceConfig, Link};

use crate::endpoint::metrics::{Counting, MetricsOptions, Of};
use crate::endpoint::options::EndpointOptions;
use crate::endpoint::record::{self, Named, RecordOptions, Recording};
use crate::endpoint::report::{DeviceReport, InterfaceReport};
use crate::endpoint::signals::Stop;
use crate::endpoint::socket::{Endpoint, Happening, Inbox};
use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};
use crate::output::said::Told;
use crate::output::{report, say, so_far, warn};
use crate::packet::Framing;
use crate::units::packet_bytes;
use attach::Wish;
use device::{DEFAULT_MTU, Device, parse_name};
use report::BridgeReport;
use session::Session;
use stop::Failure;
use tally::Tally;

/// Bytes of a VLAN tag, which the kernel adds beyond the MTU.
const VLAN_TAG: u32 = 4;

const EXAMPLES: &str = "\
Examples:
  memif bridge --tap tap0
      connects to VPP at /run/vpp/memif.sock as interface 0 and creates tap0
      then: ip address add 192.168.1.2/24 dev tap0; ping 192.168.1.1
  memif bridge --tap tap0 --mtu 9000 --queues 2 --role master --socket /run/lab.sock
      large packets, two queues each way
  ip netns exec blue memif bridge --tap eth0 --socket /run/lab.sock
      the device appears in the network namespace blue; the socket is a path there, or a name
      with the namespace that it is in: @lab,netns=red (pid:1 is that of the first process)
  ip tuntap add dev tap0 mode tap user alice; ip link set dev tap0 up
      as root, so that alice can bridge without being root; the device stays when the bridge ends";

/// Options of `memif bridge`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct BridgeOptions {
    /// The TAP device (with --mode ip: TUN device): joined if it exists, else created until this ends
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    tap: String,

    /// Bytes of the longest packet of the device, without the ethernet header [default: 1500; a device that exists
    /// keeps its own]
    #[arg(long, value_name = "BYTES", value_parser = parse_mtu, allow_negative_numbers = true)]
    mtu: Option<u16>,

    /// Join a device of which another program has queues, too (made with: ip tuntap add ... multi_queue): the kernel
    /// spreads what it sends over all queues whose end has a link. Otherwise such a device is refused
    #[arg(long)]
    shared: bool,

    #[command(flatten)]
    record: RecordOptions,

    #[command(flatten)]
    metrics: MetricsOptions,

    #[command(flatten)]
    end: EndpointOptions,
}

impl BridgeOptions {
    /// The interface, able to carry what a device of that MTU sends.
    fn config(&self, mtu: u16) -> Result<InterfaceConfig, Error> {
        let config = self.end.config()?;
        let header = u32::try_from(self.end.framing().header_len()).unwrap_or_default();
        let longest = (u32::from(mtu) + header + VLAN_TAG).min(memif::MAX_PACKET_SIZE);
        config.clone().max_packet(longest).validate()?;
        Ok(config)
    }
}

fn parse_mtu(text: &str) -> Result<u16, String> {
    let mtu = packet_bytes(68, 65_521)(text)?;
    u16::try_from(mtu).map_err(|error| error.to_string())
}

/// Runs the bridge until a signal ends it.
pub(crate) fn run(options: &BridgeOptions) -> Result<Outcome, Error> {
    let interface = &options.end.interface;
    let role = interface.role();
    let address = interface.address()?;
    interface.check_socket(&address, role)?;
    // Looked at before there is a device, so that wrong use leaves nothing behind.
    options.config(options.mtu.unwrap_or(DEFAULT_MTU))?;
    let comment = format!("memif bridge of {}: {role} interface {} on {address}", options.tap, options.end.id);
    let recording = Recording::beside(&options.record, interface.framing(), comment)?;
    let inbox = Inbox::new();
    // Whoever waits for the metrics may then send signals.
    let stop = Stop::listen(inbox.sender())?;
    let serving = options.metrics.serve("bridge")?;
    let metrics = serving.metrics();
    record::count(recording.as_ref(), metrics);
    let counting = metrics.counting(Of::new(&address, options.end.id, role));
    // It is there before the peer says how many queues the link has.
    let wanted = interface.queues_asked_for();
    let device = Arc::new(Device::open(&Wish {
        name: options.tap.clone(),
        framing: interface.framing(),
        mtu: options.mtu,
        queues: wanted,
        shared: options.shared,
    })?);
    let config = options.config(device.mtu())?;
    let failure = Failure::new(inbox.sender());
    // The device is in the network namespace of this thread, whatever the socket is in.
    let mut endpoint = interface.apart(|| {
        let mut socket = interface.socket(address.clone(), role)?.open()?;
        socket.add_interface(config)?;
        Endpoint::start(socket, address, inbox, Told::say, metrics)
    })?;
    announce(options, &device, wanted)?;

    let name = format!("{} (interface {})", device.name(), options.end.id);
    let short_name = format!("memif{}", options.end.id);
    let mut tally = Tally::default();
    let mut session = Session::idle(&device, &failure, &counting)?;
    let ended = endpoint.serve(&stop, |endpoint, happening| {
        let event = match happening {
            Happening::Event(event) => event,
            Happening::Asked => {
                let mut sum = tally;
                sum += session.so_far();
                let Tally { to_memif, from_memif } = sum;
                let report = BridgeReport::new(options.end.id, device.name(), &sum);
                // Not in a variable of its own: before 1.89, Rust drops what that borrows.
                so_far(format_args!("{}: to memif: {to_memif}; from memif: {from_memif}", device.name()), &report)?;
                return Ok(ControlFlow::Continue(()));
            }
        };
        let told = endpoint.teller().note(&event, |_| name.clone(), |_| options.end.id);
        if let Event::Connected { link, .. } = &event
            && let Some(shortfall) = interface.shortfall(role, link)
        {
            warn(format_args!("{name}: {shortfall}"));
        }
        let named = recording.as_ref().map(|recording| (recording, short_name.as_str(), name.as_str()));
        let switched = match event {
            Event::Connected { interface, mut link } => match prepare(&device, &mut link, &failure, named, &counting) {
                Ok(next) => {
                    tally += session.end();
                    session = next;
                    // The threads wait until the kernel has made something of it.
                    device.take_part().map(|()| session.begin())
                }
                Err(error) => {
                    endpoint.teller().say(told.as_ref())?;
                    endpoint.give_up(interface, &name, &error);
                    return Ok(ControlFlow::Continue(()));
                }
            },
            Event::Disconnected { .. } if session.is_linked() => {
                // Queues that are put aside would end its threads with an error.
                tally += session.end();
                device.withdraw().and_then(|()| Session::idle(&device, &failure, &counting)).map(|idle| session = idle)
            }
            _ => Ok(()),
        };
        if let Err(error) = switched {
            failure.tell(error);
            return Ok(ControlFlow::Break(()));
        }
        endpoint.teller().say(told.as_ref())?;
        Ok(ControlFlow::Continue(()))
    });

    // Closing the link ends the threads that wait for its packets.
    endpoint.close();
    tally += session.end();
    // Others may have the device still; what went wrong with it is told below.
    let _ = device.withdraw();
    say(format_args!("{}: to memif: {}", device.name(), tally.to_memif))?;
    say(format_args!("{}: from memif: {}", device.name(), tally.from_memif))?;
    report(&BridgeReport::new(options.end.id, device.name(), &tally))?;
    let recorded = recording.map_or(Ok(()), Recording::finish);
    if let Some(error) = failure.take() {
        return Err(error);
    }
    recorded?;
    ended?.map_or(Ok(Outcome::Success), |error| Err(error.into()))
}

/// The threads of a link, which do not pass packets yet: a shortage shows before anything else has changed.
fn prepare(
    device: &Arc<Device>,
    link: &mut Link,
    failure: &Failure,
    recorded: Option<(&Recording, &str, &str)>,
    counting: &Counting,
) -> Result<Session, Error> {
    if link.tx.iter().any(|tx| tx.max_packet() < usize::from(device.mtu())) {
        warn(format_args!("the peer takes shorter packets than the MTU of {}: lower that (--mtu)", device.name()));
    }
    let tap = recorded.map(|(recording, name, description)| {
        recording.view().tap(&Named { name, description }, (link.rx.len(), link.tx.len()))
    });
    Session::linked(device, link, failure, tap.as_ref(), counting)
}

/// Says what was set up.
fn announce(options: &BridgeOptions, device: &Device, wanted: u8) -> Result<(), Error> {
    let queues = device.queues().len();
    let (name, kind) = (device.name(), device.kind());
    say(format_args!(
        "{name}: {kind} device {}, MTU {}, {queues} {}; {} interface {} on {}",
        if device.existed() { "joined" } else { "created" },
        device.mtu(),
        if queues == 1 { "queue" } else { "queues" },
        options.end.role(),
        options.end.id,
        options.end.address()?,
    ))?;
    let made = DeviceReport {
        name: name.to_owned(),
        kind: kind.to_lowercase(),
        created: !device.existed(),
        mtu_bytes: device.mtu(),
        queues,
    };
    report(&InterfaceReport::with_device(options.end.id, options.end.role(), &options.end.address()?, made))?;
    if queues < usize::from(wanted) {
        let mode = if options.end.framing() == Framing::Ip { "tun" } else { "tap" };
        warn(format_args!(
            "{name} was made with one queue, so the kernel's packets come by one; for {wanted} remove it, or make it \
             with: ip tuntap add dev {name} mode {mode} multi_queue"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    fn options(arguments: &str) -> Result<BridgeOptions, String> {
        typed(arguments)
    }

    #[test]
    fn every_option_used_wrongly_has_an_answer() {
        for (arguments, answer) in [
            ("", "--tap <NAME>"),
            ("--tap name-of-16-bytes", "1 to 15 bytes"),
            ("--tap a/b", "a device name has no"),
            ("--tap t --mtu 67", "from 68 to 65521"),
            ("--tap t --mtu 65522", "from 68 to 65521"),
            ("--tap t --mtu -1", "from 68 to 65521"),
            ("--tap t --id -1", "from 0 to 4294967295"),
        ] {
            let error = options(arguments).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
    }

    #[test]
    fn the_ring_must_carry_what_the_device_sends() {
        let config = |arguments: &str, mtu| {
            let options = options(arguments)?;
            options.config(mtu).map_err(|error| error.to_string())
        };
        assert!(config("--tap t", 65_521).is_ok());
        assert!(config("--tap t --ring-size 8", 9000).is_ok());
        let error = config("--tap t --ring-size 4", 9000).unwrap_err();
        assert!(error.contains("raise the ring size or the buffer size"), "{error}");
        // The master takes the slave's rings as they are.
        assert!(config("--tap t --ring-size 4 --role master", 9000).is_ok());
    }
}
