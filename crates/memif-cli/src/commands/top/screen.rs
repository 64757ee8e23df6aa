//! `memif top` on a terminal.
//!
//! One thread draws and has the keys' meaning, so it alone waits where a terminal takes nothing; one reads keys. This
//! one waits for signals and for the end, and gives the terminal back in any case: when the drawing thread does not do
//! it within [`PATIENCE`], the terminal is stuck, and what is left to write is thrown away.

use std::io::{self, Stdout, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use crossterm::cursor::Show;
use crossterm::event::{self, Event};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};
use nix::sys::termios::{FlushArg, SetArg, Termios, tcflush, tcgetattr, tcsetattr};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::figures::Snapshot;
use super::options::TopOptions;
use super::sample::{Plan, Sampler, spawn};
use super::ui::{Ui, Wish};
use super::view::{self, Theme};
use crate::endpoint::driver::Notice;
use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::exit::Outcome;

/// How long the drawing thread may take to give the terminal back. Shorter than the time after which a second signal
/// ends the command at once.
const PATIENCE: Duration = Duration::from_millis(250);
/// Exit status after a panic, as of any program in Rust.
const PANICKED: i32 = 101;

/// What the drawing thread is told.
enum Item {
    Snapshot(Snapshot),
    /// A key, or something else that the terminal said.
    Terminal(Event),
    /// Draw all of it, in the size that the terminal has now.
    Redraw,
    /// Give the terminal back, and say so.
    Leave(Sender<()>),
    /// Take it again.
    Enter,
    /// Nobody types or reads any more.
    End,
}

/// What the main thread waits for.
enum Happening {
    Notice(Notice),
    /// The command is to be stopped, goes on, or has a window of another size.
    Signal(i32),
    /// The drawing thread has ended.
    Over(io::Result<()>),
}

/// Shows links until a key or a signal ends it.
pub(super) fn run(options: &TopOptions) -> Result<Outcome, Error> {
    let (items, inbox) = mpsc::channel();
    let (happenings, happened) = mpsc::channel();
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| Error::System { what, advice: "try --batch", source }
    };
    let before = tcgetattr(io::stdin()).map_err(|error| failed("the terminal cannot be asked")(error.into()))?;
    listen(&happenings)?;
    let plan = Plan { pid: options.pid, period: options.delay, at_once: true };
    let figures = items.clone();
    let sampler = Sampler::start(plan, move |snapshot| figures.send(Item::Snapshot(snapshot)).is_ok())?;
    give_back_after_panics(before.clone());
    enable_raw_mode().map_err(failed("the terminal cannot be set"))?;
    let keys = items.clone();
    spawn("keys", move || pass_keys(&keys))?;
    let over = happenings;
    spawn("screen", move || {
        let drawn = Screen::new(sampler).and_then(|screen| screen.run(&inbox));
        let _ = over.send(Happening::Over(drawn));
    })?;
    let ended = wait(&happened, &items, &before);
    // Where that fails the terminal is gone.
    let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
    ended.map(|()| Outcome::Success).map_err(Error::Output)
}

/// Has signals come as happenings.
fn listen(happenings: &Sender<Happening>) -> Result<(), Error> {
    let (notices, told) = mpsc::channel();
    Stop::listen(notices)?;
    let mut signals = Signals::new([SIGTSTP, SIGCONT, SIGWINCH]).map_err(|source| Error::System {
        what: "cannot receive signals".to_owned(),
        advice: "raise the limits of processes and open files (ulimit -u, ulimit -n)",
        source,
    })?;
    let (to, others) = (happenings.clone(), happenings.clone());
    // Without a receiver the command is ending already.
    spawn("notices", move || told.into_iter().for_each(|notice| drop(to.send(Happening::Notice(notice)))))?;
    spawn("job", move || signals.forever().for_each(|signal| drop(others.send(Happening::Signal(signal)))))
}

/// Waits for the end, and stops and goes on as a shell asks for.
fn wait(happened: &Receiver<Happening>, items: &Sender<Item>, before: &Termios) -> io::Result<()> {
    loop {
        match happened.recv() {
            Ok(Happening::Over(result)) => return result,
            Ok(Happening::Notice(Notice::Signal)) | Err(_) => {
                let _ = items.send(Item::End);
                return match happened.recv_timeout(PATIENCE) {
                    Ok(Happening::Over(result)) => result,
                    _ => {
                        throw_away();
                        Ok(())
                    }
                };
            }
            Ok(Happening::Signal(SIGTSTP)) => {
                let (left, wait) = mpsc::channel();
                let _ = items.send(Item::Leave(left));
                if wait.recv_timeout(PATIENCE).is_err() {
                    throw_away();
                    let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
                }
                // From here it is stopped, until the shell lets it go on.
                let _ = emulate_default_handler(SIGTSTP);
                let _ = items.send(Item::Enter);
            }
            // The shell set the terminal as it likes it, after a stop that cannot be noticed, too.
            Ok(Happening::Signal(SIGCONT)) => drop(items.send(Item::Enter)),
            // The window has another size, or somebody asks.
            Ok(Happening::Signal(_) | Happening::Notice(_)) => drop(items.send(Item::Redraw)),
        }
    }
}

/// Throws away what a stuck terminal does not take.
fn throw_away() {
    let _ = tcflush(io::stdout(), FlushArg::TCOFLUSH);
}

