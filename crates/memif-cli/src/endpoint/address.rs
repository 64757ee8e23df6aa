//! The address of a socket: as it is typed, and where none is.

use std::env;

use memif::{ConfigError, SocketAddress};

use crate::error::Error;

/// Where VPP and libmemif meet when nothing else is said.
const DEFAULT_SOCKET: &str = "/run/vpp/memif.sock";

/// Variable of the environment that says something else.
const SOCKET_VARIABLE: &str = "MEMIF_SOCKET";

/// Bytes of the longest path of a socket.
const LONGEST_PATH: usize = 107;

/// How a socket can have a longer path all the same.
const TWO_WAYS: &str = ". Two ways lead to one with a longer path: go to its directory and give a relative path (cd \
                        DIRECTORY; --socket memif.sock), or give a path through a symbolic link to that directory (ln \
                        -s DIRECTORY /tmp/d; --socket /tmp/d/memif.sock)";

/// The address of a socket.
pub(crate) fn parse_socket(text: &str) -> Result<SocketAddress, String> {
    // A name of the same length is refused, too, and these two ways are none for it.
    let is_path = !text.starts_with('@') && !text.starts_with("abstract:");
    text.parse().map_err(|error: ConfigError| {
        let ways = if is_path && text.len() > LONGEST_PATH { TWO_WAYS } else { "" };
        format!("{error}{ways}")
    })
}

/// The socket where none is named.
pub(crate) fn default_socket() -> Result<SocketAddress, Error> {
    let named = env::var_os(SOCKET_VARIABLE).filter(|named| !named.is_empty());
    let Some(named) = named else { return Ok(DEFAULT_SOCKET.parse()?) };
    let text = named.to_str().ok_or_else(|| format!("{named:?} is not UTF-8: give --socket a path through a link"));
    text.and_then(parse_socket).map_err(|problem| Error::Usage(format!("{SOCKET_VARIABLE}: {problem}")))
}
