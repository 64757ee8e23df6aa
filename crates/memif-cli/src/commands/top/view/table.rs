//! The table of links: two lines each, one for each end, with what that end sends.

use memif_watch::{RingDirection, Role};
use ratatui::style::Style;

use super::canvas::{Canvas, wrapped};
use crate::commands::top::figures::{DIRECTIONS, EndFigures, Flow, LinkFigures, sender_role};
use crate::commands::top::numbers::{figure, percent};
use crate::commands::top::ui::{Sort, Ui};

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Pid,
    Process,
    Role,
    Packets,
    Bytes,
    Ring,
    Peak,
    Full,
    Empty,
}

const ALL: [What; 9] =
    [What::Pid, What::Process, What::Role, What::Packets, What::Bytes, What::Ring, What::Peak, What::Full, What::Empty];

/// What is left out where there is no room, first to last.
const SPARE: [What; 7] = [What::Bytes, What::Empty, What::Role, What::Full, What::Peak, What::Pid, What::Ring];

impl What {
    fn title(self) -> &'static str {
        match self {
            What::Pid => "PID",
            What::Process => "PROCESS",
            What::Role => "ROLE",
            What::Packets => "PKTS/S",
            What::Bytes => "BYTES/S",
            What::Ring => "RING",
            What::Peak => "PEAK",
            What::Full => "FULL",
            What::Empty => "EMPTY",
        }
    }

    /// Columns that it takes at least, and where there is room.
    const fn width(self) -> (u16, u16) {
        match self {
            What::Pid => (7, 7),
            What::Process => (8, 15),
            What::Role => (6, 6),
            What::Packets => (9, 9),
            What::Bytes => (8, 8),
            What::Ring => (10, 40),
            What::Peak | What::Full => (4, 4),
            What::Empty => (5, 5),
        }
    }

    const fn is_right(self) -> bool {
        !matches!(self, What::Process | What::Role | What::Ring)
    }

    const fn sort(self) -> Option<Sort> {
        match self {
            What::Pid => Some(Sort::Pid),
            What::Process => Some(Sort::Process),
            What::Packets => Some(Sort::Packets),
            What::Bytes => Some(Sort::Bytes),
            What::Ring => Some(Sort::Fill),
            What::Peak => Some(Sort::Peak),
            What::Full => Some(Sort::Full),
            What::Role | What::Empty => None,
        }
    }
}

/// A column: what, where it begins, how wide it is.
type Column = (What, u16, u16);

/// The columns for a screen of that width, behind one for the cursor.
fn columns(width: u16) -> Vec<Column> {
    let mut shown = ALL.to_vec();
    let least = |shown: &[What]| shown.iter().map(|what| what.width().0 + 1).sum::<u16>();
    for spare in SPARE {
        if least(&shown) <= width {
            break;
        }
        shown.retain(|what| *what != spare);
    }
    let mut left = width.saturating_sub(least(&shown));
    let mut x = 1;
    let mut columns = Vec::new();
    for what in shown {
        let (least, most) = what.width();
        let more = (most - least).min(left);
        left -= more;
        columns.push((what, x, least + more));
        x += least + more + 1;
    }
    columns
}

/// A line of the table.
enum Row<'l> {
    Flow { link: &'l LinkFigures, direction: RingDirection, selected: bool },
    Note(String, Style),
}

pub(super) fn draw(ui: &mut Ui, canvas: &mut Canvas<'_>, (y, height): (u16, u16)) {
    let columns = columns(canvas.area.width);
    titles(ui, canvas, y, &columns);
    let (y, height) = (y + 1, height.saturating_sub(1));
    ui.page = usize::from(height / 2).max(1);
    let (rows, cursor) = rows(ui, canvas);
    // The link with the cursor is always there, and the notes below with the last one.
    let end = if cursor + 2 >= rows.links { rows.all.len() } else { cursor + 2 };
    let first = end.saturating_sub(height.into()).min(cursor);
    for (row, y) in rows.all.iter().skip(first).zip(y..y + height) {
        match row {
            Row::Flow { link, direction, selected } => flow(canvas, y, &columns, link, *direction, *selected),
            Row::Note(text, style) => {
                canvas.put(0, y, text, *style);
            }
        }
    }
}

fn titles(ui: &Ui, canvas: &mut Canvas<'_>, y: u16, columns: &[Column]) {
    let style = canvas.theme.titles();
    canvas.line(y, style);
    for (what, x, width) in columns {
        let sorted = what.sort() == Some(ui.sort);
        let mut title = what.title().to_owned();
        if sorted {
            // Where the title takes all, its last letter gives way.
            title.truncate(usize::from(*width).saturating_sub(1));
            title.push(canvas.theme.arrow(ui.is_descending()));
        }
        if what.is_right() {
            canvas.put_right(*x, y, *width, &title, style);
        } else {
            canvas.put_within(*x, y, *width, &title, style);
        }
    }
}

