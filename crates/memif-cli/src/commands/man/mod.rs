//! `memif man`: the manual pages, made of the same definition as the help texts, and of what those have no room for.

mod more;
mod page;
mod sections;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};

use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};
use crate::output::say;

const EXAMPLES: &str = "\
Examples:
  memif man ping | man -l -
      shows the page of memif ping, where none is installed
  memif man --directory ~/.local/share/man/man1
      writes all of them, where man finds them: man memif, man memif-ping";

/// Options of `memif man`.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct ManOptions {
    /// Print the page of this subcommand [default: that of memif]
    #[arg(value_name = "COMMAND", conflicts_with = "directory")]
    command: Option<String>,

    /// Write every page into this directory, as memif.1, memif-ping.1 and so on
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// The date at the foot of each page, as in 2026-11-29 [default: none]
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    date: String,
}

/// Prints a page of that definition, or writes them all.
pub(crate) fn run(options: &ManOptions, definition: Command) -> Result<Outcome, Error> {
    let pages = page::all(definition, &options.date);
    if let Some(directory) = &options.directory {
        for (name, text) in &pages {
            write(directory, &format!("{name}.1"), text)?;
        }
        say(format_args!("{} pages in {}", pages.len(), directory.display()))?;
        return Ok(Outcome::Success);
    }
    let name = match options.command.as_deref() {
        None | Some("memif") => "memif".to_owned(),
        Some(command) => format!("memif-{}", command.trim_start_matches("memif-")),
    };
    let page = pages.iter().find(|(found, _)| *found == name).ok_or_else(|| {
        let name = options.command.as_deref().unwrap_or_default().escape_debug();
        Error::Usage(format!("there is no command {name}: memif --help lists them"))
    })?;
    let mut out = io::stdout().lock();
    out.write_all(page.1.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)?;
    Ok(Outcome::Success)
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), Error> {
    let file = directory.join(name);
    fs::create_dir_all(directory).and_then(|()| fs::write(&file, text)).map_err(|source| Error::System {
        what: format!("cannot write {}", file.display()),
        advice: "give --directory one that this user may write to",
        source,
    })
}
