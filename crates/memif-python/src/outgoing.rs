//! Packets from Python: one, a row of an array each, or whatever can be iterated.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyMemoryView, PyString, PyTuple};

use crate::exit::Call;
use crate::views;

/// As many as the longest ring has slots.
const MOST_SLOTS: usize = 1 << memif::MAX_LOG2_RING_SIZE;

/// Packets whose bytes nobody can change any more.
pub(crate) enum Outgoing {
    /// Each by itself.
    Each(Vec<PyBackedBytes>),
    /// Of so many bytes each.
    Rows(PyBackedBytes, usize),
}

impl Outgoing {
    /// Takes packets over: `bytes` as they are, of everything else a copy.
    pub(crate) fn new(from: &Bound<'_, PyAny>) -> PyResult<Self> {
        if from.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("a packet is bytes, not text"));
        }
        if !from.is_instance_of::<PyList>() && !from.is_instance_of::<PyTuple>() {
            if let Some(one) = plain(from) {
                return Ok(Self::Each(vec![one]));
            }
            if let Ok(view) = PyMemoryView::from(from) {
                views::check(&view)?;
                return Self::of_view(&view);
            }
        }
        let packets = from.try_iter().map_err(|_| {
            PyTypeError::new_err("give an iterable of packets, one packet as a bytes-like object, or a 2-D array")
        })?;
        // Whatever an object says of its length.
        let mut each = Vec::with_capacity(from.len().unwrap_or_default().min(MOST_SLOTS));
        for (at, packet) in packets.enumerate() {
            each.push(bytes(&packet?, at)?);
        }
        Ok(Self::Each(each))
    }

    fn of_view(view: &Bound<'_, PyMemoryView>) -> PyResult<Self> {
        let shape = view.getattr(intern!(view.py(), "shape"))?.cast_into::<PyTuple>()?;
        match shape.len() {
            0 | 1 => Ok(Self::Each(vec![copy(view)?])),
            2 => match (shape.get_item(0)?.extract()?, copy(view)?) {
                (0, _) => Ok(Self::Each(Vec::new())),
                (_, bytes) if bytes.is_empty() => {
                    Err(PyValueError::new_err("a packet has at least one byte, and these rows have none"))
                }
                (rows, bytes) => {
                    let row = bytes.len() / rows;
                    Ok(Self::Rows(bytes, row))
                }
            },
            more => Err(PyValueError::new_err(format!("give an array of one or two dimensions, not {more}"))),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Each(packets) => packets.len(),
            Self::Rows(bytes, row) => bytes.len() / row,
        }
    }

    /// The packet of that number.
    pub(crate) fn packet(&self, at: usize) -> Option<&[u8]> {
        match self {
            Self::Each(packets) => packets.get(at).map(|packet| &**packet),
            Self::Rows(bytes, row) => bytes.get(at.checked_mul(*row)?..at.checked_add(1)?.checked_mul(*row)?),
        }
    }
}

/// Packets as Interface.send takes them, one by one.
#[pyfunction]
pub(crate) fn as_packets<'py>(packets: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = packets.py();
    let _call = Call::begin(py);
    match Outgoing::new(packets)? {
        Outgoing::Each(packets) => PyList::new(py, packets),
        Outgoing::Rows(bytes, row) => PyList::new(py, bytes.chunks_exact(row).map(|packet| PyBytes::new(py, packet))),
    }
}

fn bytes(packet: &Bound<'_, PyAny>, at: usize) -> PyResult<PyBackedBytes> {
    if let Some(plain) = plain(packet) {
        return Ok(plain);
    }
    match PyMemoryView::from(packet) {
        Ok(view) => {
            views::check(&view)?;
            copy(&view)
        }
        Err(_) => Err(PyTypeError::new_err(format!(
            "packet {at} is {}, not a bytes-like object: give bytes(packet)",
            packet.get_type().name()?
        ))),
    }
}

fn plain(packet: &Bound<'_, PyAny>) -> Option<PyBackedBytes> {
    if let Ok(bytes) = packet.cast::<PyBytes>() {
        return Some(bytes.clone().into());
    }
    packet.cast::<PyByteArray>().ok().map(|bytes| bytes.clone().into())
}

/// The interpreter copies, in the order of the elements, whatever they are and wherever they lie.
fn copy(view: &Bound<'_, PyMemoryView>) -> PyResult<PyBackedBytes> {
    Ok(view.call_method0(intern!(view.py(), "tobytes"))?.cast_into::<PyBytes>()?.into())
}
