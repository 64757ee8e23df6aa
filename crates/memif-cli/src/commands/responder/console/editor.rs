//! One line that is edited at the bottom of a terminal, while other lines are printed above it.
//!
//! `tui-input` has the line and `crossterm` the keys; this draws it, and does what a shell does besides: history,
//! completion, help where the cursor is.

use std::io::{self, Write};

use crossterm::cursor::{MoveDown, MoveToColumn, MoveUp};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{Clear, ClearType};
use crossterm::{QueueableCommand, queue};
use tui_input::backend::crossterm::to_input_request;
use tui_input::{Input, InputRequest};

use super::completion;

/// What is printed where a command is expected.
const PROMPT: &str = "# ";
/// Lines that are kept to come back to.
const MOST_HISTORY: usize = 1000;

/// What came of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// The line goes on.
    Nothing,
    /// It is over.
    Line(String),
    /// Nobody will type any more.
    End,
}

/// The line, and the screen below which it stands.
#[derive(Debug)]
pub(super) struct Editor<W> {
    screen: W,
    columns: usize,
    line: Input,
    /// Rows of the drawn line above the one with the cursor.
    row: usize,
    history: Vec<String>,
    /// Which line of the history is shown, counted from the end; 0 is a new one.
    back: usize,
    /// The new one, while another is shown.
    kept: String,
}

impl<W: Write> Editor<W> {
    /// An empty line on a screen that is so wide, not drawn yet.
    pub(super) fn new(screen: W, columns: u16) -> Self {
        Self {
            screen,
            columns: usize::from(columns).max(1),
            line: Input::default(),
            row: 0,
            history: Vec::new(),
            back: 0,
            kept: String::new(),
        }
    }

    /// Prints lines above.
    pub(super) fn print(&mut self, text: &str) -> io::Result<()> {
        self.erase()?;
        for line in text.lines() {
            write!(self.screen, "{line}\r\n")?;
        }
        self.draw()
    }

    /// Takes a key, or another size of the screen.
    pub(super) fn take(&mut self, event: &Event) -> io::Result<Typed> {
        match event {
            Event::Resize(columns, _) => {
                self.erase()?;
                self.columns = usize::from(*columns).max(1);
                self.draw()?;
                Ok(Typed::Nothing)
            }
            Event::Key(key) if key.kind != KeyEventKind::Release => self.take_key(event, *key),
            _ => Ok(Typed::Nothing),
        }
    }

