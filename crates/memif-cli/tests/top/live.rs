//! What a screen shows, through a terminal emulator, and what is left of it.

use rustix::process::Signal;
use testkit::{Address, Terminal, VppLikeSlave, eventually};

use crate::figures::linked;
use crate::util::{Directory, master};

const MEMIF: &str = env!("CARGO_BIN_EXE_memif");

const SIZE: (u16, u16) = (80, 24);
/// A locale with more than ASCII, and colours, whoever runs the test.
const RICH: &[(&str, &str)] = &[("LC_ALL", "C.UTF-8"), ("NO_COLOR", "")];

fn top(options: &str, environment: &[(&str, &str)]) -> Terminal {
    let arguments = format!("top --delay 0.2 {options}");
    Terminal::start(MEMIF, &arguments.split_whitespace().collect::<Vec<_>>(), SIZE, environment)
}

/// Waits for a line that begins with that, blanks aside.
#[track_caller]
fn expect_start(top: &mut Terminal, start: &str) -> String {
    top.wait_for(start, |lines| lines.iter().find(|line| line.trim_start().starts_with(start)).cloned())
}

pub(crate) fn links_come_and_go() {
    let directory = Directory::new();
    let mut responder = master(&directory.text("memif.sock"), "");
    let mut top = top(&format!("--pid {}", responder.pid()), RICH);
    expect_start(&mut top, "no link is seen");
    let address = Address::Path(directory.path("memif.sock"));
    let link = VppLikeSlave::default().connect(&address);
    responder.expect("connected to");
    let own = std::process::id().to_string();
    expect_start(&mut top, &format!("> {own:>6} "));
    assert!(top.lines()[0].starts_with("memif top  1 link of 2 processes"), "{:?}", top.lines());
    let row = expect_start(&mut top, &responder.pid().to_string());
    assert!(row.contains("memif           master"), "{row}");
    // One link in full, a filter that nothing fits, and back.
    top.keys("\r");
    let queue = expect_start(&mut top, "s>m 0");
    assert!(queue.contains("/1024"), "{queue}");
    expect_start(&mut top, "m>s 0");
    top.keys("\u{1b}");
    expect_start(&mut top, "PID");
    top.keys("/nothing-of-that-name\r");
    expect_start(&mut top, "no link is about that");
    top.keys("/\u{15}\r?");
    expect_start(&mut top, "Up, Down");
    top.keys("x");
    expect_start(&mut top, &responder.pid().to_string());
    drop(link);
    expect_start(&mut top, "no link is seen");
    top.keys("q");
    assert!(top.finish().0.success());
}

pub(crate) fn any_size() {
    let directory = Directory::new();
    let (responder, _link) = linked(&directory);
    let pid = responder.pid().to_string();
    let mut top = top(&format!("--pid {pid}"), RICH);
    for (columns, rows) in [SIZE, (40, 10), (132, 50), (20, 4), SIZE] {
        top.resize((columns, rows));
        // The line of titles is as wide as the screen, and nothing is left of what was wider or higher.
        top.look_for("a screen of that size", |top| {
            let screen = top.screen();
            let inverse = |column| screen.cell(1, column).is_some_and(vt100::Cell::inverse);
            let wide = (0..columns).all(inverse) && screen.cell(2, columns - 1).is_some_and(|cell| !cell.inverse());
            let lines = top.lines();
            let last = rows <= 4 || lines.get(usize::from(rows) - 1).is_some_and(|line| line.starts_with("? help"));
            let named = lines.iter().any(|line| line.contains(if columns > 20 { &pid } else { "memif" }));
            (wide && last && named).then_some(())
        });
    }
    top.keys("q");
    assert!(top.finish().0.success());
}

