//! Options that other programs have: whoever types one here is told what it is here.

use clap::builder::UnknownArgumentValueParser;
use clap::{Arg, ArgAction};

/// Options of another program that are none here. Each gives its letter or name, and what to do instead.
pub(crate) fn options(of: &[(&'static str, &'static str)]) -> Vec<Arg> {
    of.iter().map(|(name, instead)| option(name, instead)).collect()
}

/// It is an error as any unknown option, with a word on what it is here. Whether a value comes after it makes no
/// difference, since nothing there is looked at; only `--name=value` is one word.
fn option(name: &'static str, instead: &'static str) -> Arg {
    let mut letters = name.chars();
    let arg = Arg::new(name).hide(true);
    let arg = match (letters.next(), letters.next()) {
        (Some(letter), None) => arg.short(letter).action(ArgAction::SetTrue),
        _ => arg.long(name).value_name("N").num_args(0..=1).require_equals(true).default_missing_value(""),
    };
    arg.value_parser(UnknownArgumentValueParser::suggest(instead))
}
