//! What somebody looks at: which links, in which order, which of them in full; and what keys do about it.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::figures::{DIRECTIONS, EndFigures, Flow, LinkFigures, Snapshot};

/// What links are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// Packets per second, both directions together.
    #[default]
    Packets,
    /// Bytes per second.
    Bytes,
    /// The fullest ring on average.
    Fill,
    /// The fullest ring ever.
    Peak,
    /// The ring that was full most often.
    Full,
    /// Process id of the slave, or of the first end.
    Pid,
    /// Its name.
    Process,
}

/// In the order in which the keys go through them.
const SORTS: [Sort; 7] = [Sort::Pid, Sort::Process, Sort::Packets, Sort::Bytes, Sort::Fill, Sort::Peak, Sort::Full];

/// What is to be done about a key that is not about what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    Suspend,
    ForgetPeaks,
    /// Draw all of it anew: something else may have written on the screen.
    Redraw,
}

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Ui {
    snapshot: Snapshot,
    /// Whether the links are to stay as they are.
    pub(super) paused: bool,
    pub(super) sort: Sort,
    /// Whether the order is the other one than usual.
    pub(super) reversed: bool,
    filter: String,
    /// The filter while it is typed.
    typing: Option<Input>,
    /// The link with the cursor, by its name; the first one where it is not there.
    selected: Option<String>,
    /// The link that is shown in full.
    pub(super) open: Option<String>,
    /// Lines that were scrolled past in what has no cursor.
    pub(super) scrolled: usize,
    pub(super) help: bool,
    /// Links that a page has; the view says so.
    pub(super) page: usize,
}

impl Ui {
    /// Takes new figures, unless it is paused.
    pub(super) fn take(&mut self, snapshot: Snapshot) {
        if !self.paused {
            self.snapshot = snapshot;
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The filter, and where its cursor is while it is typed.
    pub(super) fn filter(&self) -> (&str, Option<usize>) {
        match &self.typing {
            Some(input) => (input.value(), Some(input.visual_cursor())),
            None => (&self.filter, None),
        }
    }

    /// The links that are shown, in their order.
    pub(super) fn links(&self) -> Vec<&LinkFigures> {
        let filter = self.filter().0.to_lowercase();
        let mut links: Vec<&LinkFigures> =
            self.snapshot.links.iter().filter(|link| matches(link, filter.trim())).collect();
        let down = self.is_descending();
        // Names are equal to themselves alone, so links that are alike keep their places.
        links.sort_by(|one, other| {
            let order = match self.sort {
                Sort::Pid => first_end(one).map(|end| end.pid).cmp(&first_end(other).map(|end| end.pid)),
                Sort::Process => first_end(one).map(|end| &end.name).cmp(&first_end(other).map(|end| &end.name)),
                sort => measure(sort, one).total_cmp(&measure(sort, other)),
            };
            let order = if down { order.reverse() } else { order };
            order.then_with(|| one.id.cmp(&other.id))
        });
        links
    }

    /// Whether the largest comes first: of figures, unless it was turned round.
    pub(super) fn is_descending(&self) -> bool {
        !matches!(self.sort, Sort::Pid | Sort::Process) != self.reversed
    }

    /// Where the cursor is among those links.
    pub(super) fn cursor(&self, links: &[&LinkFigures]) -> usize {
        let selected = self.selected.as_ref();
        links.iter().position(|link| selected == Some(&link.id)).unwrap_or(0)
    }

    /// The link that is shown in full; `None` where it has gone.
    pub(super) fn opened(&self) -> Option<&LinkFigures> {
        let open = self.open.as_ref()?;
        self.snapshot.links.iter().find(|link| link.id == *open)
    }

    /// Does what a key, or another event of the terminal, asks for.
    pub(super) fn event(&mut self, event: &Event) -> Wish {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(event, *key),
            _ => Wish::Nothing,
        }
    }

    fn key(&mut self, event: &Event, key: KeyEvent) -> Wish {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return Wish::Quit,
                KeyCode::Char('z') => return Wish::Suspend,
                KeyCode::Char('l') => return Wish::Redraw,
                _ => {}
            }
        }
        if self.typing.is_some() {
            self.type_filter(event, key);
            return Wish::Nothing;
        }
        if self.help {
            // The view brings it back to the last page.
            match moved(key.code, self.scrolled, self.page) {
                Some(to) => self.scrolled = to,
                None => (self.help, self.scrolled) = (false, 0),
            }
            return if key.code == KeyCode::Char('q') { Wish::Quit } else { Wish::Nothing };
        }
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => (self.help, self.scrolled) = (true, 0),
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('z') => return Wish::ForgetPeaks,
            KeyCode::Char('/') if self.open.is_none() => self.typing = Some(Input::new(self.filter.clone())),
            KeyCode::Char('s' | '>') | KeyCode::Right => self.sort_by_next(1),
            KeyCode::Char('S' | '<') | KeyCode::Left => self.sort_by_next(SORTS.len() - 1),
            KeyCode::Char('r') => self.reversed = !self.reversed,
            KeyCode::Enter if self.open.is_none() => self.open_selected(),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Enter if self.open.is_some() => {
                (self.open, self.scrolled) = (None, 0);
            }
            KeyCode::Esc => self.filter.clear(),
            code => self.go(code),
        }
        Wish::Nothing
    }

    fn type_filter(&mut self, event: &Event, key: KeyEvent) {
        let Some(input) = &mut self.typing else { return };
        match key.code {
            KeyCode::Enter => {
                input.value().trim().clone_into(&mut self.filter);
                self.typing = None;
            }
            KeyCode::Esc => self.typing = None,
            // Whether it changed anything does not matter: it is drawn anew.
            _ => {
                let _ = input.handle_event(event);
            }
        }
    }

    fn sort_by_next(&mut self, step: usize) {
        let at = SORTS.iter().position(|sort| *sort == self.sort).unwrap_or(0);
        self.sort = SORTS.get((at + step) % SORTS.len()).copied().unwrap_or_default();
    }

    fn open_selected(&mut self) {
        let links = self.links();
        let open = links.get(self.cursor(&links)).map(|link| link.id.clone());
        (self.open, self.scrolled) = (open, 0);
    }

    /// Moves the cursor, or what has none.
    fn go(&mut self, code: KeyCode) {
        if self.open.is_some() {
            // The view brings it back to the last page.
            self.scrolled = moved(code, self.scrolled, self.page).unwrap_or(self.scrolled);
            return;
        }
        let links = self.links();
        let Some(to) = moved(code, self.cursor(&links), self.page) else { return };
        let selected = links.get(to.min(links.len().saturating_sub(1))).map(|link| link.id.clone());
        self.selected = selected;
    }
}

