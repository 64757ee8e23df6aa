//! Options of Python as those of the command line, which have the same names, bounds and advice.

use std::ffi::OsString;
use std::path::PathBuf;

use memif_cli::shared::{self, Options};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyList, PyTuple};

use crate::errors::{Failure, python_names};

/// Names of the options, in their order: of a socket, of an interface.
#[pyfunction]
pub(crate) fn option_names() -> (Vec<String>, Vec<String>) {
    let python = |names: Vec<String>| names.into_iter().map(|name| name.replace('-', "_")).collect::<Vec<_>>();
    let socket = python(shared::names_of_socket());
    let interface = python(shared::names()).into_iter().filter(|name| !socket.contains(name)).collect();
    (socket, interface)
}

/// Whether that is an option of a socket.
pub(crate) fn is_of_socket(name: &str) -> bool {
    option_names().0.iter().any(|of_socket| of_socket == name)
}

/// Reads keyword arguments as options, beside the address of the socket where there is one.
pub(crate) fn read(address: Option<&str>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Result<Options, Failure>> {
    let mut words = Vec::new();
    if let Some(address) = address {
        words.push(OsString::from(format!("--socket={address}")));
    }
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        add(&mut words, &name, &value)?;
    }
    Ok(Options::read(words).map_err(|text| Failure::Option(python_names(&text))))
}

/// The address of a socket from a text or a path.
pub(crate) fn address(of: &Bound<'_, PyAny>) -> PyResult<Result<String, Failure>> {
    let path: PathBuf = of.extract().map_err(|_| {
        PyTypeError::new_err("the address of a socket is a path, or the text '@NAME' for an abstract name")
    })?;
    let Some(text) = path.to_str() else {
        return Ok(Err(Failure::Option(format!("socket: {path:?} is not UTF-8: give a path through a link"))));
    };
    Ok(shared::check_socket(text)
        .map(|()| text.to_owned())
        .map_err(|problem| Failure::Option(format!("socket: {problem}"))))
}

fn add(words: &mut Vec<OsString>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let option = name.replace('_', "-");
    if value.is_none() {
        return Ok(());
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return value.try_iter()?.try_for_each(|one| add(words, name, &one?));
    }
    if let Ok(is_set) = value.cast::<PyBool>() {
        if is_set.is_true() {
            words.push(format!("--{option}").into());
        } else if !shared::is_flag(&option) {
            return Err(PyTypeError::new_err(format!("{name} takes a value, not False: leave it out, or give None")));
        }
        return Ok(());
    }
    let mut word = OsString::from(format!("--{option}="));
    if name == "socket_mode" && value.is_instance_of::<PyInt>() {
        // As everywhere in Python: 0o660.
        word.push(format!("{:o}", value.extract::<u32>()?));
    } else if let Ok(path) = value.extract::<PathBuf>() {
        word.push(path);
    } else {
        word.push(value.str()?.to_string_lossy().as_ref());
    }
    words.push(word);
    Ok(())
}
