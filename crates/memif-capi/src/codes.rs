//! Codes of the interface for what the kernel and the core say.

use std::ffi::c_int;

use rustix::io::Errno;

use crate::abi::err;

pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

pub(crate) fn last_code() -> c_int {
    code(last_errno())
}

/// The code for what the kernel said.
pub(crate) fn code(errno: Errno) -> c_int {
    match errno {
        Errno::ACCESS | Errno::PERM => err::ACCES,
        Errno::NFILE => err::FILE_LIMIT,
        Errno::MFILE => err::PROC_FILE_LIMIT,
        Errno::NOMEM => err::NOMEM,
        Errno::CONNREFUSED => err::CONNREFUSED,
        Errno::ALREADY => err::ALREADY,
        Errno::AGAIN => err::AGAIN,
        Errno::BADF => err::BAD_FD,
        Errno::NOENT => err::NO_FILE,
        _ => err::SYSCALL,
    }
}

/// The code for what the core says.
pub(crate) fn socket_code(error: &memif::SocketError) -> c_int {
    use memif::SocketError as E;
    match error {
        E::NoDirectory(_) => err::NO_FILE,
        E::NotASocket(_) => err::FILE_NOT_SOCK,
        E::Permission(_) => err::ACCES,
        E::WrongDescriptor(_) | E::Config(_) | E::IdInUse { .. } => err::INVAL_ARG,
        E::NoSuchInterface => err::NOCONN,
        E::Io { error, .. } => code(Errno::from_io_error(error).unwrap_or(Errno::IO)),
        // Somebody else listens: EADDRINUSE.
        _ => err::SYSCALL,
    }
}
