//! Filters, as people give them.

use std::path::Path;

use memif_capture::LinkType;
use memif_capture::filter::Filter;

use crate::error::Error;

/// The filter of those words, with its text; `None` where there is none. Where a file is named in its place,
/// `about_file` says what to do.
pub(crate) fn parse_filter(
    words: &[String],
    link_type: LinkType,
    about_file: &str,
) -> Result<Option<(String, Filter)>, Error> {
    let text = words.join(" ");
    if text.trim().is_empty() {
        return Ok(None);
    }
    match Filter::parse(&text, link_type) {
        Ok(filter) => Ok(Some((text, filter))),
        Err(error) => {
            let first = words.first().filter(|first| error.place().start < first.len() && Path::new(first).is_file());
            let about = first.map(|file| format!("{file} is a file, and {about_file}: ")).unwrap_or_default();
            // The mark below the place stands last.
            Err(Error::Filter(format!("{about}{}", error.pointed())))
        }
    }
}
