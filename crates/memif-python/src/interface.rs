//! The class `Interface`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memif::{InterfaceKey, Mode, Role, RxMode};
use memif_capture::LinkType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::channel::Channel;
use crate::control::Control;
use crate::errors::Failure;
use crate::exit::Call;
use crate::fork::Process;
use crate::objects;
use crate::options;
use crate::outgoing::Outgoing;
use crate::packets::{Layout, Packets};
use crate::received::{Lengths, Received, Room, bytes, of_packet};
use crate::recording::Recording;
use crate::socket::Socket;
use crate::waits::{Deadline, Timeout, patiently};

/// How long the end of an interface waits for the peer to take what was sent, in seconds, if nothing else is said.
const FLUSH: f64 = 0.1;
/// The most packets that a call moves while it stays attached to the interpreter: to let go of it and to come back
/// takes as long as it takes to copy several.
const FEW: usize = 64;

/// One interface of a socket. A slave connects by itself, a master takes the slave that comes; each again and again.
///
/// socket: a Socket, or the address of one that is opened for this interface alone; None for the usual address. id: the
/// number that pairs it with one of the peer. Further options have the names of the command line: role, secret,
/// secret_file, mode, queues, rx_queues, tx_queues, max_queues, ring_size, cacheline, buffer_size, no_chains,
/// huge_pages, numa_node, prefault, rx_mode, name, require_sealed; those of Socket, too, where an address is given.
///
/// Any thread may use it: one at a time receives, and one at a time sends. Every wait lets other threads run and ends
/// with KeyboardInterrupt at Ctrl-C.
#[pyclass(frozen, weakref, module = "memif")]
#[derive(Debug)]
pub(crate) struct Interface {
    process: Process,
    control: Arc<Control>,
    channel: Arc<Channel>,
    key: InterfaceKey,
    #[pyo3(get)]
    id: u32,
    role: Role,
    mode: Mode,
    rx_mode: RxMode,
    #[pyo3(get)]
    socket: Py<Socket>,
    /// Whether the socket is this interface's own.
    owns_socket: bool,
    is_closed: AtomicBool,
}

impl Interface {
    fn check(&self) -> Result<(), Failure> {
        self.process.check()?;
        if self.is_closed.load(Ordering::Relaxed) { Err(Failure::Closed) } else { Ok(()) }
    }

    /// Receives up to so many packets, which are to be given back to the channel. None of them when the time is over.
    fn receive(&self, py: Python<'_>, most: usize, timeout: Option<f64>, layout: Layout) -> PyResult<Packets> {
        let timeout = Timeout::new(timeout)?;
        self.check().map_err(|failure| failure.into_error(py, 0))?;
        let mut packets = self.channel.take_memory();
        packets.clear(layout);
        if most <= FEW && self.channel.receive_now(most, |packet| packets.push(packet)) > 0 {
            return Ok(packets);
        }
        self.receive_patiently(py, packets, most, timeout)
    }

    /// The same where there may be a wait.
    fn receive_patiently(
        &self,
        py: Python<'_>,
        mut packets: Packets,
        most: usize,
        timeout: Timeout,
    ) -> PyResult<Packets> {
        let _call = Call::begin(py);
        let until = Deadline::after(timeout);
        match patiently(py, until, |time| self.channel.receive(&mut packets, most, time))? {
            None | Some(Ok(())) => Ok(packets),
            Some(Err(failure)) => Err(failure.into_error(py, 0)),
        }
    }

    /// Waits with what `step` does, and says whether it came to its end.
    fn wait_for(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        step: impl FnMut(Duration) -> Result<Option<()>, Failure> + Send,
    ) -> PyResult<bool> {
        let _call = Call::begin(py);
        let until = Deadline::after(Timeout::new(timeout)?);
        let waited = match self.check() {
            Ok(()) => patiently(py, until, step)?,
            Err(failure) => Some(Err(failure)),
        };
        waited.transpose().map(|done| done.is_some()).map_err(|failure| failure.into_error(py, 0))
    }
}