    fn take_key(&mut self, event: &Event, key: KeyEvent) -> io::Result<Typed> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Ok(Typed::End),
            KeyCode::Char('d') if control && self.line.value().is_empty() => return Ok(Typed::End),
            KeyCode::Enter => return self.enter().map(Typed::Line),
            // As some terminals send it, and pasted text has it.
            KeyCode::Char('j') if control => return self.enter().map(Typed::Line),
            KeyCode::Char('l') if control => {
                queue!(self.screen, Clear(ClearType::All), crossterm::cursor::MoveTo(0, 0))?;
                self.row = 0;
                return self.draw().map(|()| Typed::Nothing);
            }
            _ => {}
        }
        self.erase()?;
        match key.code {
            KeyCode::Up => self.go_back(self.back + 1),
            KeyCode::Down if self.back > 0 => self.go_back(self.back - 1),
            KeyCode::Tab => self.complete()?,
            KeyCode::Char('?') => {
                let before = self.before_cursor();
                self.list(&completion::help(&before))?;
            }
            KeyCode::Char('d') if control => self.request(InputRequest::DeleteNextChar),
            _ => {
                if let Some(request) = to_input_request(event) {
                    self.request(request);
                }
            }
        }
        self.draw().map(|()| Typed::Nothing)
    }

    fn request(&mut self, request: InputRequest) {
        // Whether it changed anything does not matter: it is drawn anew.
        let _ = self.line.handle(request);
    }

    /// Leaves the line where it is and begins another.
    fn enter(&mut self) -> io::Result<String> {
        self.erase()?;
        let line = self.line.value_and_reset();
        write!(self.screen, "{PROMPT}{line}\r\n")?;
        if !line.trim().is_empty() {
            if self.history.len() >= MOST_HISTORY {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        (self.back, self.kept) = (0, String::new());
        self.draw()?;
        Ok(line)
    }

    fn go_back(&mut self, to: usize) {
        if self.back == 0 {
            self.kept = self.line.value().to_owned();
        }
        let shown = match to {
            0 => Some(&self.kept),
            to => self.history.len().checked_sub(to).and_then(|at| self.history.get(at)),
        };
        if let Some(shown) = shown {
            self.line = Input::new(shown.clone());
            self.back = to;
        }
    }

    fn before_cursor(&self) -> String {
        self.line.value().chars().take(self.line.cursor()).collect()
    }

    fn complete(&mut self) -> io::Result<()> {
        let completion = completion::complete(&self.before_cursor());
        for c in completion.added.chars() {
            self.request(InputRequest::InsertChar(c));
        }
        if completion.added.is_empty() { self.list(&completion.choices) } else { Ok(()) }
    }

    /// Shows the line as it is and lines below it, under which it then goes on.
    fn list(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        write!(self.screen, "{PROMPT}{}\r\n", self.line.value())?;
        lines.iter().try_for_each(|line| write!(self.screen, "{line}\r\n"))
    }

    /// Takes the line off the screen for good.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.erase()?;
        self.screen.flush()
    }

    fn erase(&mut self) -> io::Result<()> {
        if let Ok(rows @ 1..) = u16::try_from(self.row) {
            self.screen.queue(MoveUp(rows))?;
        }
        self.row = 0;
        queue!(self.screen, MoveToColumn(0), Clear(ClearType::FromCursorDown))
    }

    /// Puts the line on the screen, from the row where the cursor is.
    pub(super) fn draw(&mut self) -> io::Result<()> {
        let value = self.line.value();
        write!(self.screen, "{PROMPT}{value}")?;
        let end = PROMPT.len() + Input::new(value.to_owned()).visual_cursor();
        if end.is_multiple_of(self.columns) {
            // Where the last column is full, terminals differ in where the cursor is.
            write!(self.screen, "\r\n")?;
        }
        let cursor = PROMPT.len() + self.line.visual_cursor();
        let up = end / self.columns - (cursor / self.columns).min(end / self.columns);
        if let Ok(rows @ 1..) = u16::try_from(up) {
            self.screen.queue(MoveUp(rows))?;
        }
        self.screen.queue(MoveToColumn(u16::try_from(cursor % self.columns).unwrap_or_default()))?;
        self.row = cursor / self.columns;
        self.screen.flush()
    }

    /// Goes below the line, which stays.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        let end = PROMPT.len() + Input::new(self.line.value().to_owned()).visual_cursor();
        if let Ok(rows @ 1..) = u16::try_from(end / self.columns - self.row.min(end / self.columns)) {
            self.screen.queue(MoveDown(rows))?;
        }
        write!(self.screen, "\r\n")?;
        self.screen.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroU16;

    const ROWS: u16 = 200;

    struct Room {
        editor: Editor<Vec<u8>>,
        terminal: vt100::Parser,
        columns: u16,
    }

    impl Room {
        fn new(columns: u16) -> Self {
            let size = |n| NonZeroU16::new(n).unwrap();
            let mut editor = Editor::new(Vec::new(), columns);
            editor.draw().unwrap();
            Self { editor, terminal: vt100::Parser::new(size(ROWS), size(columns), 0), columns }
        }

        fn hit(&mut self, code: KeyCode) -> Typed {
            self.editor.take(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE))).unwrap()
        }

        fn hit_with_control(&mut self, c: char) -> Typed {
            self.editor.take(&Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))).unwrap()
        }

        fn write(&mut self, text: &str) {
            for c in text.chars() {
                self.hit(KeyCode::Char(c));
            }
        }

        /// What is on the screen, and where the cursor is.
        fn screen(&mut self) -> (Vec<String>, (u16, u16)) {
            self.terminal.process(&std::mem::take(&mut self.editor.screen));
            let rows = self.terminal.screen().rows(0, self.columns);
            let mut rows: Vec<_> = rows.map(|row| row.trim_end().to_owned()).collect();
            while rows.last().is_some_and(String::is_empty) {
                rows.pop();
            }
            (rows, self.terminal.screen().cursor_position())
        }
    }

    #[test]
    fn a_line_is_edited_and_taken() {
        let mut room = Room::new(80);
        room.write("shw");
        room.hit(KeyCode::Left);
        room.write("o");
        assert_eq!(room.screen(), (vec!["# show".to_owned()], (0, 5)));
        room.hit_with_control('e');
        room.hit(KeyCode::Backspace);
        assert_eq!(room.screen().0, ["# sho"]);
        room.hit_with_control('u');
        room.write("exit");
        assert_eq!(room.hit(KeyCode::Enter), Typed::Line("exit".to_owned()));
        assert_eq!(room.screen(), (vec!["# exit".to_owned(), "#".to_owned()], (1, 2)));
        assert_eq!(room.hit_with_control('d'), Typed::End);
        room.write("x");
        assert_eq!((room.hit_with_control('d'), room.hit_with_control('c')), (Typed::Nothing, Typed::End));
    }

    #[test]
    fn lines_are_printed_above() {
        let mut room = Room::new(20);
        // Of two rows, with the cursor in the first.
        room.write("0123456789012345678901234");
        room.hit(KeyCode::Home);
        room.editor.print("one\ntwo").unwrap();
        let (rows, cursor) = room.screen();
        assert_eq!(rows, ["one", "two", "# 012345678901234567", "8901234"]);
        assert_eq!(cursor, (2, 2));
        // Just as long as the screen is wide.
        room.hit(KeyCode::End);
        room.hit_with_control('u');
        room.write("012345678901234567");
        room.editor.print("three").unwrap();
        assert_eq!(room.screen(), (["one", "two", "three", "# 012345678901234567"].map(str::to_owned).into(), (4, 0)));
        room.editor.leave().unwrap();
        assert_eq!(room.screen().1, (5, 0));
    }

    #[test]
    fn lines_come_back() {
        let mut room = Room::new(80);
        for line in ["show", "  ", "help"] {
            room.write(line);
            room.hit(KeyCode::Enter);
        }
        room.write("ex");
        let mut last = |code| {
            room.hit(code);
            room.screen().0.pop().unwrap()
        };
        for (code, shown) in [
            (KeyCode::Up, "# help"),
            (KeyCode::Up, "# show"),
            (KeyCode::Up, "# show"),
            (KeyCode::Down, "# help"),
            (KeyCode::Down, "# ex"),
            (KeyCode::Down, "# ex"),
        ] {
            assert_eq!(last(code), shown);
        }
    }

    #[test]
    fn words_are_completed_and_explained() {
        let mut room = Room::new(80);
        room.write("r");
        room.hit(KeyCode::Tab);
        assert_eq!(room.screen().0, ["# rx-mode"]);
        room.write("0 0 ");
        room.hit(KeyCode::Tab);
        assert_eq!(room.screen().0, ["# rx-mode 0 0", "polling  interrupt  adaptive", "# rx-mode 0 0"]);
        room.write("p");
        room.hit(KeyCode::Tab);
        assert_eq!(room.screen().0.pop().unwrap(), "# rx-mode 0 0 polling");
        room.hit_with_control('u');
        room.write("del ?");
        let rows = room.screen().0;
        assert_eq!(rows[rows.len() - 3..], ["# del", "  del  <index> - delete memif", "# del"]);
    }

    proptest! {
        /// Whatever is typed on however narrow a screen: the line stands where it should.
        #[test]
        fn any_keys_leave_the_line_where_it_should_be(
            columns in 4_u16..40,
            keys in prop::collection::vec(0_u8..12, 0..80),
        ) {
            let mut room = Room::new(columns);
            for key in keys {
                match key {
                    0..=4 => room.write("ab "),
                    5 => drop(room.hit(KeyCode::Left)),
                    6 => drop(room.hit(KeyCode::Backspace)),
                    7 => drop(room.hit(KeyCode::Home)),
                    8 => drop(room.hit(KeyCode::End)),
                    9 => drop(room.hit(KeyCode::Delete)),
                    10 => drop(room.hit(KeyCode::Right)),
                    _ => room.editor.print("x").unwrap(),
                }
            }
            let (line, cursor) = (room.editor.line.value().to_owned(), room.editor.line.cursor() + 2);
            let (rows, place) = room.screen();
            let printed = rows.iter().take_while(|row| *row == "x").count();
            let width = usize::from(columns);
            let shown: String = rows[printed..].iter().map(|row| format!("{row:<width$}")).collect();
            let wanted = format!("# {line}");
            prop_assert_eq!(shown.trim_end(), wanted.trim_end());
            let row = printed + cursor / usize::from(columns);
            prop_assert_eq!((usize::from(place.0), usize::from(place.1)), (row, cursor % usize::from(columns)));
        }
    }
}
