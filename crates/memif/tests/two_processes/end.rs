//! The test's hold on a helper process that is one end of links: orders and answers, as JSON in lines.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Address, Child};

/// Longest time that an order may take. A bound, never a measurement.
const ORDER: Duration = Duration::from_secs(240);

/// A helper process.
pub(crate) struct End {
    child: Child,
    pid: u32,
    sockets_of: Option<u32>,
}

impl End {
    /// Starts one with a socket at that address.
    #[track_caller]
    pub(crate) fn at(address: &Address) -> Self {
        Self::with(address, json!({}))
    }

    /// Starts one with a socket and settings of it.
    #[track_caller]
    pub(crate) fn with(address: &Address, settings: Value) -> Self {
        let mut end = Self::start();
        end.open(address, settings);
        end
    }

    /// Starts one without a socket.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::of(Child::start("end", &[]))
    }

    /// Starts one that has become the user nobody.
    #[track_caller]
    pub(crate) fn start_nobody() -> Self {
        Self::of(Child::start("end", &["nobody"]))
    }

    /// Starts one in a network namespace of its own.
    #[track_caller]
    pub(crate) fn start_in_namespace() -> Self {
        Self::of(Child::start_under(&["unshare", "-n"], "end", &[]))
    }

    /// Starts one in the network namespace of another.
    #[track_caller]
    pub(crate) fn start_beside(other: &Self) -> Self {
        let target = other.pid.to_string();
        Self::of(Child::start_under(&["nsenter", "--target", &target, "--net"], "end", &[]))
    }

    #[track_caller]
    fn of(child: Child) -> Self {
        let mut end = Self { child, pid: 0, sockets_of: None };
        let pid = number(&end.call(json!({"do": "pid"})));
        end.pid = u32::try_from(pid).expect("a process number");
        end
    }

    /// Opens a socket.
    #[track_caller]
    pub(crate) fn open(&mut self, address: &Address, settings: Value) {
        self.call(open_order(&spell(address), settings));
    }

    /// Opens a socket at an address as a user writes it.
    ///
    /// # Errors
    /// The text of the error.
    #[track_caller]
    pub(crate) fn try_open(&mut self, address: &str) -> Result<(), String> {
        self.ask(open_order(address, json!({}))).map(drop)
    }

    /// Gives an order without waiting for its end.
    #[track_caller]
    pub(crate) fn begin(&mut self, order: &Value) {
        self.child.say(&order.to_string());
    }

    /// Waits for the end of the order.
    ///
    /// # Errors
    /// The text of the error.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Result<Value, String> {
        let answer = self.child.expect_within("answer ", ORDER);
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// An order and its answer.
    ///
    /// # Errors
    /// The text of the error.
    #[track_caller]
    pub(crate) fn ask(&mut self, order: Value) -> Result<Value, String> {
        self.begin(&order);
        self.end()
    }

    /// An order that must succeed.
    #[track_caller]
    pub(crate) fn call(&mut self, order: Value) -> Value {
        let text = order.to_string();
        self.ask(order).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// An order that must fail.
    #[track_caller]
    pub(crate) fn fails(&mut self, order: Value) -> String {
        let text = order.to_string();
        match self.ask(order) {
            Err(error) => error,
            Ok(answer) => panic!("{text} did not fail: {answer}"),
        }
    }

    /// Adds an interface: its number.
    #[track_caller]
    pub(crate) fn add(&mut self, config: Value) -> u64 {
        number(&self.call(json!({"do": "add", "config": config})))
    }

    /// Waits until it is connected: who is at the other end.
    #[track_caller]
    pub(crate) fn connected(&mut self, key: u64) -> Value {
        self.call(json!({"do": "connected", "key": key}))
    }

    /// Waits until it is disconnected: the reason.
    #[track_caller]
    pub(crate) fn disconnected(&mut self, key: u64) -> String {
        text(&self.call(json!({"do": "disconnected", "key": key})))
    }

    /// Waits for a failed attempt: why.
    #[track_caller]
    pub(crate) fn connect_failed(&mut self, key: u64) -> String {
        text(&self.call(json!({"do": "failed", "key": key})))
    }

    /// Waits for a failed attempt with that text.
    #[track_caller]
    pub(crate) fn fails_with(&mut self, key: u64, what: &str) {
        let mut others = Vec::new();
        for _ in 0..1000 {
            let error = self.connect_failed(key);
            if error.contains(what) {
                return;
            }
            others.push(error);
        }
        panic!("no failure {what:?} among {others:?}");
    }

    /// Waits until a peer was refused: why.
    #[track_caller]
    pub(crate) fn refused(&mut self) -> String {
        text(&self.call(json!({"do": "refused"})))
    }

    /// Settings and state of an interface.
    #[track_caller]
    pub(crate) fn details(&mut self, key: u64) -> Value {
        self.call(json!({"do": "details", "key": key}))
    }

    /// Admin up or down.
    #[track_caller]
    pub(crate) fn admin(&mut self, key: u64, up: bool) {
        self.call(json!({"do": "admin", "key": key, "up": up}));
    }

    /// The process that the kernel names to its peers.
    pub(crate) fn pid(&self) -> u32 {
        self.sockets_of.unwrap_or(self.pid)
    }

    /// Its end of connections was opened by the test, and the kernel goes on naming that.
    pub(crate) fn uses_sockets_of_the_test(&mut self) {
        self.sockets_of = Some(std::process::id());
    }

    /// From now on it opens its sockets itself.
    pub(crate) fn connects_by_itself(&mut self) {
        self.sockets_of = None;
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill();
    }

    /// Lets it go; it must end well.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        self.child.finish();
    }
}

