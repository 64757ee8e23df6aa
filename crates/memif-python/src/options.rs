//! Options of Python as those of the command line, which have the same names, bounds and advice.

use std::ffi::OsString;
use std::path::PathBuf;

use memif_cli::shared::{self, Options};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyTuple};

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

/// Whether that is one of an interface.
pub(crate) fn is_of_interface(name: &str) -> bool {
    option_names().1.iter().any(|of_interface| of_interface == name)
}

/// Reads keyword arguments as options, beside the address of the socket where there is one.
pub(crate) fn read(address: Option<&str>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Result<Options, Failure>> {
    let mut words = Vec::new();
    if let Some(address) = address {
        words.push(OsString::from(format!("--socket={address}")));
    }
    let (of_socket, of_interface) = option_names();
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        let mut all =
            of_interface.iter().chain(&of_socket).filter(|option| !matches!(option.as_str(), "socket" | "id"));
        if !all.clone().any(|option| *option == name) {
            let all = all.by_ref().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Ok(Err(Failure::Option(format!("{name} is no option: give one of {all}"))));
        }
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

/// A whole number, or the nearest to it that fits in: what is too large for that is too large for whatever it says.
pub(crate) fn whole(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    match value.extract::<i64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Ok(if value.lt(0)? { i64::MIN } else { i64::MAX })
        }
        number => number,
    }
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
    if shared::is_flag(&option) {
        return Err(PyTypeError::new_err(format!("{name} is True or False")));
    }
    let mut word = OsString::from(format!("--{option}="));
    if let Ok(path) = value.extract::<PathBuf>() {
        word.push(path);
    } else if name == "socket_mode" && value.is_instance_of::<PyInt>() {
        // As everywhere in Python: 0o660.
        let mode = whole(value)?;
        word.push(if mode < 0 { mode.to_string() } else { format!("{mode:o}") });
    } else if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() || whole(value).is_ok() {
        word.push(value.str()?.to_string_lossy().as_ref());
    } else {
        return Err(PyTypeError::new_err(format!("{name} takes text or a number, not {}", value.get_type().name()?)));
    }
    words.push(word);
    Ok(())
}
