//! What goes over interfaces, written to a pcapng file as it comes and goes.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memif_capture::LinkType;
use memif_capture::write::{Direction, Files, Interface, Limits, Recorder, Rotation, Section, Target, Writer};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::exit::Call;
use crate::locks::Lock;

/// How long a file may take nothing before the end of a recording gives it up.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long packets wait for more, before they are written together.
const GATHERING: Duration = Duration::from_millis(200);
/// The most bytes of a packet that there are.
const WHOLE: u32 = 65_535;

/// Where the packets of one direction of an interface are recorded.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    recorder: Recorder,
    interface: u32,
}

impl Tap {
    /// Records packets that came or went now.
    pub(crate) fn record<'p>(&self, packets: impl Iterator<Item = &'p [u8]>) {
        let mut batch = self.recorder.batch(now());
        for packet in packets {
            batch.packet(self.interface, packet.len(), |room| {
                let kept = room.len().min(packet.len());
                if let (Some(to), Some(from)) = (room.get_mut(..kept), packet.get(..kept)) {
                    to.copy_from_slice(from);
                }
                kept
            });
        }
    }
}

/// A pcapng file that packets of interfaces are written to, by a thread of its own: what is recorded never waits for
/// the disk, and what the disk does not take in time is missed and counted.
#[pyclass(frozen, weakref, module = "memif")]
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) mode: LinkType,
    path: PathBuf,
    recorder: Recorder,
    writer: Lock<Option<Writer>>,
}

impl Recording {
    /// The taps of an interface: received, sent.
    pub(crate) fn taps(&self, name: &str) -> (Tap, Tap) {
        let tap = |direction, word: &str| {
            let (name, description) = (format!("{name} {word}"), format!("packets that {name} {word}"));
            let interface = self.recorder.interface(Interface { name, description, direction, queue: 0 });
            Tap { recorder: self.recorder.clone(), interface }
        };
        (tap(Direction::Inbound, "received"), tap(Direction::Outbound, "sent"))
    }
}

#[pymethods]
impl Recording {
    #[new]
    #[pyo3(signature = (path, *, mode = "ethernet"))]
    fn new(py: Python<'_>, path: PathBuf, mode: &str) -> PyResult<Self> {
        let mode = match mode {
            "ethernet" => LinkType::Ethernet,
            "ip" => LinkType::RawIp,
            _ => return Err(PyValueError::new_err("mode: give 'ethernet' or 'ip'")),
        };
        let section = Section {
            link_type: mode,
            snap_length: WHOLE,
            application: concat!("memif for Python ", env!("CARGO_PKG_VERSION")).to_owned(),
            hardware: std::env::consts::ARCH.to_owned(),
            os: std::env::consts::OS.to_owned(),
            comment: "recorded by a program in Python".to_owned(),
            filter: None,
        };
        let start = || {
            let files = Files::create(Target::Path(path.clone()), section, Rotation::default(), &[], now())?;
            let limits = Limits { snap_length: WHOLE, patience: GATHERING, ..Limits::default() };
            // That it takes nothing more is told by `close`.
            Recorder::start(files, limits, |_| {})
        };
        let started = Call::begin(py).detached(py, start);
        let (recorder, writer) = started.map_err(|error| {
            PyOSError::new_err(format!("cannot write to {}: {error}; give a file that can be made", path.display()))
        })?;
        Ok(Self { mode, path, recorder, writer: Lock::new(Some(writer)) })
    }

    /// The name of the file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Writes what is left, and gives the number of packets in the file. Packets that come later are not recorded.
    ///
    /// Raises OSError where not everything could be written.
    fn close(&self, py: Python<'_>) -> PyResult<u64> {
        let Some(writer) = self.writer.lock().take() else { return Ok(self.recorder.summary().written) };
        let (summary, result) = Call::begin(py).detached(py, || writer.finish(PATIENCE));
        let failure = summary.failure.map(|error| error.to_string()).or(result.err().map(|stuck| stuck.to_string()));
        match failure {
            Some(why) => Err(PyOSError::new_err(format!(
                "{}: {why}; {} packets are in it",
                self.path.display(),
                summary.written
            ))),
            None => Ok(summary.written),
        }
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py).map(drop)
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
