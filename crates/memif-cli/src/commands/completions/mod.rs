//! `memif completions`: a script for each shell, which asks this command what may stand at the cursor.
//!
//! What that is, is found in the same definition that reads the arguments. The scripts are our own, and short, since
//! none that is generated joins again what bash cuts apart: addresses (`@lab`) and numbers of links (`0:1:77`).

mod values;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Args, Command, ValueEnum};
use clap_complete::engine::{CompletionCandidate, complete};

use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};

const EXAMPLES: &str = "\
Examples:
  source <(memif completions bash)
      in ~/.bashrc: completes in every bash that starts; source <(memif completions zsh) in ~/.zshrc,
      behind compinit
  memif completions fish > ~/.config/fish/completions/memif.fish
      once: completes in every fish";

/// Options of `memif completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct CompletionsOptions {
    /// The shell that the script is for
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,

    /// Asked by the script: what may stand in place of that one of the words, counted from 0
    #[arg(long, value_name = "N", hide = true)]
    answer: Option<usize>,

    /// Asked by the script: the words of the command line
    #[arg(value_name = "WORD", last = true, hide = true)]
    words: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script, or answers it.
pub(crate) fn run(options: &CompletionsOptions, definition: Command) -> Result<Outcome, Error> {
    let text = match (options.answer, options.shell) {
        (Some(at), _) => answer(definition, options.words.clone(), at),
        (None, Shell::Bash) => include_str!("memif.bash").to_owned(),
        (None, Shell::Zsh) => include_str!("memif.zsh").to_owned(),
        (None, Shell::Fish) => include_str!("memif.fish").to_owned(),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)?;
    Ok(Outcome::Success)
}

/// One candidate in a line, and behind a tab what it is.
fn answer(definition: Command, words: Vec<OsString>, at: usize) -> String {
    let mut definition = values::with_candidates(definition);
    let here = env::current_dir().ok();
    // An error tells that nothing may stand there.
    let candidates = complete(&mut definition, words, at, here.as_deref()).unwrap_or_default();
    candidates.iter().filter_map(line).collect()
}

fn line(candidate: &CompletionCandidate) -> Option<String> {
    let value = candidate.get_value().to_str()?;
    // Names of files hold anything; these would break the line.
    if value.chars().any(char::is_control) {
        return None;
    }
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    let first = help.lines().next().unwrap_or_default();
    Some(format!("{value}\t{first}\n"))
}