/// Where a key leads from there; `None` for a key that leads nowhere.
fn moved(code: KeyCode, from: usize, page: usize) -> Option<usize> {
    let page = page.max(1);
    match code {
        KeyCode::Up | KeyCode::Char('k') => Some(from.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => Some(from.saturating_add(1)),
        KeyCode::PageUp => Some(from.saturating_sub(page)),
        KeyCode::PageDown => Some(from.saturating_add(page)),
        KeyCode::Home | KeyCode::Char('g') => Some(0),
        KeyCode::End | KeyCode::Char('G') => Some(usize::MAX),
        _ => None,
    }
}

/// The slave, or else the first process.
fn first_end(link: &LinkFigures) -> Option<&EndFigures> {
    link.sender(DIRECTIONS[0]).or(link.ends.first())
}

fn measure(sort: Sort, link: &LinkFigures) -> f64 {
    let flows = DIRECTIONS.map(|direction| link.flow(direction));
    let sum = |part: fn(&Flow) -> Option<f64>| flows.iter().filter_map(part).sum::<f64>();
    let most = |part: fn(&Flow) -> Option<f64>| flows.iter().filter_map(part).fold(0.0, f64::max);
    match sort {
        Sort::Bytes => sum(|flow| flow.bytes_per_second),
        Sort::Fill => most(|flow| flow.fill),
        Sort::Peak => most(|flow| flow.peak_ever),
        Sort::Full => most(|flow| flow.full),
        Sort::Packets | Sort::Pid | Sort::Process => link.rate(),
    }
}

/// Whether a link is about that text, which is in small letters.
fn matches(link: &LinkFigures, filter: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(filter);
    filter.is_empty()
        || has(&link.id)
        || link.socket.as_deref().is_some_and(has)
        || link.ends.iter().any(|end| has(&end.name) || end.pid.to_string().contains(filter))
}
