//! Where a person types and reads: a terminal with line editing, or two pipes with plain lines.
//!
//! A thread reads lines, one each time it is let. On a terminal, what has to be said goes through the editor, which
//! prints it above the line that is typed.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline_async::{Readline, ReadlineEvent, SharedWriter};

use super::item::Item;
use crate::error::Error;
use crate::output::{say, speaks_json};

/// What is printed where a command is expected, on a terminal only.
const PROMPT: &str = "# ";
/// Bytes of the longest line from a pipe.
const MAX_LINE: u64 = 4096;
/// How long the printer waits for an editor that has more to print than it holds.
const PAUSE: Duration = Duration::from_millis(10);

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
    /// Closed once the editor has ended.
    end: Receiver<()>,
}

impl Screen {
    /// Opens standard input and output. Lines go to `items` from the first [`let_type`](Self::let_type) on.
    pub(crate) fn open(items: Sender<Item>) -> Result<Self, Error> {
        let (turn, turns) = mpsc::channel();
        let terminal = match open_editor() {
            Some((editor, writer, before)) => {
                let (lines, queue) = mpsc::channel();
                let (printer, printed) = mpsc::channel();
                spawn("printer", move || {
                    print_above(writer, &queue);
                    drop(printer);
                })?;
                let (ended, end) = mpsc::channel();
                spawn("editor", move || {
                    edit(editor, &turns, &items, &printed);
                    drop(ended);
                })?;
                Some(Terminal { before, lines, end })
            }
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
            // Not from here: the editor prints while it waits for keys, and this must not wait for it.
            Some(terminal) => {
                let _ = terminal.lines.send(format!("{text}\n"));
                Ok(())
            }
            None => say(format_args!("{text}")),
        }
    }

    /// Prints what is left to print and gives the terminal back as it was.
    pub(crate) fn close(self) {
        let Some(Terminal { before, lines, end }) = self.terminal else { return };
        drop(lines);
        drop(self.turn);
        if !self.reading {
            // The editor waits for its turn, which does not come any more; so it prints the rest and ends.
            let _ = end.recv();
        }
        // Where that fails the terminal is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
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

/// An editor, where its lines go, and how the terminal was set before; `None` where there is no terminal, or one that
/// nothing can be edited on.
fn open_editor() -> Option<(Readline, SharedWriter, Termios)> {
    let dumb = std::env::var_os("TERM").is_none_or(|kind| kind == "dumb");
    // The editor would draw its prompt among the objects for programs.
    if dumb || speaks_json() || !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return None;
    }
    let before = tcgetattr(io::stdin()).ok()?;
    let (editor, writer) = Readline::new(PROMPT.to_owned()).ok()?;
    Some((editor, writer, before))
}

/// Prints lines above the one that is typed.
fn print_above(mut writer: SharedWriter, lines: &Receiver<String>) {
    for line in lines {
        let mut result = writer.write(line.as_bytes());
        // The writer keeps what its editor has no room for, and tries that again when nothing is added.
        while result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            thread::sleep(PAUSE);
            result = writer.write(b"");
        }
        if result.is_err() {
            return;
        }
    }
}

/// Reads lines on a terminal; at the end prints what the printer, of which `printed` is closed then, still has.
fn edit(mut editor: Readline, turns: &Receiver<()>, items: &Sender<Item>, printed: &Receiver<()>) {
    for () in turns {
        let item = match pollster::block_on(editor.readline()) {
            Ok(ReadlineEvent::Line(line)) => {
                if !line.trim().is_empty() {
                    editor.add_history_entry(line.clone());
                }
                Item::Line(line)
            }
            Ok(ReadlineEvent::Eof | ReadlineEvent::Interrupted) | Err(_) => Item::End,
        };
        if items.send(item).is_err() {
            break;
        }
    }
    // Where printing fails the terminal is gone.
    while printed.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
        let _ = editor.flush();
    }
    let _ = editor.flush();
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
