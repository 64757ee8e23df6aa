//! What a packet begins with.

/// What a packet begins with: one of the two kinds of packets that a memif carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// An Ethernet frame without its check sequence (mode `ethernet`).
    Ethernet,
    /// An IPv4 or IPv6 packet, told apart by their first four bits (mode `ip`).
    RawIp,
}

impl LinkType {
    /// Its number in files, of the list of LINKTYPE values of tcpdump.org.
    pub fn number(self) -> u16 {
        match self {
            Self::Ethernet => 1,
            Self::RawIp => 101,
        }
    }
}
