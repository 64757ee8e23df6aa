//! Options as a person types them, for tests.

use clap::{Args, Parser};

#[derive(Parser)]
struct Typed<T: Args> {
    #[command(flatten)]
    options: T,
}

/// The options of those arguments, which are separated by spaces; or what a person is told.
pub(crate) fn typed<T: Args>(arguments: &str) -> Result<T, String> {
    let arguments = ["memif"].into_iter().chain(arguments.split_whitespace());
    Typed::try_parse_from(arguments).map(|typed| typed.options).map_err(|error| error.to_string())
}
