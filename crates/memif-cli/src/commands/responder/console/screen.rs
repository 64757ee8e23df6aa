//! Where a person types and reads: a terminal with line editing, or two pipes with plain lines.
//!
//! Lines are read one each time it is let: what is typed meanwhile waits. On a terminal a thread reads keys, and
//! another has the line that is edited; what has to be said goes through the latter, which prints it above that line.

use std::collections::VecDeque;
use std::io::{self, BufRead, IsTerminal, Read, Stdout};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crossterm::event::{self, Event};
use crossterm::terminal;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

use super::editor::{Editor, Typed};
use super::item::Item;
use crate::error::Error;
use crate::output::{say, speaks_json};

/// Bytes of the longest line from a pipe.
const MAX_LINE: u64 = 4096;

/// The place where lines are read and printed.
#[derive(Debug)]
pub(crate) struct Screen(Kind);

#[derive(Debug)]
enum Kind {
    Terminal(Terminal),
    /// Lets the reading thread read one line.
    Pipe(Sender<()>),
}

/// A terminal with an editor.
#[derive(Debug)]
struct Terminal {
    /// How the terminal was set before.
    before: Termios,
    orders: Sender<Order>,
    /// Closed once the editor has ended.
    end: Receiver<()>,
}

/// What the editor is told.
#[derive(Debug)]
enum Order {
    /// Let the next line be typed.
    LetType,
    /// Print this above the line.
    Print(String),
    /// Something came from the terminal; `None` where nothing will any more.
    Key(Option<Event>),
    /// Print nothing more.
    End,
}

impl Screen {
    /// Opens standard input and output. Lines go to `items` from the first [`let_type`](Self::let_type) on.
    pub(crate) fn open(items: Sender<Item>) -> Result<Self, Error> {
        let Some((editor, before)) = open_editor() else {
            let (turn, turns) = mpsc::channel();
            spawn("input", move || read(&turns, &items))?;
            return Ok(Self(Kind::Pipe(turn)));
        };
        let (orders, queue) = mpsc::channel();
        let (ended, end) = mpsc::channel();
        let keys = orders.clone();
        spawn("editor", move || {
            // Where the terminal is gone nobody types any more.
            if edit(editor, &queue, &items).is_err() {
                let _ = items.send(Item::End);
            }
            drop(ended);
        })?;
        spawn("keys", move || pass_keys(&keys))?;
        Ok(Self(Kind::Terminal(Terminal { before, orders, end })))
    }

    /// Whether somebody types on a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.0, Kind::Terminal(_))
    }

    /// Lets the next line be typed.
    pub(crate) fn let_type(&self) {
        // Without a reader the end of input is under way.
        match &self.0 {
            Kind::Terminal(terminal) => drop(terminal.orders.send(Order::LetType)),
            Kind::Pipe(turn) => drop(turn.send(())),
        }
    }

    /// Prints one line or several.
    pub(crate) fn say(&self, text: &str) -> Result<(), Error> {
        match &self.0 {
            // Not from here: this does not wait for a terminal.
            Kind::Terminal(terminal) => {
                drop(terminal.orders.send(Order::Print(text.to_owned())));
                Ok(())
            }
            Kind::Pipe(_) => say(format_args!("{text}")),
        }
    }

    /// Prints what is left to print and gives the terminal back as it was.
    pub(crate) fn close(self) {
        let Kind::Terminal(Terminal { before, orders, end }) = self.0 else { return };
        drop(orders.send(Order::End));
        let _ = end.recv();
        // Where that fails the terminal is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
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

/// An editor, and how the terminal was set before; `None` where there is no terminal, or one that nothing can be edited
/// on.
fn open_editor() -> Option<(Editor<Stdout>, Termios)> {
    let dumb = std::env::var_os("TERM").is_none_or(|kind| kind == "dumb");
    // The editor would draw its prompt among the objects for programs.
    if dumb || speaks_json() || !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return None;
    }
    let before = tcgetattr(io::stdin()).ok()?;
    let (columns, _) = terminal::size().ok()?;
    terminal::enable_raw_mode().ok()?;
    Some((Editor::new(io::stdout(), columns), before))
}

/// Hands on what the terminal brings.
fn pass_keys(orders: &Sender<Order>) {
    loop {
        let event = event::read().ok();
        let end = event.is_none();
        if orders.send(Order::Key(event)).is_err() || end {
            return;
        }
    }
}

/// Has the line that is edited, until it is told to end.
fn edit(mut editor: Editor<Stdout>, orders: &Receiver<Order>, items: &Sender<Item>) -> io::Result<()> {
    let mut typing = false;
    let mut waiting = VecDeque::new();
    editor.draw()?;
    for order in orders {
        match order {
            Order::LetType => typing = true,
            Order::Print(text) => editor.print(&text)?,
            Order::Key(event) => waiting.push_back(event),
            Order::End if typing => return editor.leave(),
            Order::End => return editor.clear(),
        }
        while typing && let Some(event) = waiting.pop_front() {
            let item = match event.map_or(Ok(Typed::End), |event| editor.take(&event))? {
                Typed::Nothing => continue,
                Typed::Line(line) => Item::Line(line),
                Typed::End => Item::End,
            };
            typing = false;
            if items.send(item).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
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
