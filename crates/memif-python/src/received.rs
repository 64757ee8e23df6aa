//! Received packets as objects of Python, and buffers of Python's that packets are received into.

use memif::Packet;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};

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
    pub(crate) view: Bound<'py, PyAny>,
    pub(crate) rows: usize,
    pub(crate) row: usize,
    pub(crate) is_one: bool,
}

impl<'py> Room<'py> {
    pub(crate) fn of(buffer: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = buffer.py();
        let view = PyMemoryView::from(buffer)?;
        if view.getattr(intern!(py, "readonly"))?.extract()? {
            return Err(PyTypeError::new_err("a buffer to receive into must be writable"));
        }
        let shape: Vec<usize> = view.getattr(intern!(py, "shape"))?.extract()?;
        let bytes: usize = view.getattr(intern!(py, "nbytes"))?.extract()?;
        if bytes == 0 {
            return Err(PyValueError::new_err("a buffer to receive into has at least one byte"));
        }
        let (rows, is_one) = match shape.as_slice() {
            [] | [_] => (1, true),
            [rows, _] => (*rows, false),
            more => return Err(PyValueError::new_err(format!("give one or two dimensions, not {}", more.len()))),
        };
        // An error of the interpreter's where it is not in a row.
        let view = view.call_method1(intern!(py, "cast"), (intern!(py, "B"),))?;
        Ok(Self { view, rows, row: bytes / rows, is_one })
    }
}

/// A buffer for the bytes of each packet.
pub(crate) struct Lengths<'py>(pub(crate) Bound<'py, PyAny>);

impl<'py> Lengths<'py> {
    pub(crate) fn of(buffer: &Bound<'py, PyAny>, rows: usize) -> PyResult<Self> {
        let view = PyMemoryView::from(buffer)?;
        let (itemsize, shape): (usize, Vec<usize>) =
            (view.getattr("itemsize")?.extract()?, view.getattr("shape")?.extract()?);
        let enough = matches!(shape.as_slice(), [count] if *count >= rows);
        if itemsize != 4 || !enough || view.getattr("readonly")?.extract()? {
            let text =
                format!("lengths is a writable buffer of {rows} numbers of 32 bits, as numpy.empty({rows}, 'u4')");
            return Err(PyValueError::new_err(text));
        }
        Ok(Self(view.call_method1("cast", ("B",))?))
    }
}

/// Has the interpreter copy bytes to the start of a buffer, which checks that it is still as long.
pub(crate) fn write(to: &Bound<'_, PyAny>, bytes: &[u8]) -> PyResult<()> {
    let py = to.py();
    let slice = PySlice::new(py, 0, isize::try_from(bytes.len())?, 1);
    to.set_item(slice, self::bytes(py, bytes)?)
}
