//! The class `Socket`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::control::{self, Control};
use crate::errors::Failure;
use crate::exit::Call;
use crate::objects;
use crate::options;
use crate::waits::{Deadline, Timeout, patiently};

/// A control socket, for any number of interfaces of both roles.
///
/// address: a path, or '@NAME' for an abstract name, as `--socket` of the command; None for that of MEMIF_SOCKET in the
/// environment, or /run/vpp/memif.sock. Further options have the names of the command line: app_name, retry_period,
/// socket_mode, socket_owner, socket_group, allow_uid. A thread of its own serves it until it is closed.
#[pyclass(frozen, weakref, module = "memif")]
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) control: Arc<Control>,
}

impl Socket {
    pub(crate) fn open(py: Python<'_>, options: memif_cli::shared::Options) -> PyResult<Self> {
        let call = Call::begin(py);
        let started = call.detached(py, || Control::start(options));
        let control = started.map_err(|failure| failure.into_error(py, 0))?;
        control::close_in_the_end(py, &control);
        Ok(Self { control })
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.control.process.check().map_err(|failure| failure.into_error(py, 0))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.control.process.is_current() {
            // In a child of a fork nothing of it is touched: other threads may have been in the midst of it.
            std::mem::forget(Arc::clone(&self.control));
        }
    }
}

#[pymethods]
impl Socket {
    #[new]
    #[pyo3(signature = (address = None, **options))]
    fn new(py: Python<'_>, address: Option<&Bound<'_, PyAny>>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let fail = |failure: Failure| failure.into_error(py, 0);
        let address = address.map(options::address).transpose()?.transpose().map_err(fail)?;
        for name in options.into_iter().flat_map(|options| options.keys()) {
            let name: String = name.extract()?;
            if options::is_of_interface(&name) {
                let text = format!("{name} is no option of a socket: give it to Interface");
                return Err(fail(Failure::Option(text)));
            }
        }
        let options = options::read(address.as_deref(), options)?.map_err(fail)?;
        Self::open(py, options)
    }

    /// The address, as text.
    #[getter]
    fn address(&self) -> String {
        self.control.address.to_string()
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.control.is_over()
    }

    /// What happened since this was asked last, oldest first; of what nobody asked for, the last 1024.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.check(py)?;
        let events = PyList::empty(py);
        while let Ok(Some(happened)) = self.control.next_event(std::time::Duration::ZERO) {
            events.append(objects::event(py, &happened)?)?;
        }
        Ok(events)
    }

    /// Waits for the next thing that happens, at most for `timeout` seconds. None when the time is over.
    #[pyo3(signature = (timeout = None))]
    fn next_event<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.check(py)?;
        let happened = patiently(py, Deadline::after(Timeout::new(timeout)?), |time| self.control.next_event(time))?;
        match happened.transpose().map_err(|failure| failure.into_error(py, 0))? {
            Some(happened) => objects::event(py, &happened).map(Some),
            None => Ok(None),
        }
    }

    /// Takes all links down and removes the socket file. Whoever waits gets an error.
    fn close(&self, py: Python<'_>) {
        Call::begin(py).detached(py, || self.control.close());
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        format!("<memif.Socket {}{}>", self.control.address, if self.closed() { ", closed" } else { "" })
    }
}
