//! `memif responder` with commands: the application that libmemif's users know, with more of everything.
//!
//! One thread, this one, has the table of interfaces and says everything. Lines, events and log lines come to it as
//! items; it waits for nothing else but short answers of the socket's thread. Each link is served by a thread of its
//! own.

mod answer;
mod command;
mod completion;
mod editor;
mod item;
mod screen;
mod table;
mod words;

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;

use memif::{Name, Role};

use crate::endpoint::driver::{Driver, Notice, receive};
use crate::endpoint::metrics::MetricsOptions;
use crate::endpoint::options::InterfaceOptions;
use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::{redirect_log, report, speaks_json, warn};
use answer::{Answer, DoneReport, HelpReport, RejectedReport};
use command::{COMMANDS, Command, MORE_HELP};
use item::Item;
use screen::Screen;
use table::Table;

/// What peers are told of the program and of each interface, as libmemif's example does it.
const APP_NAME: &str = "ICMP_Responder";
const INTERFACE_NAME: &str = "memif_connection";

/// Takes commands until `exit`, the end of the input, or a signal.
pub(crate) fn run(options: &InterfaceOptions, metrics: &MetricsOptions, verbose: bool) -> Result<Outcome, Error> {
    let name = |text: &str| Name::lossy(text.as_bytes());
    let options = options.with_names(name(APP_NAME), name(INTERFACE_NAME));
    // Settings that cannot be are told now and not with the first interface.
    for role in [Role::Slave, Role::Master] {
        options.interface(role, 0)?;
    }
    let address = options.address()?;
    let (notices, events) = mpsc::channel();
    // Whoever waits for the metrics may then send signals.
    Stop::listen(notices.clone())?;
    let serving = metrics.serve("responder")?;
    let (items, inbox) = mpsc::channel();
    let screen = Screen::open(items.clone())?;
    let socket = options.socket(address.clone(), Role::Master)?.open()?;
    let driver = Driver::start(socket, notices, serving.metrics().watch())?;
    pass_on("events", events, items.clone(), Item::Notice)?;
    if screen.is_terminal() && io::stderr().is_terminal() {
        let (lines, log) = mpsc::channel();
        pass_on("log", log, items, Item::Log)?;
        redirect_log(lines);
    }
    let mut console =
        Console { screen, table: Table::new(driver, options, address, verbose, serving.metrics().clone()) };
    let result = console.converse(&inbox, verbose).and_then(|()| console.tell_rest());
    console.screen.close();
    let last = console.table.close();
    last.iter().try_for_each(report)?;
    result.map(|()| Outcome::Success)
}

/// Starts a thread that turns what it receives into items.
fn pass_on<T: Send + 'static>(
    name: &str,
    from: Receiver<T>,
    to: Sender<Item>,
    item: impl Fn(T) -> Item + Send + 'static,
) -> Result<(), Error> {
    let work = move || {
        for thing in from {
            if to.send(item(thing)).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|source| Error::System {
        what: "cannot start a thread".to_owned(),
        advice: "raise the limit of processes (ulimit -u)",
        source,
    })
}

struct Console {
    screen: Screen,
    table: Table,
}

impl Console {
    fn converse(&mut self, inbox: &Receiver<Item>, verbose: bool) -> Result<(), Error> {
        self.screen.say(&banner(verbose))?;
        self.screen.let_type();
        loop {
            for answer in self.table.overdue() {
                self.tell(&answer)?;
            }
            let item = match receive(inbox, self.table.due()) {
                Ok(item) => item,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            match item {
                Item::Line(line) => {
                    let command = command::parse(&line);
                    let answer = match &command {
                        Ok(Some(command)) => self.obey(*command, &line),
                        Ok(None) => {
                            self.screen.let_type();
                            continue;
                        }
                        Err(answer) => Err(answer.clone()),
                    };
                    self.finish(line.trim(), answer)?;
                    if matches!(command, Ok(Some(Command::Exit))) {
                        return Ok(());
                    }
                    self.screen.let_type();
                }
                Item::Overlong => {
                    self.reject(None, "this line is too long for a command: type help".to_owned())?;
                    self.screen.let_type();
                }
                Item::End => return Ok(()),
                Item::Notice(Notice::Event(event)) => {
                    let answer = self.table.handle(event);
                    self.tell(&answer)?;
                }
                Item::Notice(Notice::Failed(error)) => return Err(error.into()),
                Item::Notice(Notice::Signal) => return Ok(()),
                Item::Notice(Notice::Figures) => match self.table.show() {
                    Ok(answer) => self.tell(&answer)?,
                    Err(problem) => self.screen.say(&problem)?,
                },
                Item::Log(line) => self.screen.say(&line)?,
            }
        }
    }

    /// Says what was counted and not said.
    fn tell_rest(&mut self) -> Result<(), Error> {
        self.table.finish().iter().try_for_each(|answer| self.tell(answer))
    }

    fn obey(&mut self, command: Command, line: &str) -> Result<Answer, String> {
        let table = &mut self.table;
        match command {
            Command::Help => {
                let text = format!("{COMMANDS}\n{MORE_HELP}");
                Ok(Answer::line(text.clone()).and(HelpReport { text }))
            }
            Command::Explain => {
                let lines = completion::help(line.trim_end().trim_end_matches('?'));
                let text = if lines.is_empty() { COMMANDS.to_owned() } else { lines.join("\n") };
                Ok(Answer::line(text.clone()).and(HelpReport { text }))
            }
            Command::Exit => Ok(Answer::default()),
            Command::Conn(index, role) => table.conn(index, role),
            Command::Del(index) => table.del(index),
            Command::Show => table.show(),
            Command::IpSet(index, ip) => table.ip_set(index, ip).map(|()| Answer::default()),
            Command::RxMode(index, queue, mode) => table.rx_mode(index, queue, mode).map(|()| Answer::default()),
        }
    }

    /// Says what came of a command.
    fn finish(&self, line: &str, answer: Result<Answer, String>) -> Result<(), Error> {
        match answer {
            Ok(answer) => {
                self.tell(&answer)?;
                report(&DoneReport { command: line.to_owned() })
            }
            Err(message) => self.reject(Some(line.to_owned()), message),
        }
    }

    fn reject(&self, command: Option<String>, message: String) -> Result<(), Error> {
        self.screen.say(&message)?;
        report(&RejectedReport { command, message })
    }

    fn tell(&self, answer: &Answer) -> Result<(), Error> {
        if let Some(text) = &answer.text {
            self.screen.say(text)?;
        }
        if let Some(note) = &answer.note {
            if speaks_json() {
                warn(format_args!("{note}"));
            } else {
                self.screen.say(note)?;
            }
        }
        answer.reports.iter().try_for_each(report)
    }
}

/// What is printed at the start, laid out as libmemif's example prints it.
fn banner(verbose: bool) -> String {
    let debug = if verbose { " (debug)" } else { "" };
    format!(
        "LIBMEMIF EXAMPLE APP: {APP_NAME}{debug}\n\
         ==============================\n\
         libmemif version: {} (memif for Rust){debug}\n\
         memif version: {}\n\
         {COMMANDS}",
        env!("CARGO_PKG_VERSION"),
        memif::PROTOCOL_VERSION,
    )
}
