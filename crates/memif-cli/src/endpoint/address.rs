//! The address of a socket: as it is typed, and where none is.

use std::env;
use std::path::PathBuf;

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

/// Where network namespaces with a name are.
const NAMED_NAMESPACES: &str = "/run/netns";

/// What stands between an abstract name and the network namespace that it is in: as VPP writes it, and shorter.
const NAMESPACE_MARKS: [&str; 2] = [",netns_name=", ",netns="];

/// The address of a socket, and where it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketPlace {
    pub(crate) address: SocketAddress,
    /// The file of a network namespace, where that is another one than this program's.
    pub(crate) namespace: Option<PathBuf>,
}

/// The address of a socket, and the network namespace that it is in.
pub(crate) fn parse_socket(text: &str) -> Result<SocketPlace, String> {
    // A name of the same length is refused, too, and these two ways are none for it.
    let is_path = !text.starts_with('@') && !text.starts_with("abstract:");
    let (address, namespace) = if is_path { (text, None) } else { split(text)? };
    let address = address.parse().map_err(|error: ConfigError| {
        let ways = if is_path && text.len() > LONGEST_PATH { TWO_WAYS } else { "" };
        format!("{error}{ways}")
    })?;
    Ok(SocketPlace { address, namespace })
}

/// An abstract name, and the file of the namespace behind it.
fn split(text: &str) -> Result<(&str, Option<PathBuf>), String> {
    const GIVE: &str = "give @NAME,netns=NS, where NS is a name in /run/netns, a path, or pid:N";
    let split = NAMESPACE_MARKS.iter().find_map(|mark| text.split_once(mark));
    let Some((name, namespace)) = split else {
        // Nobody means such a name, and silence would hide the slip.
        return if text.contains(",netns") { Err(GIVE.to_owned()) } else { Ok((text, None)) };
    };
    let file = match namespace.strip_prefix("pid:") {
        Some(pid) if !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) => format!("/proc/{pid}/ns/net"),
        None if namespace.starts_with('/') => namespace.to_owned(),
        None if !namespace.is_empty() && !namespace.contains([',', '/']) && ![".", ".."].contains(&namespace) => {
            format!("{NAMED_NAMESPACES}/{namespace}")
        }
        _ => return Err(GIVE.to_owned()),
    };
    Ok((name, Some(file.into())))
}

/// The socket where none is named.
pub(crate) fn default_socket() -> Result<SocketPlace, Error> {
    let named = env::var_os(SOCKET_VARIABLE).filter(|named| !named.is_empty());
    let Some(named) = named else { return Ok(SocketPlace { address: DEFAULT_SOCKET.parse()?, namespace: None }) };
    let text = named.to_str().ok_or_else(|| format!("{named:?} is not UTF-8: give --socket a path through a link"));
    text.and_then(parse_socket).map_err(|problem| Error::Usage(format!("{SOCKET_VARIABLE}: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(text: &str) -> (String, Option<String>) {
        let place = parse_socket(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (place.address.to_string(), place.namespace.map(|file| file.display().to_string()))
    }

    #[test]
    fn names_may_be_in_another_network_namespace() {
        for (text, address, file) in [
            ("@lab", "@lab", None),
            ("abstract:lab", "@lab", None),
            ("@lab,netns=blue", "@lab", Some("/run/netns/blue")),
            ("abstract:lab,netns_name=blue", "@lab", Some("/run/netns/blue")),
            ("@lab,netns_name=/proc/7/ns/net", "@lab", Some("/proc/7/ns/net")),
            ("abstract:lab,netns=pid:7", "@lab", Some("/proc/7/ns/net")),
            // A path is the same in all of them, and may look like anything.
            ("/run/lab,netns=blue", "/run/lab,netns=blue", None),
        ] {
            assert_eq!(namespace(text), (address.to_owned(), file.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn a_slip_is_no_part_of_the_name() {
        for text in ["@lab,netns", "@lab,netns_id=7", "@lab,netns=", "@lab,netns=pid:", "@lab,netns=pid:x"] {
            assert!(parse_socket(text).unwrap_err().contains("@NAME,netns=NS"), "{text}");
        }
        for text in ["abstract:lab,netns_nam=x", "@lab,netns=a/b", "@lab,netns=..", "@lab,netns=a,b"] {
            assert!(parse_socket(text).unwrap_err().contains("@NAME,netns=NS"), "{text}");
        }
        assert!(parse_socket("@,netns=blue").unwrap_err().contains("at least one byte"));
    }
}
