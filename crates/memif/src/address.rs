//! Where a memif listener is found.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::ConfigError;

/// Bytes that an address has room for besides its zero byte.
const MAX_LEN: usize = 107;

/// The address of a control socket: a path in the file system, or a name in the abstract namespace. The
/// kernel knows no third kind that has a place on a machine.
///
/// Text starting with `@` is an abstract name, as libmemif writes it; `abstract:name` is VPP's way to write the same,
/// and DPDK's is `socket=name` with `socket-abstract=yes`, which is its default. Anything else is a path.
///
/// An abstract name has no file permissions: every process in the network namespace can connect. Use a
/// secret, or the lists of allowed users and groups of a [`SocketBuilder`](crate::SocketBuilder).
///
/// ```
/// use memif::SocketAddress;
/// let address: SocketAddress = "abstract:demo".parse()?;
/// assert_eq!(address, SocketAddress::Abstract(b"demo".to_vec()));
/// assert_eq!(address.to_string(), "@demo");
/// assert!(SocketAddress::default().to_string().ends_with("/run/vpp/memif.sock"));
/// # Ok::<(), memif::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SocketAddress {
    /// A path of at most 107 bytes.
    Path(PathBuf),
    /// A name of 1 to 107 bytes, without the zero byte that the kernel wants in front.
    Abstract(Vec<u8>),
}

impl SocketAddress {
    /// Checks that the kernel has room for the address. [`FromStr`] and opening a socket do the same.
    ///
    /// # Errors
    /// [`ConfigError::Address`] with what to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let problem = match self {
            SocketAddress::Path(path) => path_problem(path),
            SocketAddress::Abstract(name) if name.is_empty() => {
                Some("an abstract name has at least one byte: write @name")
            }
            SocketAddress::Abstract(name) if name.len() > MAX_LEN => {
                Some("an abstract name has at most 107 bytes: choose a shorter one")
            }
            SocketAddress::Abstract(_) => None,
        };
        match problem {
            Some(problem) => Err(ConfigError::Address { given: self.to_string(), problem }),
            None => Ok(()),
        }
    }
}

fn path_problem(path: &Path) -> Option<&'static str> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        Some("it is empty: give a path, or @name for an abstract socket")
    } else if bytes.contains(&0) {
        Some("a path holds no zero byte: write @name for an abstract socket")
    } else if bytes.len() > MAX_LEN {
        Some("a socket path has at most 107 bytes: choose a shorter directory, or an abstract @name")
    } else {
        None
    }
}

impl Default for SocketAddress {
    /// The path that VPP and libmemif use.
    fn default() -> Self {
        SocketAddress::Path(PathBuf::from("/run/vpp/memif.sock"))
    }
}

impl FromStr for SocketAddress {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |problem| Err(ConfigError::Address { given: text.to_owned(), problem });
        let name = text.strip_prefix("abstract:").or_else(|| text.strip_prefix('@'));
        let address = if let Some(name) = name {
            // Nobody means it as a part of the name.
            if name.contains(",netns") {
                return refuse(
                    "no suffix names a network namespace here: \
                     open the socket on a thread in that namespace, or start the program there (`ip netns exec`)",
                );
            }
            SocketAddress::Abstract(name.as_bytes().to_vec())
        } else {
            SocketAddress::Path(PathBuf::from(text))
        };
        address.validate()?;
        Ok(address)
    }
}

impl From<PathBuf> for SocketAddress {
    fn from(path: PathBuf) -> Self {
        SocketAddress::Path(path)
    }
}

impl From<&Path> for SocketAddress {
    fn from(path: &Path) -> Self {
        SocketAddress::Path(path.to_owned())
    }
}

impl TryFrom<&str> for SocketAddress {
    type Error = ConfigError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for SocketAddress {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<&String> for SocketAddress {
    type Error = ConfigError;

    fn try_from(text: &String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketAddress::Path(path) => write!(f, "{}", path.display()),
            SocketAddress::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_are_understood() {
        let name = SocketAddress::Abstract(b"foo".to_vec());
        assert_eq!("@foo".parse(), Ok(name.clone()));
        assert_eq!("abstract:foo".parse(), Ok(name));
        assert_eq!("/run/x.sock".parse(), Ok(SocketAddress::Path("/run/x.sock".into())));
        assert_eq!("x.sock".parse::<SocketAddress>().unwrap().to_string(), "x.sock");
        assert_eq!("@foo".parse::<SocketAddress>().unwrap().to_string(), "@foo");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_with_advice() {
        let problem = |text: &str| text.parse::<SocketAddress>().unwrap_err().to_string();
        assert!(problem("").contains("give a path"));
        assert!(problem("@").contains("at least one byte"));
        assert!(problem("abstract:").contains("at least one byte"));
        assert!(problem("abstract:x,netns_name=ns1").contains("ip netns exec"));
        assert!(problem("@x,netns_name=ns1").contains("ip netns exec"));
        // As the command takes it, which enters the namespace itself.
        assert!(problem("@x,netns=ns1").contains("thread in that namespace"));
        assert!(problem(&"/x".repeat(54)).contains("107 bytes"));
        assert!(problem(&format!("@{}", "x".repeat(108))).contains("107 bytes"));
        assert!(problem("a\0b").contains("zero byte"));
        assert!("/".repeat(107).parse::<SocketAddress>().is_ok());
        assert!(format!("@{}", "x".repeat(107)).parse::<SocketAddress>().is_ok());
    }
}
