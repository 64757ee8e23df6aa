//! Which packets: a subset of pcap-filter(7).

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
