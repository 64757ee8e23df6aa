//! Received packets as objects of Python, and buffers of Python's that packets are received into.

use memif::Packet;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice, PyTuple};

use crate::views;

/// The longest row, in bytes: no packet is as long.
const LONGEST_ROW: usize = 1 << 16;
/// Bytes of all rows that one call fills at most.
const MOST_AT_ONCE: usize = 1 << 24;

/// One packet that becomes an object.
pub(crate) struct Received<'p>(pub(crate) &'p [u8]);

impl<'py> IntoPyObject<'py> for Received<'_> {
    type Target = PyBytes;
    type Output = Bound<'py, PyBytes>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        bytes(py, self.0)
    }
}

pub(crate) fn bytes<'py>(py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, packet.len(), |room| {
        room.copy_from_slice(packet);
        Ok(())
    })
}

/// Copied from the ring right into the object.
pub(crate) fn of_packet<'py>(py: Python<'py>, packet: &Packet<'_>) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, packet.len(), |room| {
        packet.copy_to(room);
        Ok(())
    })
}

/// A buffer to receive into.
pub(crate) struct Room<'py> {
    /// Its bytes in a row.
    view: Bound<'py, PyAny>,
    /// The most packets that a call takes.
    pub(crate) rows: usize,
    pub(crate) row: usize,
    pub(crate) is_one: bool,
}

impl<'py> Room<'py> {
    pub(crate) fn of(buffer: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = buffer.py();
        let view = views::of(buffer)?;
        if view.getattr(intern!(py, "readonly"))?.extract()? {
            return Err(PyTypeError::new_err("a buffer to receive into must be writable"));
        }
        let shape = view.getattr(intern!(py, "shape"))?.cast_into::<PyTuple>()?;
        let bytes: usize = view.getattr(intern!(py, "nbytes"))?.extract()?;
        if bytes == 0 {
            return Err(PyValueError::new_err("a buffer to receive into has at least one byte"));
        }
        let (rows, is_one) = match shape.len() {
            0 | 1 => (1, true),
            2 => (shape.get_item(0)?.extract()?, false),
            more => return Err(PyValueError::new_err(format!("give one or two dimensions, not {more}"))),
        };
        let row = bytes / rows;
        if !is_one && row > LONGEST_ROW {
            let text = format!("rows of {row} bytes are longer than any packet: give at most {LONGEST_ROW}");
            return Err(PyValueError::new_err(text));
        }
        let rows = rows.min(MOST_AT_ONCE / row.min(LONGEST_ROW));
        Ok(Self { view: in_a_row(&view, "a buffer to receive into")?, rows, row, is_one })
    }
}

impl Room<'_> {
    pub(crate) fn write(&self, packets: &[u8]) -> PyResult<()> {
        write(&self.view, &bytes(self.view.py(), packets)?)
    }
}

/// A buffer for the bytes of each packet.
pub(crate) struct Lengths<'py>(Bound<'py, PyAny>);

impl<'py> Lengths<'py> {
    pub(crate) fn of(buffer: &Bound<'py, PyAny>, rows: usize) -> PyResult<Self> {
        let py = buffer.py();
        let view = views::of(buffer)?;
        let itemsize: usize = view.getattr(intern!(py, "itemsize"))?.extract()?;
        let shape = view.getattr(intern!(py, "shape"))?.cast_into::<PyTuple>()?;
        let enough = shape.len() == 1 && shape.get_item(0)?.extract::<usize>()? >= rows;
        if itemsize != 4 || !enough || view.getattr(intern!(py, "readonly"))?.extract()? {
            let text =
                format!("lengths is a writable buffer of {rows} numbers of 32 bits, as numpy.empty({rows}, 'u4')");
            return Err(PyValueError::new_err(text));
        }
        Ok(Self(in_a_row(&view, "lengths")?))
    }

    pub(crate) fn write(&self, lengths: &[u32]) -> PyResult<()> {
        let bytes = PyBytes::new_with(self.0.py(), size_of_val(lengths), |room| {
            room.chunks_exact_mut(4)
                .zip(lengths)
                .for_each(|(room, length)| room.copy_from_slice(&length.to_ne_bytes()));
            Ok(())
        })?;
        write(&self.0, &bytes)
    }
}

/// A view of the same as bytes, which the interpreter gives of what lies in a row.
fn in_a_row<'py>(view: &Bound<'py, PyMemoryView>, what: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = view.py();
    view.call_method1(intern!(py, "cast"), (intern!(py, "B"),)).map_err(|error| {
        let text = format!("{what} must be contiguous, row by row: give a whole array, not transposed ({error})");
        PyTypeError::new_err(text)
    })
}

/// Has the interpreter copy bytes to the start of a buffer, which checks that it is still as long.
fn write(to: &Bound<'_, PyAny>, bytes: &Bound<'_, PyBytes>) -> PyResult<()> {
    let slice = PySlice::new(to.py(), 0, isize::try_from(bytes.as_bytes().len())?, 1);
    to.set_item(slice, bytes)
}
