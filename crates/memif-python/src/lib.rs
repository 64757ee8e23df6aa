//! memif for Python: the extension module `memif._memif`, of which the package `memif` is made.
//!
//! `control` is the thread that serves a socket, `channel` one interface as data path and control path see it, and the
//! rest what Python sees of both. Nothing here is unsafe. Two rules keep it free of deadlocks: who waits, or has a lock
//! of a channel, is detached from the interpreter, but for a call that took the lock and gives it back without a wait;
//! and the thread of a socket never touches the interpreter at all.

#![forbid(unsafe_code)]

mod channel;
mod command;
mod control;
mod errors;
mod exit;
mod fork;
mod interface;
mod interpreter;
mod locks;
mod objects;
mod options;
mod outgoing;
mod packets;
mod readiness;
mod receive;
mod received;
mod recording;
mod send;
mod socket;
mod views;
mod waits;

use pyo3::prelude::*;

/// The compiled part of the package `memif`.
#[pymodule(gil_used = false)]
fn _memif(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interpreter::check(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<socket::Socket>()?;
    module.add_class::<interface::Interface>()?;
    module.add_class::<recording::Recording>()?;
    module.add_function(wrap_pyfunction!(command::run_command, module)?)?;
    module.add_function(wrap_pyfunction!(options::option_names, module)?)?;
    module.add_function(wrap_pyfunction!(outgoing::as_packets, module)?)?;
    fork::watch(module)?;
    control::close_at_exit(module)
}
