//! Which packets: a subset of pcap-filter(7), the language of tcpdump.
//!
//! Every filter that is taken here is taken by libpcap, and means the same there; the tests compare verdicts with
//! tcpdump. A filter that is not understood is an error that names the place and what may be done ([`FilterError`]).
//!
//! ```
//! use memif_capture::LinkType;
//! use memif_capture::filter::Filter;
//!
//! let filter = Filter::parse("tcp port 80 or 443", LinkType::RawIp)?;
//! let mut packet = [0; 40];
//! packet[0] = 0x45; // IPv4, a header of 20 bytes
//! packet[9] = 6; // TCP
//! packet[22..24].copy_from_slice(&443_u16.to_be_bytes());
//! assert!(filter.matches(&packet, packet.len()));
//!
//! let error = Filter::parse("tcp port http", LinkType::RawIp).unwrap_err();
//! assert_eq!(error.place(), 9..13);
//! # Ok::<(), memif_capture::filter::FilterError>(())
//! ```
//!
//! | | |
//! |---|---|
//! | joined by | `and` `&&`, `or` (and its sign), bound equally from left to right; `not` `!`; `( )` |
//! | protocols | `ip` `ip6` `arp` `rarp` `tcp` `udp` `sctp` `icmp` `icmp6` `igmp` `pim` `vrrp` `ah` `esp` |
//! | addresses | `host`, `net` (`/8`, `mask`, or the first numbers), after `ip` `ip6` `arp` `rarp` |
//! | ends | `src` `dst` `src or dst` `src and dst` before addresses and ports |
//! | ports | `port`, `portrange`, after `tcp` `udp` `sctp`; numbers only |
//! | numbers of protocols | `ether proto`, `ip proto`, `ip6 proto`, `proto` |
//! | Ethernet | `ether host` `ether src` `ether dst`, `broadcast` `multicast`, `vlan` with or without a tag |
//! | groups | `ip multicast`, `ip6 multicast` |
//! | lengths | `less` `greater` `len`, of the packet on the wire |
//! | comparisons | `tcp[13] & 2 != 0`: `= == != < <= > >=` of `PROTOCOL[INDEX:SIZE]`, numbers and `len` |
//! | arithmetic | `+ - * / & << >>` and the bitwise or, in 32 bits without a sign |
//! | left out | all else, names that are looked up among it |
//!
//! The manual (docs/filter.md) has it in full, with what surprises.
//!
//! **Packets that were cut.** A test for a byte that is not there ends the filter with no, behind "not" as well; tests
//! are made from left to right, no more than it takes. So does libpcap without its optimiser (`tcpdump -O`). With it,
//! some tests whose outcome does not matter are left out there, and such a packet may match.
//!
//! How it works: a text becomes words (`token`), these a tree (`parse`, `primitive`, `arithmetic`), the tree a list of
//! tests with jumps that all lead forward (`compile`, `draft`), and that is run (`program`).

mod arithmetic;
mod compile;
mod cursor;
mod draft;
mod error;
mod expression;
mod parse;
mod primitive;
mod program;
mod token;
mod words;

use crate::LinkType;

pub use error::FilterError;

/// The longest text of a filter, in bytes.
const LONGEST: usize = 65_536;

/// A filter, ready to be asked about packets.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Nothing if it matches all.
    program: Option<program::Program>,
}

impl Filter {
    /// Reads a filter for packets of that kind. An empty one matches all.
    ///
    /// # Errors
    /// What in the text is not understood, where, and what may stand there.
    pub fn parse(text: &str, link_type: LinkType) -> Result<Self, FilterError> {
        let too_long = |reason: String| FilterError::new(text, text.len()..text.len(), reason);
        if text.len() > LONGEST {
            return Err(too_long(format!("a filter has {LONGEST} bytes at most, this one {}", text.len())));
        }
        let Some(expression) = parse::parse(text, link_type)? else { return Ok(Self { program: None }) };
        let program = compile::compile(&expression, link_type)
            .map_err(|_| too_long(format!("this filter makes more than {} tests of a packet", draft::MOST_TESTS)))?;
        Ok(Self { program: Some(program) })
    }

    /// Whether the packet is one of those asked for: its first bytes, and how many it had on the wire, which are more
    /// where it was cut. Allocates nothing, and takes time for the tests of the filter at most, whatever the packet is.
    #[must_use]
    pub fn matches(&self, data: &[u8], original_length: usize) -> bool {
        self.program.as_ref().is_none_or(|program| program.run(data, original_length))
    }
}