fn open_order(address: &str, mut settings: Value) -> Value {
    settings["do"] = json!("open");
    settings["address"] = json!(address);
    settings
}

/// The address as a user writes it.
pub(crate) fn spell(address: &Address) -> String {
    match address {
        Address::Path(path) => path.to_str().expect("a path in UTF-8").to_owned(),
        Address::Abstract(name) => format!("@{}", String::from_utf8_lossy(name)),
    }
}

/// The number in an answer.
#[track_caller]
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The text in an answer.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// One end of one link.
pub(crate) struct At<'e>(pub(crate) &'e mut End, pub(crate) u64);

/// Two connected ends of one interface, in two processes.
pub(crate) struct Pair {
    pub(crate) master: End,
    pub(crate) slave: End,
    pub(crate) at_master: u64,
    pub(crate) at_slave: u64,
}

impl Pair {
    /// A connected pair at a path, with these settings on top of the defaults.
    #[track_caller]
    pub(crate) fn new(master: Value, slave: Value) -> Self {
        Self::at(&Address::fresh(), master, slave)
    }

    /// A connected pair.
    #[track_caller]
    pub(crate) fn at(address: &Address, mut master: Value, mut slave: Value) -> Self {
        master["role"] = json!("master");
        slave["role"] = json!("slave");
        let (mut one, mut other) = (End::at(address), End::at(address));
        let at_master = one.add(master);
        let at_slave = other.add(slave);
        let mut pair = Self { master: one, slave: other, at_master, at_slave };
        pair.connected();
        pair
    }

    /// Both ends are connected (again).
    #[track_caller]
    pub(crate) fn connected(&mut self) {
        self.master.connected(self.at_master);
        self.slave.connected(self.at_slave);
    }

    /// A load both ways at once. Content, counters and details of both ends are compared.
    #[track_caller]
    pub(crate) fn exchange(&mut self, load: &Value) {
        exchange(At(&mut self.master, self.at_master), At(&mut self.slave, self.at_slave), load);
    }

    /// Both processes end well.
    #[track_caller]
    pub(crate) fn finish(self) {
        self.slave.finish();
        self.master.finish();
    }
}

/// A load: packets per queue of these lengths, looked for by one thread.
pub(crate) fn load(packets: u64, sizes: &[usize]) -> Value {
    json!({"packets": packets, "sizes": sizes, "batch": 32, "threads": 1})
}

/// A small load with all kinds of packets, chained ones too.
pub(crate) fn some() -> Value {
    load(600, &[16, 60, 64, 1500, 2048, 2049, 9000])
}

/// A load both ways at once on a link of two ends. What one sent, the other received: packets and bytes of every queue,
/// counted by the test, by the queues, and in the details.
#[track_caller]
pub(crate) fn exchange(At(one, key): At<'_>, At(other, key_there): At<'_>, load: &Value) {
    let order = |keys: u64| {
        let mut order = load.clone();
        order["do"] = json!("load");
        order["keys"] = json!([keys]);
        order
    };
    one.begin(&order(key));
    other.begin(&order(key_there));
    let (here, there) = (one.end().expect("a load"), other.end().expect("a load"));
    compare_reports(&here, &there, number(&load["packets"]));
    agree(&one.details(key), &other.details(key_there), one.pid(), other.pid());
}

/// Two reports of a load tell the same, and tell of all packets.
#[track_caller]
pub(crate) fn compare_reports(here: &Value, there: &Value, packets: u64) {
    assert_eq!(here["rx"], there["tx"], "received here, sent there");
    assert_eq!(here["tx"], there["rx"], "sent here, received there");
    for count in here["rx"].as_array().into_iter().chain(here["tx"].as_array()).flatten() {
        assert_eq!(count[0], packets, "packets of a queue: {here}");
    }
    assert_eq!((&here["link_down"], &there["link_down"]), (&json!(false), &json!(false)));
}

/// The details of both ends of an idle link agree in everything that both know.
#[track_caller]
pub(crate) fn agree(here: &Value, there: &Value, pid_here: u32, pid_there: u32) {
    assert_eq!(
        (&here["link_up"], &there["link_up"], &here["id"], &here["mode"]),
        (&json!(true), &json!(true), &there["id"], &there["mode"])
    );
    assert_ne!(here["role"], there["role"]);
    assert_eq!(here["regions"], there["regions"], "regions");
    assert_eq!(here["rx"], there["tx"], "rx here, tx there");
    assert_eq!(here["tx"], there["rx"], "tx here, rx there");
    for (one, other, pid) in [(here, there, pid_there), (there, here, pid_here)] {
        let peer = &one["peer"];
        assert_eq!((&peer["app"], &peer["name"]), (&other["app"], &other["name"]), "names");
        assert_eq!(peer["pid"], pid, "process of the peer");
    }
}