#[pymethods]
impl Interface {
    #[new]
    #[pyo3(signature = (socket = None, id = 0, **options))]
    fn new(
        py: Python<'_>,
        socket: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = options::whole)] id: i64,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let call = Call::begin(py);
        let fail = |failure: Failure| failure.into_error(py, 0);
        let id = u32::try_from(id)
            .map_err(|_| fail(Failure::Option(format!("id: give a number from 0 to {}", u32::MAX))))?;
        let given = socket.and_then(|socket| socket.cast::<Socket>().ok());
        let (read, socket, owns_socket) = if let Some(socket) = given {
            for name in options.into_iter().flat_map(|options| options.keys()) {
                let name: String = name.extract()?;
                if options::is_of_socket(&name) {
                    return Err(fail(Failure::Option(format!("{name} is an option of the socket: give it to Socket"))));
                }
            }
            (options::read(None, options)?.map_err(fail)?, socket.clone().unbind(), false)
        } else {
            let address = socket.map(options::address).transpose()?.transpose().map_err(fail)?;
            let read = options::read(address.as_deref(), options)?.map_err(fail)?;
            // What does not fit is told before anything is opened.
            let address = read.address().map_err(|text| fail(Failure::Option(text)))?;
            read.interface(id, &address).map_err(|text| fail(option(&text)))?;
            (read.clone(), Py::new(py, Socket::open(py, read)?)?, true)
        };
        let control = Arc::clone(&socket.get().control);
        control.process.check().map_err(fail)?;
        let config = read.interface(id, &control.address).map_err(|text| fail(option(&text)))?;
        let settings = config.settings();
        let (key, channel) = call.detached(py, || control.add(config)).map_err(fail)?;
        Ok(Self {
            process: control.process,
            control,
            channel,
            key,
            id,
            role: settings.role,
            mode: settings.mode,
            rx_mode: settings.rx_mode,
            socket,
            owns_socket,
            is_closed: AtomicBool::new(false),
        })
    }

    /// 'slave' or 'master'.
    #[getter]
    fn role(&self) -> String {
        self.role.to_string()
    }

    /// What packets start with: 'ethernet' or 'ip'.
    #[getter]
    fn mode(&self) -> String {
        self.mode.to_string()
    }

    /// Whether a link is up.
    #[getter]
    fn connected(&self) -> bool {
        self.process.is_current() && self.channel.is_up()
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed) || (self.process.is_current() && self.channel.is_closed())
    }

    /// The other end, while a link is up.
    #[getter]
    fn peer<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.check().or_else(closed_is_none).map_err(|failure| failure.into_error(py, 0))?;
        self.channel.peer().map(|peer| objects::peer(py, &peer)).transpose()
    }

    /// Waits until a link is up and gives the peer. Packets are of that link from then on. TimeoutError, with the last
    /// reason and advice, when there is none after `timeout` seconds (None: without limit).
    #[pyo3(signature = (timeout = 10.0))]
    fn wait_connected<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let is_up = self.wait_for(py, timeout, |time| self.channel.wait(time))?;
        match self.channel.peer() {
            Some(peer) => objects::peer(py, &peer),
            // It went down in the moment between.
            None if is_up => Err(Failure::NotConnected(self.channel.failure()).into_error(py, 0)),
            None => Err(Failure::TimedOut(self.channel.failure()).into_error(py, 0)),
        }
    }

    /// Receives up to `max` packets: waits for the first for up to `timeout` seconds (None: without limit, 0: not at
    /// all), and takes what else is there. An empty list when the time is over.
    ///
    /// When the link went down, what the peer had sent before comes first, then DisconnectedError, or BreachError with
    /// the breach; calls after it are of the next link.
    #[pyo3(signature = (max = 64, timeout = None))]
    fn recv<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = options::whole)] max: i64,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let Some(max) = usize::try_from(max).ok().filter(|max| *max > 0) else {
            return Err(PyValueError::new_err("max is at least 1"));
        };
        let packets = self.receive(py, max, timeout, Layout::Packed)?;
        let list = PyList::new(py, packets.iter().map(Received))?;
        self.channel.give_memory(packets);
        Ok(list)
    }

    /// Receives one packet, waiting for up to `timeout` seconds (None: without limit, 0: not at all). None when the
    /// time is over. Packet by packet this takes less time than `recv`, and lists of many still less for each.
    ///
    /// Errors as those of `recv`. A loop over the interface gives packets in this way, without limit.
    #[pyo3(signature = (timeout = None))]
    fn recv_one<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let timeout = Timeout::new(timeout)?;
        self.check().map_err(|failure| failure.into_error(py, 0))?;
        let mut found = None;
        self.channel.receive_now(1, |packet| found = Some(of_packet(py, packet)));
        if found.is_some() {
            return found.transpose();
        }
        let mut packets = self.channel.take_memory();
        packets.clear(Layout::Packed);
        let packets = self.receive_patiently(py, packets, 1, timeout)?;
        let found = packets.iter().next().map(|packet| bytes(py, packet)).transpose();
        self.channel.give_memory(packets);
        found
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// The next packet. Ends with an error, as recv() does, when the link goes down.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        loop {
            // None is a packet that was dropped: there is no limit.
            if let Some(packet) = self.recv_one(py, None)? {
                return Ok(packet);
            }
        }
    }

    /// Receives into a writable buffer, and copies once more for it: memory that the peer can still write to is never
    /// handed out.
    ///
    /// Of one dimension: one packet, whose bytes are the result; what it is longer than the buffer is cut off, and 0 is
    /// none in time. Of two dimensions, as a numpy array: a packet for each row, cut or filled up with zeros, and the
    /// result is their number; `lengths` then is a buffer for as many numbers of 32 bits, the bytes of each packet.
    /// A row has at most 65536 bytes, and one call fills at most 16 MiB.
    #[pyo3(signature = (buffer, timeout = None, *, lengths = None))]
    fn recv_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        lengths: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let _call = Call::begin(py);
        let room = Room::of(buffer)?;
        let lengths = lengths.map(|lengths| Lengths::of(lengths, room.rows)).transpose()?;
        // However long the room for one packet is, that is received as it is.
        let layout = if room.is_one { Layout::Packed } else { Layout::Rows(room.row) };
        let packets = self.receive(py, room.rows, timeout, layout)?;
        let kept = if room.is_one { packets.all().len().min(room.row) } else { packets.all().len() };
        let (all, count) = (packets.all().get(..kept).unwrap_or_default(), packets.len());
        if count > 0 {
            room.write(all)?;
        }
        if let Some(lengths) = lengths {
            lengths.write(packets.lengths())?;
        }
        let result = if room.is_one { packets.lengths().first().map_or(0, |length| *length as usize) } else { count };
        self.channel.give_memory(packets);
        Ok(result)
    }

    /// Sends packets: an iterable of bytes-like objects, one such object, or an array of two dimensions with a packet
    /// in each row. Waits for room for up to `timeout` seconds (None: without limit, 0: not at all) and gives the
    /// number of packets sent, all of them or those that there was room for in time. Packets go whole or not at all.
    ///
    /// PacketError for one that cannot be sent on this link, DisconnectedError when it is down; `sent` of the error is
    /// the number of those before.
    #[pyo3(signature = (packets, timeout = None, *, queue = 0))]
    fn send(
        &self,
        py: Python<'_>,
        packets: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        #[pyo3(from_py_with = options::whole)] queue: i64,
    ) -> PyResult<usize> {
        let timeout = Timeout::new(timeout)?;
        self.check().map_err(|failure| failure.into_error(py, 0))?;
        // A negative number is no queue either.
        let queue = usize::try_from(queue).map_err(|_| {
            Failure::Queue(format!("no transmit queue {queue}: they count from 0 on")).into_error(py, 0)
        })?;
        let mut sent = 0;
        if let Ok(packet) = packets.cast::<PyBytes>()
            && self.channel.send_now(|at| (at == 0).then(|| packet.as_bytes()), &mut sent, queue)
        {
            return Ok(sent);
        }
        // Packets may be made by a program of Python's.
        let _call = Call::begin(py);
        let packets = Outgoing::new(packets)?;
        if packets.len() <= FEW && self.channel.send_now(|at| packets.packet(at), &mut sent, queue) {
            return Ok(sent);
        }
        let until = Deadline::after(timeout);
        let step = |time| self.channel.send(|at| packets.packet(at), &mut sent, queue, time);
        match patiently(py, until, step)? {
            None | Some(Ok(())) => Ok(sent),
            Some(Err(failure)) => Err(failure.into_error(py, sent)),
        }
    }

    /// Waits until the peer has taken all packets that were sent, at most for `timeout` seconds. Whether it has.
    #[pyo3(signature = (timeout = None))]
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.wait_for(py, timeout, |time| self.channel.flush(time))
    }

    /// A descriptor for `select` and event loops, readable while there is a packet to receive, or a link that came up
    /// or went down and was not heard of. It stays the same until the interface is closed. Receive with a timeout of 0
    /// when it is readable: a signal of the peer that comes late can make it so for nothing, once.
    ///
    /// From the first call on the peer signals every burst. OptionError with rx_mode='polling', where it never does.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.check().map_err(|failure| failure.into_error(py, 0))?;
        if self.rx_mode == RxMode::Polling {
            let text = "rx_mode='polling' is never signalled, so no descriptor tells of packets: give 'adaptive'";
            return Err(Failure::Option(text.to_owned()).into_error(py, 0));
        }
        let (readiness, is_new) = self.channel.readiness().map_err(|error| {
            Failure::System(format!("no descriptor: {error}; raise the limit of open files (ulimit -n)"))
                .into_error(py, 0)
        })?;
        if is_new {
            let known = Arc::clone(&readiness);
            self.wait_for(py, None, |time| {
                let Some(mut receiver) = self.channel.receiver.try_lock_for(time) else { return Ok(None) };
                if receiver.readiness.is_none() {
                    receiver.readiness = Some(Arc::clone(&known));
                    receiver.listen()?;
                }
                Ok(Some(()))
            })?;
        }
        Ok(readiness.number())
    }

    /// What was received and sent on all links so far.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.check().or_else(closed_is_none).map_err(|failure| failure.into_error(py, 0))?;
        let (rx, tx) = self.channel.counters();
        objects::counters(py, &rx, &tx)
    }

    /// How the interface stands now, with peer, queues and regions.
    fn details<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ask = || {
            self.check()?;
            let key = self.key;
            let details = self.control.with(move |socket| socket.details(key))?;
            details.map_err(|_| Failure::Closed)
        };
        let call = Call::begin(py);
        let details = call.detached(py, ask).map_err(|failure| failure.into_error(py, 0))?;
        objects::details(py, &details, self.channel.failure())
    }

    /// Records all packets from now on; None ends that.
    fn record(&self, py: Python<'_>, recording: Option<&Bound<'_, Recording>>) -> PyResult<()> {
        if let Some(recording) = recording
            && (recording.get().mode == LinkType::RawIp) != (self.mode == Mode::Ip)
        {
            let text = format!("a recording of this interface needs mode={:?}", self.mode.to_string());
            return Err(PyValueError::new_err(text));
        }
        let name = format!("{} {}", self.role, self.id);
        let (rx, tx) = recording.map(|recording| recording.get().taps(&name)).unzip();
        self.wait_for(py, None, |time| {
            let Some(mut receiver) = self.channel.receiver.try_lock_for(time) else { return Ok(None) };
            receiver.tap.clone_from(&rx);
            Ok(Some(()))
        })?;
        self.wait_for(py, None, |time| {
            let Some(mut transmitter) = self.channel.transmitter.try_lock_for(time) else { return Ok(None) };
            transmitter.tap.clone_from(&tx);
            Ok(Some(()))
        })?;
        Ok(())
    }

    /// Ends the link, having waited up to `flush` seconds for the peer to take what was sent, and removes the
    /// interface. Whoever waits gets an error. A socket that was opened for this interface is closed, too.
    #[pyo3(signature = (flush = 0.1))]
    fn close(&self, py: Python<'_>, flush: Option<f64>) -> PyResult<()> {
        let until = Deadline::after(Timeout::new(flush)?);
        if !self.process.is_current() || self.is_closed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        // It ends all the same: at Ctrl-C, and where the link is down.
        let call = Call::begin(py);
        let waited = patiently(py, until, |time| self.channel.flush(time)).map(drop);
        call.detached(py, || {
            self.control.remove(self.key);
            self.channel.close();
            if self.owns_socket {
                self.control.close();
            }
            // Whoever waits here still lets go of the queues on its way out.
            if let Some(mut receiver) = self.channel.receiver.try_lock_for(Duration::ZERO) {
                receiver.drop_queues();
            }
            if let Some(mut transmitter) = self.channel.transmitter.try_lock_for(Duration::ZERO) {
                transmitter.queues.clear();
            }
        });
        waited
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py, Some(FLUSH))
    }

    /// The same interface for coroutines.
    fn __aenter__<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        let _call = Call::begin(py);
        py.import("memif._asyncio")?.getattr("AsyncInterface")?.call1((this,))?.call_method0("__aenter__")
    }

    #[pyo3(signature = (*_raised))]
    fn __aexit__<'py>(this: &Bound<'py, Self>, _raised: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let _call = Call::begin(this.py());
        this.py().import("memif._asyncio")?.getattr("close")?.call1((this,))
    }

    fn __repr__(&self) -> String {
        let state = if self.closed() {
            "closed"
        } else if self.connected() {
            "connected"
        } else {
            "not connected"
        };
        format!("<memif.Interface {} {} at {}, {state}>", self.role, self.id, self.control.address)
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // As for the socket; the queues are those of the process that this one was forked from.
            std::mem::forget((Arc::clone(&self.control), Arc::clone(&self.channel)));
        } else if !*self.is_closed.get_mut() {
            self.control.let_go(self.key);
        }
    }
}

/// For what is told of a closed interface, too.
fn closed_is_none(failure: Failure) -> Result<(), Failure> {
    if failure == Failure::Closed { Ok(()) } else { Err(failure) }
}

fn option(text: &str) -> Failure {
    Failure::Option(crate::errors::python_names(text))
}
