//! Buffers of Python's, of plain bytes and numbers alone.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyString};

/// A view of a buffer.
///
/// # Errors
/// `TypeError` for what holds no bytes, or addresses.
pub(crate) fn of<'py>(buffer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyMemoryView>> {
    let view = PyMemoryView::from(buffer)?;
    check(&view)?;
    Ok(view)
}

/// Refuses memory that holds addresses, as an array of objects does: bytes of a peer must not become addresses that the
/// interpreter follows, and those of this process are no business of the peer.
///
/// # Errors
/// `TypeError` with what to give.
pub(crate) fn check(view: &Bound<'_, PyMemoryView>) -> PyResult<()> {
    let py = view.py();
    let format = view.getattr(intern!(py, "format"))?.cast_into::<PyString>()?;
    // The interpreter has each text of one letter once.
    if format.is(intern!(py, "B")) || !holds_addresses(&format.to_string_lossy()) {
        return Ok(());
    }
    Err(PyTypeError::new_err("objects and addresses are no bytes: give an array of numbers, as of dtype 'u1'"))
}

/// Whether a format of the buffer protocol (PEP 3118, and those of ctypes) has objects or pointers. Names of fields
/// stand between colons.
fn holds_addresses(format: &str) -> bool {
    format.split(':').step_by(2).any(|codes| {
        // Before `f`, `d` and `g` it is a complex number, and else text somewhere else.
        let is_text = |at: usize| !codes.get(at + 1..).is_some_and(|rest| rest.starts_with(['f', 'd', 'g']));
        codes.contains(['O', 'P', 'X', 'z', '&']) || codes.match_indices('Z').any(|(at, _)| is_text(at))
    })
}
