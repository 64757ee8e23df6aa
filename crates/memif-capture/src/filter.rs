//! Which packets: a subset of pcap-filter(7).

use std::fmt;

use crate::LinkType;

/// A filter, ready to be asked about packets.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The word that is all that is understood so far.
    ether_type: Option<u16>,
    link_type: LinkType,
}

impl Filter {
    /// Reads a filter for packets of that kind. An empty one matches all.
    ///
    /// # Errors
    /// What in the text is not understood, where, and what may stand there.
    pub fn parse(text: &str, link_type: LinkType) -> Result<Self, FilterError> {
        let ether_type = match text.trim() {
            "" => None,
            "ip" => Some(0x0800),
            "ip6" => Some(0x86dd),
            "arp" if link_type == LinkType::Ethernet => Some(0x0806),
            word => return Err(FilterError::new(text, 0..text.len(), format!("\"{word}\" is no word of a filter"))),
        };
        Ok(Self { ether_type, link_type })
    }

    /// Whether the packet is one of those asked for: its first bytes, and how many it had on the wire, which are more
    /// where it was cut.
    #[must_use]
    pub fn matches(&self, data: &[u8], _original_length: usize) -> bool {
        let Some(wanted) = self.ether_type else { return true };
        match self.link_type {
            LinkType::Ethernet => data.get(12..14).is_some_and(|found| found == wanted.to_be_bytes()),
            LinkType::RawIp => data.first().is_some_and(|first| match first >> 4 {
                4 => wanted == 0x0800,
                6 => wanted == 0x86dd,
                _ => false,
            }),
        }
    }
}

/// Why a filter is not understood, and where. As text it is one line; [`pointed`](Self::pointed) has the filter itself,
/// with a mark below the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    place: std::ops::Range<usize>,
    reason: String,
}

impl FilterError {
    fn new(text: &str, place: std::ops::Range<usize>, reason: String) -> Self {
        Self { text: text.to_owned(), place, reason }
    }

    /// The bytes of the text that are not understood; empty at its end when something is missing there.
    #[must_use]
    pub fn place(&self) -> std::ops::Range<usize> {
        self.place.clone()
    }

    /// What is wrong and what may be done, without the place.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Three lines without an end of line after the last: what is wrong, the filter, and carets below the place.
    #[must_use]
    pub fn pointed(&self) -> impl fmt::Display + '_ {
        format!("{self}\n  {}\n  {}", self.text, "^".repeat(self.place.len().max(1)))
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, column {}: {}", self.place.start + 1, self.reason)
    }
}

impl std::error::Error for FilterError {}
