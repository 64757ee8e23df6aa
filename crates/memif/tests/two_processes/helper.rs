//! The helper process: one end of links, which obeys the orders of [`End`](crate::end::End).

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use memif::{
    ConnectError, Details, DisconnectReason, Event, InterfaceConfig, InterfaceKey, Link, Memory, Name, Peer,
    QueueDetails, Request, Role, Secret, Socket, SocketAddress,
};
use rustix::process::{Gid, Resource, Uid, getrlimit, setrlimit};
use serde_json::{Value, json};
use testkit::patience::STEP;
use testkit::{Address, FileKind, Parent, Received, SeqSocket, eventually};

use crate::common::{Driver, receive, send};
use crate::load::{Load, Report, RxLane, Style, TxLane, Watch};

/// The user and the group without rights.
const NOBODY: u32 = 65_534;

/// What an order leads to; an error is for the test to judge.
type Answer = Result<Value, String>;

#[derive(Default)]
struct Helper {
    driver: Option<Driver>,
    interfaces: Vec<Interface>,
    handed: VecDeque<OwnedFd>,
    request: Option<Request>,
    background: Option<(Arc<Watch>, JoinHandle<Report>)>,
}

struct Interface {
    key: InterfaceKey,
    id: u32,
    role: Role,
    link: Option<Link>,
}

/// Obeys until the test is gone.
pub(crate) fn obey(parent: &Parent) {
    if parent.arguments.iter().any(|argument| argument == "nobody") {
        become_nobody();
    }
    // Hundreds of links take more descriptors than the usual soft limit.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("raising the soft limit of descriptors");
    let mut helper = Helper::default();
    while let Some(line) = parent.hear() {
        let order: Value = serde_json::from_str(&line).expect("JSON");
        let answer = match helper.perform(&order) {
            Ok(answer) => json!({"ok": answer}),
            Err(error) => json!({"error": error}),
        };
        parent.say(format!("answer {answer}"));
    }
}

