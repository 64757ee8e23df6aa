//! Where a person types and reads: a terminal with line editing, or two pipes with plain lines.
//!
//! A thread reads lines, one each time it is let. While somebody types on a terminal, what has to be said goes through
//! the editor, which prints it above the line and draws the line again.

use std::io::{self, BufRead, IsTerminal, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::{Config, DefaultEditor, ExternalPrinter};

use super::Item;
use crate::exit::Error;
use crate::output::{say, warn};

/// What is printed where a command is expected, on a terminal only.
const PROMPT: &str = "# ";
/// Bytes of the longest line from a pipe.
const MAX_LINE: u64 = 4096;
/// The editor waits with `select`, which knows no descriptors from 1024 on.
const MAX_DESCRIPTOR: i32 = 1000;

/// The place where lines are read and printed.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Lets the reading thread read one line.
    turn: Sender<()>,
    /// Whether it does.
    reading: bool,
    terminal: Option<Terminal>,
}

/// A terminal with an editor.
#[derive(Debug)]
struct Terminal {
    /// How the terminal was set before. The editor changes that while somebody types.
    before: Termios,
    /// Lines to be printed above the one that is typed.
    lines: Sender<String>,
}

impl Screen {
    /// Opens standard input and output. Lines go to `items` from the first [`let_type`](Self::let_type) on.
    pub(crate) fn open(items: Sender<Item>) -> Result<Self, Error> {
        let (turn, turns) = mpsc::channel();
        let editor = open_editor();
        let terminal = match editor {
            Some((mut editor, before)) => match editor.create_external_printer() {
                Ok(printer) => {
                    let (lines, queue) = mpsc::channel();
                    spawn("printer", move || print_above(printer, &queue))?;
                    spawn("editor", move || edit(editor, &turns, &items))?;
                    Some(Terminal { before, lines })
                }
                Err(_) => {
                    spawn("input", move || read(&turns, &items))?;
                    None
                }
            },
            None => {
                spawn("input", move || read(&turns, &items))?;
                None
            }
        };
        Ok(Self { turn, reading: false, terminal })
    }

    /// Whether somebody types on a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// Lets the next line be typed.
    pub(crate) fn let_type(&mut self) {
        self.reading = true;
        // Without a reader the end of input is under way.
        let _ = self.turn.send(());
    }

    /// Notes that a line came: nobody types until [`let_type`](Self::let_type).
    pub(crate) fn typed(&mut self) {
        self.reading = false;
    }

    /// Prints one line or several.
    pub(crate) fn say(&self, text: &str) -> Result<(), Error> {
        match &self.terminal {
            // Not from here: the editor takes a line only while it waits for keys, and this must not wait for it.
            Some(terminal) if self.reading => {
                let _ = terminal.lines.send(format!("{text}\n"));
                Ok(())
            }
            _ => say(format_args!("{text}")),
        }
    }

    /// Gives the terminal back as it was.
    pub(crate) fn close(self) {
        let Some(terminal) = self.terminal else { return };
        // Where that fails the terminal is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &terminal.before);
        if self.reading {
            let _ = say(format_args!(""));
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|source| Error::System {
        what: "cannot start a thread".to_owned(),
        advice: "raise the limit of processes (ulimit -u)",
        source,
    })
}

/// An editor, and how the terminal is set now; `None` where there is no terminal, or one that cannot be edited on.
fn open_editor() -> Option<(DefaultEditor, Termios)> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return None;
    }
    let before = tcgetattr(io::stdin()).ok()?;
    let config = Config::builder().auto_add_history(true).bracketed_paste(false).build();
    Some((DefaultEditor::with_config(config).ok()?, before))
}

/// Prints lines above the one that is typed.
fn print_above(mut printer: impl ExternalPrinter, lines: &Receiver<String>) {
    for line in lines {
        if printer.print(line).is_err() {
            return;
        }
    }
}

/// Reads lines on a terminal.
fn edit(mut editor: DefaultEditor, turns: &Receiver<()>, items: &Sender<Item>) {
    // The editor opens two descriptors for each line: keep two low numbers for them.
    let mut kept = keep_descriptors();
    for () in turns {
        if kept.is_none() {
            warn(format_args!(
                "more than {MAX_DESCRIPTOR} open files: lines cannot be edited any more"
            ));
            let _ = items.send(next_line());
            return read(turns, items);
        }
        drop(kept.take());
        let item = editor.readline(PROMPT).map_or(Item::End, Item::Line);
        kept = keep_descriptors();
        if items.send(item).is_err() {
            return;
        }
    }
}

fn keep_descriptors() -> Option<(UnixStream, UnixStream)> {
    let pair = UnixStream::pair().ok()?;
    let low = |stream: &UnixStream| stream.as_raw_fd() < MAX_DESCRIPTOR;
    (low(&pair.0) && low(&pair.1)).then_some(pair)
}

/// Reads plain lines.
fn read(turns: &Receiver<()>, items: &Sender<Item>) {
    for () in turns {
        if items.send(next_line()).is_err() {
            return;
        }
    }
}

fn next_line() -> Item {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => Item::End,
        Ok(_) if line.ends_with(b"\n") || (line.len() as u64) < MAX_LINE => {
            Item::Line(String::from_utf8_lossy(&line).into_owned())
        }
        // Nothing to keep of the rest.
        Ok(_) => match input.skip_until(b'\n') {
            Ok(_) => Item::Overlong,
            Err(_) => Item::End,
        },
    }
}