/// All lines; of those, lines of links come first.
struct Rows<'l> {
    all: Vec<Row<'l>>,
    links: usize,
}

/// The lines, and which of them has the cursor.
fn rows<'l>(ui: &'l Ui, canvas: &Canvas<'_>) -> (Rows<'l>, usize) {
    let links = ui.links();
    let cursor = ui.cursor(&links);
    let mut all = Vec::new();
    for (number, link) in links.iter().enumerate() {
        let selected = number == cursor;
        all.extend(DIRECTIONS.map(|direction| Row::Flow { link, direction, selected }));
    }
    let of_links = all.len();
    let snapshot = ui.snapshot();
    if links.is_empty() {
        let text =
            if snapshot.links.is_empty() { "no link is seen" } else { "no link is about that: Esc ends the filter" };
        all.push(Row::Note(text.to_owned(), canvas.theme.plain()));
    }
    let width = usize::from(canvas.area.width).max(1);
    for unseen in &snapshot.unseen {
        let lines = wrapped(&format!("not seen: {}: {}", unseen.what, unseen.why), width);
        all.extend(lines.into_iter().map(|line| Row::Note(line, canvas.theme.warning())));
    }
    (Rows { all, links: of_links }, 2 * cursor)
}

/// What one end of a link sends.
fn flow(
    canvas: &mut Canvas<'_>,
    y: u16,
    columns: &[Column],
    link: &LinkFigures,
    direction: RingDirection,
    selected: bool,
) {
    let theme = canvas.theme;
    let base = if selected { theme.selected() } else { theme.plain() };
    if selected && direction == RingDirection::S2m {
        canvas.put(0, y, ">", theme.key());
    }
    let (end, role) = sender(link, direction);
    let flow = link.flow(direction);
    let idle = flow.packets_per_second == Some(0.0);
    let problem = link.problem.clone().filter(|_| direction == RingDirection::S2m).or(flow.problem.clone());
    for (what, x, width) in columns {
        let (x, width) = (*x, *width);
        if let (Some(problem), What::Packets) = (&problem, what) {
            // In place of the figures, which would be none.
            canvas.put(x, y, problem, theme.alarm());
            return;
        }
        match what {
            What::Ring => {
                canvas.ring(x, y, width, flow.fill, flow.peak_ever);
                continue;
            }
            What::Process => {
                let name =
                    end.map_or_else(|| format!("({})", link.other_end.replace('_', " ")), |end| end.name.clone());
                canvas.put_within(x, y, width, &name, base.patch(theme.process()));
                continue;
            }
            What::Role => {
                canvas.put_within(x, y, width, role, base);
                continue;
            }
            _ => {}
        }
        let figures = if idle { base.patch(theme.faint()) } else { base };
        let (text, style) = match what {
            What::Pid => (end.map_or_else(|| "-".to_owned(), |end| end.pid.to_string()), base),
            What::Packets => (packets(&flow), figures),
            What::Bytes => (figure(flow.bytes_per_second, flow.at_least, true), figures),
            What::Peak => (percent(flow.peak_ever), base),
            What::Full if flow.full.is_some_and(|full| full > 0.0) => (percent(flow.full), theme.alarm()),
            What::Full => (percent(flow.full), figures),
            _ => (percent(flow.empty), figures),
        };
        canvas.put_right(x, y, width, &text, style);
    }
}

/// Packets per second, as they are shown everywhere.
pub(in crate::commands::top) fn packets(flow: &Flow) -> String {
    figure(flow.packets_per_second, flow.at_least, flow.chained)
}

/// Who sends in that direction, and what it is called. Where nothing tells which process is which end, the one of the
/// lower number stands in the first line, and the direction in place of the role.
pub(in crate::commands::top) fn sender(
    link: &LinkFigures,
    direction: RingDirection,
) -> (Option<&EndFigures>, &'static str) {
    let to_master = direction == RingDirection::S2m;
    if link.ends.iter().any(|end| end.role.is_some() || end.is_both) {
        let role = match sender_role(direction) {
            Role::Slave => "slave",
            Role::Master => "master",
        };
        return (link.sender(direction), role);
    }
    let end = link.ends.get(usize::from(!to_master));
    (end, if to_master { "s>m ?" } else { "m>s ?" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_every_width() {
        for width in 0..300 {
            let columns = columns(width);
            let end = columns.last().map_or(0, |(_, x, width)| x + width);
            assert!(end <= width.max(19), "{width}: {columns:?}");
            assert!(columns.windows(2).all(|pair| pair[0].1 + pair[0].2 < pair[1].1), "{columns:?}");
        }
        assert_eq!(columns(80).len(), ALL.len());
        let narrow: Vec<What> = columns(40).into_iter().map(|(what, ..)| what).collect();
        assert_eq!(narrow, [What::Pid, What::Process, What::Packets, What::Ring]);
    }
}