/// Whichever thread panics, the terminal is given back, that is told, and the command ends: without one of its threads
/// the screen would stand still.
fn give_back_after_panics(before: Termios) {
    let tell = std::panic::take_hook();
    // Its flags are plain numbers, but the type has a cell in it.
    let before = std::sync::Mutex::new(before);
    std::panic::set_hook(Box::new(move |panic| {
        if let Ok(before) = before.lock() {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
        }
        // From here on the drawing thread cannot draw.
        let mut out = io::stdout().lock();
        let _ = execute!(out, LeaveAlternateScreen, Show);
        tell(panic);
        std::process::exit(PANICKED);
    }));
}

/// Hands on what the terminal brings, until it is gone.
fn pass_keys(items: &Sender<Item>) {
    let stdin = io::stdin();
    loop {
        // crossterm asks a terminal that has gone again and again without a pause, so it is not let near one.
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        let polled = poll(&mut ready, None);
        let [ready] = &ready;
        let gone = ready.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
        match polled {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(_) if !gone => {}
            _ => break,
        }
        while let Ok(true) = event::poll(Duration::ZERO) {
            let Ok(event) = event::read() else { return };
            if items.send(Item::Terminal(event)).is_err() {
                return;
            }
        }
    }
    // Without a receiver the command is ending already.
    let _ = items.send(Item::End);
}

/// The drawing thread.
struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    ui: Ui,
    theme: Theme,
    sampler: Sampler,
    /// Whether the terminal is this command's now.
    entered: bool,
}

impl Screen {
    fn new(sampler: Sampler) -> io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(Self { terminal, ui: Ui::default(), theme: Theme::of_environment(), sampler, entered: false })
    }

    fn run(mut self, inbox: &Receiver<Item>) -> io::Result<()> {
        self.enter()?;
        let mut ended = self.converse(inbox);
        if self.entered {
            ended = ended.and(self.leave());
        }
        ended
    }

    fn converse(&mut self, inbox: &Receiver<Item>) -> io::Result<()> {
        while let Ok(item) = inbox.recv() {
            // What came meanwhile is drawn in one go.
            for item in std::iter::once(item).chain(inbox.try_iter()) {
                match item {
                    Item::Snapshot(snapshot) => self.ui.take(snapshot),
                    Item::Terminal(event) => match self.ui.event(&event) {
                        Wish::Nothing => {}
                        Wish::Quit => return Ok(()),
                        Wish::ForgetPeaks => self.sampler.forget_peaks(),
                        Wish::Redraw => self.anew()?,
                        // As the terminal would do it: all that was started by one line of a shell stops.
                        Wish::Suspend => {
                            let _ = kill_current_process_group(Signal::TSTP);
                        }
                    },
                    Item::Redraw => self.anew()?,
                    Item::Leave(left) => {
                        self.leave()?;
                        let _ = left.send(());
                    }
                    Item::Enter => self.enter()?,
                    Item::End => return Ok(()),
                }
            }
            if self.entered {
                self.draw()?;
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let (ui, theme) = (&mut self.ui, self.theme);
        let draw = |frame: &mut ratatui::Frame<'_>| {
            let area = frame.area();
            if let Some(cursor) = view::draw(ui, theme, area, frame.buffer_mut()) {
                frame.set_cursor_position(cursor);
            }
        };
        self.terminal.draw(draw).map(drop)
    }

    /// Takes the terminal, whatever was set there meanwhile.
    fn enter(&mut self) -> io::Result<()> {
        disable_raw_mode()?;
        enable_raw_mode()?;
        queue!(io::stdout(), EnterAlternateScreen)?;
        self.entered = true;
        self.anew()
    }

    /// Forgets what is on the screen. The terminal's own way would ask it where its cursor is, and wait for the answer.
    fn anew(&mut self) -> io::Result<()> {
        if self.entered {
            queue!(io::stdout(), crossterm::terminal::Clear(crossterm::terminal::ClearType::All))?;
            self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        }
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        self.entered = false;
        execute!(io::stdout(), LeaveAlternateScreen, Show)?;
        disable_raw_mode()?;
        io::stdout().flush()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rustix::process::Signal;
    use signal_hook::consts::SIGUSR2;
    use signal_hook::iterator::Signals;
    use testkit::Terminal;

    use super::super::options::TopOptions;

    /// In the environment of the process that is to panic.
    const PANICS: &str = "MEMIF_TEST_PANICS";

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        top: TopOptions,
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        if std::env::var_os(PANICS).is_some() {
            panic_when_signalled();
            return;
        }
        let own = std::env::current_exe().expect("the path of this test");
        let name = "commands::top::screen::tests::a_panic_gives_the_terminal_back";
        let environment = [(PANICS, "1"), ("RUST_BACKTRACE", "0")];
        let mut top = Terminal::start(own, &["--exact", name, "--nocapture"], (80, 24), &environment);
        top.look_for("a screen", |top| top.screen().contents().contains("no link is seen").then_some(()));
        assert!(top.is_raw() && top.screen().alternate_screen() && top.screen().hide_cursor());
        top.signal(Signal::USR2);
        let (status, lines) = top.finish();
        assert_eq!(status.code(), Some(super::PANICKED), "{lines:?}");
        assert!(!top.is_raw() && !top.screen().alternate_screen() && !top.screen().hide_cursor(), "{lines:?}");
        assert!(lines.iter().any(|line| line == "on purpose"), "{lines:?}");
    }

    /// What the other process does: all of the command, and a thread of it that panics.
    fn panic_when_signalled() {
        let mut signals = Signals::new([SIGUSR2]).expect("signals can be received");
        super::spawn("other", move || {
            signals.forever().next();
            panic!("on purpose");
        })
        .expect("a thread can be started");
        let own = std::process::id().to_string();
        let line = Line::parse_from(["top", "--pid", &own]);
        super::run(&line.top).expect("it runs until it panics");
    }
}