/// For this thread and those that it starts from now on, which is all that memif sees of a process.
fn become_nobody() {
    rustix::thread::set_thread_groups(&[]).expect("leaving all groups");
    rustix::thread::set_thread_gid(Gid::from_raw(NOBODY)).expect("becoming another group");
    rustix::thread::set_thread_uid(Uid::from_raw(NOBODY)).expect("becoming another user");
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

impl Helper {
    fn perform(&mut self, order: &Value) -> Answer {
        match order["do"].as_str().expect("an order") {
            "pid" => Ok(json!(std::process::id())),
            "open" => self.open(order),
            "close" => {
                self.driver = None;
                self.interfaces.clear();
                Ok(Value::Null)
            }
            "add" => self.add(order),
            "take_fd" => self.take_fd(order),
            "adopt" => {
                let fd = self.handed.pop_front().expect("a descriptor");
                self.socket().call(|socket| socket.adopt(fd)).map_err(text)?;
                Ok(Value::Null)
            }
            "request" => Ok(self.wait_request()),
            "accept" => self.accept(order),
            "refuse" => {
                let request = self.request.take().expect("a request");
                let reason = word(order, "reason");
                self.socket().call(move |socket| socket.refuse(request, &reason)).map_err(text)?;
                Ok(Value::Null)
            }
            "refused" => {
                let (breach, _) = self.driver.as_mut().expect("a socket").refused();
                Ok(json!(breach.to_string()))
            }
            "quiet" => Ok(json!(self.driver.as_mut().expect("a socket").pending().is_empty())),
            "set_address" => {
                let address: SocketAddress = word(order, "address").parse().map_err(text)?;
                self.socket().call(|socket| socket.set_address(address)).map_err(text)?;
                Ok(Value::Null)
            }
            "forget" => {
                self.driver.as_mut().expect("a socket").forget_events();
                Ok(Value::Null)
            }
            "load" => Ok(self.run_load(order)),
            "stream" => Ok(self.stream(order)),
            "streamed" => Ok(self.streamed(order)),
            "ended" => Ok(self.stream_ended(false)),
            "stop" => Ok(self.stream_ended(true)),
            _ => self.about_interface(order),
        }
    }

    /// Orders about one interface.
    fn about_interface(&mut self, order: &Value) -> Answer {
        let key = self.key(order);
        let driver = self.driver.as_mut().expect("a socket");
        match order["do"].as_str().expect("an order") {
            "connected" => return Ok(self.connected(order)),
            "disconnected" => return Ok(json!(driver.disconnected(key).to_string())),
            "reason" => return Ok(reason(&driver.disconnected(key))),
            "failed" => return Ok(json!(failure(&driver.connect_failed(key)))),
            "details" => return Ok(details(&driver.details(key))),
            "admin" => driver.set_admin_up(key, order["up"] == true),
            "disconnect" => {
                let reason = word(order, "reason");
                driver.call(move |socket| socket.disconnect(key, &reason)).map_err(text)?;
            }
            "remove" => driver.call(move |socket| socket.remove_interface(key)).map_err(text)?,
            "reconfigure" => {
                let config = config(&order["config"]);
                let id = config.id();
                driver.call(move |socket| socket.reconfigure(key, config)).map_err(text)?;
                self.interface(order).id = id;
            }
            "ping" => return Ok(self.ping(order)),
            "echo" => return Ok(self.echo(order)),
            "queues_down" => {
                let link = self.interface(order).link.take().expect("a link");
                let up = link.rx.iter().any(memif::RxQueue::is_connected)
                    || link.tx.iter().any(memif::TxQueue::is_connected);
                return Ok(json!(!up));
            }
            other => panic!("no order {other:?}"),
        }
        Ok(Value::Null)
    }

    fn socket(&self) -> &Driver {
        self.driver.as_ref().expect("a socket")
    }

    fn interface(&mut self, order: &Value) -> &mut Interface {
        let index = usize::try_from(order["key"].as_u64().expect("a key")).expect("an index");
        &mut self.interfaces[index]
    }

    fn key(&mut self, order: &Value) -> InterfaceKey {
        self.interface(order).key
    }

    fn open(&mut self, order: &Value) -> Answer {
        let address: SocketAddress = word(order, "address").parse().map_err(text)?;
        let mut builder = Socket::builder(address).retry_period(Duration::from_millis(20));
        if let Some(name) = order["app"].as_str() {
            builder = builder.app_name(Name::new(name).expect("a name"));
        }
        let number = |name: &str| order[name].as_u64().map(|n| u32::try_from(n).expect("a number"));
        if let Some(mode) = number("mode") {
            builder = builder.file_mode(mode);
        }
        if let Some(owner) = number("owner") {
            builder = builder.owner(owner);
        }
        if let Some(group) = number("group") {
            builder = builder.group(group);
        }
        if let Some(uid) = number("allow_uid") {
            builder = builder.allow_uid(uid);
        }
        if let Some(gid) = number("allow_gid") {
            builder = builder.allow_gid(gid);
        }
        if order["ask"] == true {
            builder = builder.accept_unknown(true);
        }
        if order["listener"] == true {
            builder = builder.listener(self.handed.pop_front().expect("a descriptor"));
        }
        self.driver = Some(Driver::of(builder.open().map_err(text)?));
        Ok(Value::Null)
    }

    /// Takes one descriptor from whoever listens there.
    fn take_fd(&mut self, order: &Value) -> Answer {
        let from = SeqSocket::connect(&Address::Abstract(word(order, "from").into_bytes()));
        let Received::Message { mut fds, .. } = from.receive() else { panic!("a descriptor was due") };
        self.handed.push_back(fds.remove(0));
        Ok(Value::Null)
    }

    fn add(&mut self, order: &Value) -> Answer {
        let config = config(&order["config"]);
        let (id, role) = (config.id(), config.role());
        let key = if order["connected"] == true {
            let fd = self.handed.pop_front().expect("a descriptor");
            self.socket().call(|socket| socket.add_connected(config, fd))
        } else {
            self.socket().call(|socket| socket.add_interface(config))
        };
        Ok(self.note(key.map_err(text)?, id, role))
    }

    fn note(&mut self, key: InterfaceKey, id: u32, role: Role) -> Value {
        self.interfaces.push(Interface { key, id, role, link: None });
        json!(self.interfaces.len() - 1)
    }

    #[allow(clippy::result_large_err, reason = "an event that is not taken is kept")]
    fn wait_request(&mut self) -> Value {
        let request = self.driver.as_mut().expect("a socket").event("Requested", |event| match event {
            Event::Requested(request) => Ok(request),
            other => Err(other),
        });
        let told = json!({
            "id": request.id(), "mode": request.mode().to_string(), "app": request.peer().app_name.to_string(),
            "pid": request.peer().credentials.expect("credentials").pid,
        });
        self.request = Some(request);
        told
    }

    fn accept(&mut self, order: &Value) -> Answer {
        let request = self.request.take().expect("a request");
        let (id, config) = (request.id(), config(&order["config"]));
        let key = self.socket().call(|socket| socket.accept(request, config)).map_err(text)?;
        Ok(self.note(key, id, Role::Master))
    }

    fn connected(&mut self, order: &Value) -> Value {
        let key = self.key(order);
        let link = self.driver.as_mut().expect("a socket").connected(key);
        let told = peer(&link.peer);
        self.interface(order).link = Some(link);
        told
    }

    fn run_load(&mut self, order: &Value) -> Value {
        let load = load(order);
        let mut links = Vec::new();
        for (index, interface) in self.interfaces.iter_mut().enumerate() {
            if order["keys"].as_array().expect("keys").iter().any(|key| *key == index) {
                let link = interface.link.as_mut().expect("a link");
                links.push((interface.role, interface.id, link));
            }
        }
        report(&run(&load, links, &Watch::default()))
    }

    /// Starts a load that never ends by itself.
    fn stream(&mut self, order: &Value) -> Value {
        let mut load = load(order);
        load.packets = u64::MAX;
        let interface = self.interface(order);
        let (role, id) = (interface.role, interface.id);
        let mut link = interface.link.take().expect("a link");
        let watch = Arc::new(Watch::default());
        let told = watch.clone();
        let thread = std::thread::spawn(move || run(&load, vec![(role, id, &mut link)], &watch));
        self.background = Some((told, thread));
        Value::Null
    }

    /// Waits until the stream has brought that many packets.
    fn streamed(&mut self, order: &Value) -> Value {
        let wanted = order["packets"].as_u64().expect("a number");
        let (watch, _) = self.background.as_ref().expect("a stream");
        eventually("packets of a stream", || {
            let received = watch.received.load(std::sync::atomic::Ordering::Relaxed);
            (received >= wanted).then_some(Value::Null)
        })
    }

    /// Waits until the stream ends, by itself or because it is told to.
    fn stream_ended(&mut self, stop: bool) -> Value {
        let (watch, thread) = self.background.take().expect("a stream");
        watch.stop.store(stop, std::sync::atomic::Ordering::Relaxed);
        report(&thread.join().expect("the thread of a stream"))
    }

    /// Sends one packet after the other and waits for each to come back.
    fn ping(&mut self, order: &Value) -> Value {
        let load = load(order);
        let link = self.interface(order).link.as_mut().expect("a link");
        for sequence in 0..load.packets {
            let at = usize::try_from(sequence).expect("an index") % load.sizes.len();
            let packet = testkit::traffic::packet(7, sequence, load.sizes[at]);
            send(&mut link.tx[0], &packet);
            assert_eq!(receive(&mut link.rx[0]), packet, "what came back");
        }
        counters(link)
    }

    /// Sends back what comes, shared memory to shared memory.
    fn echo(&mut self, order: &Value) -> Value {
        let load = load(order);
        let Link { rx, tx, .. } = self.interface(order).link.as_mut().expect("a link");
        let mut left = load.packets;
        while left > 0 {
            assert!(rx[0].wait(Some(STEP)).expect("waiting"), "no packet in time, {left} are to come");
            let (mut came, mut out) = (rx[0].recv(64).expect("receiving"), tx[0].reserve().expect("room"));
            for packet in &mut came {
                out.forward(packet).expect("room for one packet under way");
                left -= 1;
            }
            out.commit();
        }
        counters(self.interface(order).link.as_ref().expect("a link"))
    }
}

fn run(load: &Load, links: Vec<(Role, u32, &mut Link)>, watch: &Watch) -> Report {
    let (mut rx, mut tx) = (Vec::new(), Vec::new());
    for (role, id, link) in links {
        // A number of its own for every queue that sends.
        let stream = |from: Role, index: u8| u32::from(from == Role::Master) << 31 | id << 8 | u32::from(index);
        let other = if role == Role::Master { Role::Slave } else { Role::Master };
        for queue in &mut link.rx {
            let stream = stream(other, queue.index());
            rx.push(RxLane::new(queue, stream));
        }
        for queue in &mut link.tx {
            let stream = stream(role, queue.index());
            tx.push(TxLane::new(queue, stream));
        }
    }
    load.run(rx, tx, watch)
}

fn word(order: &Value, name: &str) -> String {
    order[name].as_str().unwrap_or_else(|| panic!("no {name} in {order}")).to_owned()
}

fn load(order: &Value) -> Load {
    let number = |name: &str, default| order[name].as_u64().unwrap_or(default);
    let sizes = order["sizes"].as_array().expect("sizes");
    Load {
        packets: number("packets", 0),
        sizes: sizes.iter().map(|n| usize::try_from(n.as_u64().expect("a size")).expect("a size")).collect(),
        batch: number("batch", 32),
        style: match usize::try_from(number("threads", 1)).expect("a number") {
            0 => Style::Wait,
            threads => Style::Look(threads),
        },
    }
}

fn config(order: &Value) -> InterfaceConfig {
    let number = |name: &str| order[name].as_u64().map(|n| u32::try_from(n).expect("a number"));
    let queues = |name: &str| number(name).map(|n| u8::try_from(n).expect("a number of queues"));
    let role = word(order, "role").parse().expect("a role");
    let mut config = InterfaceConfig::new(role, number("id").unwrap_or(0));
    let name = order["name"].as_str().map_or_else(|| format!("{role}{}", config.id()), str::to_owned);
    config = config.name(Name::new(name).expect("a name"));
    if let Some(queues) = queues("rx") {
        config = config.rx_queues(queues);
    }
    if let Some(queues) = queues("tx") {
        config = config.tx_queues(queues);
    }
    if let Some(slots) = number("ring") {
        config = config.ring_size(slots);
    }
    if let Some(bytes) = number("buffer") {
        config = config.buffer_size(bytes);
    }
    if let Some(mode) = order["mode"].as_str() {
        config = config.mode(mode.parse().expect("a mode"));
    }
    if let Some(mode) = order["rx_mode"].as_str() {
        config = config.rx_mode(mode.parse().expect("a receive mode"));
    }
    if let Some(secret) = order["secret"].as_str() {
        config = config.secret(Some(Secret::new(secret).expect("a secret")));
    }
    if order["sealed_only"] == true {
        config = config.require_sealed(true);
    }
    config = config.huge_pages(order["huge"] == true).prefault(order["prefault"] == true).numa_node(number("node"));
    if order["down"] == true {
        config = config.admin_up(false);
    }
    if let Some(memory) = order["memory"].as_str() {
        config = config.memory(self::memory(memory, order["memory_size"].as_u64().unwrap_or(8 << 20)));
    }
    config
}

fn memory(name: &str, size: u64) -> Memory {
    let file = |kind: FileKind| Memory::File { fd: Arc::new(kind.create(size)), size };
    match name {
        "one" => Memory::OneRegion,
        "apart" => Memory::RingsApart,
        "sealed" => file(FileKind::Sealed),
        "sealable" => file(FileKind::Sealable),
        "unsealable" => file(FileKind::Unsealable),
        "tmpfs" => file(FileKind::Tmpfs),
        "huge" => file(FileKind::Huge),
        other => panic!("no memory {other:?}"),
    }
}

fn peer(peer: &Peer) -> Value {
    let who = peer.credentials.expect("credentials of a local peer");
    json!({
        "app": peer.app_name.to_string(), "name": peer.interface_name.to_string(),
        "pid": who.pid, "uid": who.uid, "gid": who.gid,
    })
}

fn reason(reason: &DisconnectReason) -> Value {
    json!({"by": reason.by().to_string(), "text": reason.to_string()})
}

fn failure(error: &ConnectError) -> String {
    error.to_string()
}

fn report(report: &Report) -> Value {
    json!({"rx": report.rx, "tx": report.tx, "link_down": report.link_down})
}

fn counters(link: &Link) -> Value {
    let (rx, tx) = (link.rx[0].counters(), link.tx[0].counters());
    json!({
        "rx": [rx.packets, rx.bytes], "tx": [tx.packets, tx.bytes], "wake_ups": rx.wake_ups, "signals": tx.signals,
    })
}

/// What both ends of a queue must tell alike.
fn queue(queue: &QueueDetails) -> Value {
    json!({
        "index": queue.index, "ring": queue.ring_size, "region": queue.region, "offset": queue.offset,
        "head": queue.head, "tail": queue.tail, "flags": queue.flags,
        "packets": queue.counters.packets, "bytes": queue.counters.bytes,
    })
}

fn details(details: &Details) -> Value {
    json!({
        "id": details.id, "role": details.role.to_string(), "mode": details.mode.to_string(),
        "secret_set": details.secret_set, "name": details.interface_name.to_string(),
        "app": details.app_name.to_string(), "socket": details.socket.to_string(), "admin_up": details.admin_up,
        "link_up": details.link_up, "peer": details.peer.as_ref().map(peer),
        "rx": details.rx.iter().map(queue).collect::<Vec<_>>(),
        "tx": details.tx.iter().map(queue).collect::<Vec<_>>(),
        "buffer": details.rx.first().or(details.tx.first()).map(|queue| queue.buffer_size),
        "regions": details.regions.iter().map(|r| [u64::from(r.index), r.size]).collect::<Vec<_>>(),
    })
}

/// The descriptor goes to the helper that asks at that name.
#[track_caller]
pub(crate) fn hand_over(end: &mut crate::end::End, fd: &impl AsFd) {
    let address = Address::fresh_abstract();
    let Address::Abstract(name) = &address else { panic!("an abstract name") };
    let listener = testkit::SeqListener::bind(&address);
    end.begin(&json!({"do": "take_fd", "from": String::from_utf8_lossy(name)}));
    let socket = listener.accept();
    socket.try_send(b"a descriptor", &[fd.as_fd()]).expect("sending a descriptor");
    end.end().expect("a descriptor taken over");
}
