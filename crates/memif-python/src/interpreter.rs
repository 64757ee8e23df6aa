//! One interpreter of a process has this module: what it keeps for good, as classes of exceptions and names, belongs to
//! that one.
//!
//! PyO3 0.30 refuses subinterpreters for modules within modules alone. Python does for those with a lock of their own
//! (3.12 and later), and lets the others in.

use std::sync::OnceLock;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// Where the builtins of the first interpreter lie: each has its own.
static FIRST: OnceLock<usize> = OnceLock::new();

/// # Errors
/// `ImportError` in every interpreter but the first that came here.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    // It stays as long as the interpreter, and only its place is kept.
    let builtins = py.import("builtins")?.as_ptr() as usize;
    if *FIRST.get_or_init(|| builtins) == builtins {
        return Ok(());
    }
    let text = "memif does not work in subinterpreters: another interpreter of this process has imported it; import it \
                there, or use a process of its own";
    Err(PyImportError::new_err(text))
}