pub(crate) fn no_colour() {
    let directory = Directory::new();
    let (responder, _link) = linked(&directory);
    for (environment, colours) in [(RICH, true), (&[("LC_ALL", "C"), ("NO_COLOR", "1")][..], false)] {
        let mut top = top(&format!("--pid {}", responder.pid()), environment);
        expect_start(&mut top, &responder.pid().to_string());
        // With rates, so that all is drawn that there is.
        top.wait_for("rates", |lines| lines.iter().any(|line| line.contains(" 100%")).then_some(()));
        let screen = top.screen();
        let (rows, columns) = (0..SIZE.1, 0..SIZE.0);
        let cells = rows.flat_map(|row| columns.clone().filter_map(move |column| screen.cell(row, column)));
        let coloured = cells.filter(|cell| cell.fgcolor() != vt100::Color::Default).count();
        assert_eq!(coloured > 0, colours, "{:?}", top.lines());
        assert!(colours || screen.contents().is_ascii(), "{:?}", top.lines());
        top.keys("q");
        assert!(top.finish().0.success());
    }
}

/// Whether the program has the screen for itself and keys come one by one.
fn has_terminal(top: &Terminal) -> bool {
    top.is_raw() && top.screen().alternate_screen() && top.screen().hide_cursor()
}

fn gave_terminal_back(top: &Terminal) -> bool {
    !top.is_raw() && !top.screen().alternate_screen() && !top.screen().hide_cursor()
}

pub(crate) fn terminal_is_given_back() {
    let own = std::process::id();
    for end in [Some(Signal::TERM), Some(Signal::INT), Some(Signal::HUP), Some(Signal::QUIT), None] {
        let mut top = top(&format!("--pid {own}"), RICH);
        expect_start(&mut top, "no link is seen");
        assert!(has_terminal(&top));
        match end {
            Some(signal) => top.signal(signal),
            // As keys come from a terminal that is raw.
            None => top.keys("\u{3}"),
        }
        let (status, lines) = top.finish();
        assert!(status.success(), "{end:?}: {status} {lines:?}");
        assert!(gave_terminal_back(&top) && lines.is_empty(), "{end:?}: {lines:?}");
    }
}

/// The state of a process, as `T` for stopped.
fn is_stopped(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

pub(crate) fn stops_and_goes_on() {
    let own = std::process::id();
    let mut top = top(&format!("--pid {own}"), RICH);
    for by_key in [true, false] {
        expect_start(&mut top, "no link is seen");
        if by_key {
            top.keys("\u{1a}");
        } else {
            top.signal(Signal::TSTP);
        }
        eventually("it stops", || is_stopped(top.pid()).then_some(()));
        top.look_for("the shell's screen", |top| gave_terminal_back(top).then_some(()));
        top.signal(Signal::CONT);
        top.look_for("its screen", |top| has_terminal(top).then_some(()));
    }
    // One that cannot be noticed, after which a shell sets the terminal as it likes it.
    expect_start(&mut top, "no link is seen");
    top.signal(Signal::STOP);
    eventually("it is stopped", || is_stopped(top.pid()).then_some(()));
    top.cook();
    top.signal(Signal::CONT);
    eventually("it takes the terminal again", || top.is_raw().then_some(()));
    top.keys("?");
    expect_start(&mut top, "Up, Down");
    top.keys("qq");
    assert!(top.finish().0.success());
    assert!(gave_terminal_back(&top));
}

pub(crate) fn terminal_goes_away() {
    // Whoever started it may have it ignore the signal that tells of that.
    for ignore in ["", "trap '' HUP;"] {
        let command = format!("{ignore} exec {MEMIF} top --pid {}", std::process::id());
        let mut top = Terminal::start("sh", &["-c", &command], SIZE, RICH);
        expect_start(&mut top, "no link is seen");
        let status = top.hang_up();
        assert!(status.code().is_some(), "{ignore:?}: {status}");
    }
}

pub(crate) fn terminal_takes_nothing() {
    let own = std::process::id();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let mut top = top(&format!("--pid {own}"), RICH);
        expect_start(&mut top, "no link is seen");
        // Each key changes the whole screen, and from here on nobody reads what that prints.
        eventually("the terminal takes no more", || {
            top.keys("?");
            top.is_stuck().then_some(())
        });
        top.signal(signal);
        let status = top.finish_unread();
        assert!(status.success() && !top.is_raw(), "{signal:?}: {status}");
    }
}
