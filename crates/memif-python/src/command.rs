//! The command, in this process.

use std::ffi::OsString;

use pyo3::prelude::*;

use crate::exit::Call;

/// Runs the command `memif` with those arguments, the first of which is the name of the program, and gives the status
/// to exit with. `launcher` is what starts it anew. To be called once, from the main thread.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, arguments: Vec<OsString>, launcher: Vec<OsString>) -> u8 {
    Call::begin(py).detached(py, || memif_cli::run(arguments, launcher))
}
