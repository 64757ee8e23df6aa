//! One link in full: its ends, and each of its queues.

use memif_watch::RingDirection;

use super::canvas::{Canvas, wrapped};
use crate::commands::top::figures::{LinkFigures, RingFigures};
use crate::commands::top::numbers::{figure, memory, percent};
use crate::commands::top::ui::Ui;

/// Columns: what they are called, and how wide they are. The ring takes what is left.
const QUEUE: u16 = 8;
const FIGURES: [(&str, u16); 7] =
    [("PKTS/S", 9), ("BYTES/S", 8), ("IN FLIGHT", 11), ("PEAK", 4), ("FULL", 4), ("EMPTY", 5), ("WAIT", 5)];
/// The figures that are left out where there is no room, first to last.
const SPARE: [&str; 7] = ["BYTES/S", "EMPTY", "IN FLIGHT", "WAIT", "FULL", "PEAK", "PKTS/S"];
const LEAST_RING: u16 = 10;

pub(super) fn draw(ui: &mut Ui, canvas: &mut Canvas<'_>, (y, height): (u16, u16)) {
    let Some(link) = ui.opened().cloned() else {
        canvas.put(0, y, "this link has gone: Esc goes back", canvas.theme.warning());
        return;
    };
    let bottom = y + height;
    let mut y = y;
    let width = usize::from(canvas.area.width).max(1);
    let style = canvas.theme.plain();
    for line in about(&link).iter().flat_map(|text| wrapped(text, width)) {
        // Something of the queues is always seen.
        if y + 3 < bottom {
            canvas.put(0, y, &line, style);
            y += 1;
        }
    }
    if let Some(problem) = &link.problem {
        canvas.put(0, y, problem, canvas.theme.alarm());
        return;
    }
    let columns = columns(canvas.area.width);
    canvas.line(y, canvas.theme.titles());
    let titles = canvas.theme.titles();
    canvas.put_within(0, y, QUEUE, "QUEUE", titles);
    for (title, x, width) in &columns {
        if *title == "RING" {
            canvas.put_within(*x, y, *width, title, titles);
        } else {
            canvas.put_right(*x, y, *width, title, titles);
        }
    }
    y += 1;
    let room = usize::from(bottom.saturating_sub(y));
    ui.page = room.max(1);
    ui.scrolled = ui.scrolled.min(link.rings.len().saturating_sub(room));
    for (ring, y) in link.rings.iter().skip(ui.scrolled).zip(y..bottom) {
        queue(canvas, y, &columns, ring);
    }
}

/// What is known of the link but its queues.
fn about(link: &LinkFigures) -> Vec<String> {
    let place = link.socket.as_deref().map(|socket| format!(", met at {socket}")).unwrap_or_default();
    let mut lines = vec![format!("link {}: {} of memory{place}", link.id, memory(link.memory_bytes))];
    let ends = link.ends.iter().map(|end| {
        let role = match end.role {
            _ if end.is_both => "both ends".to_owned(),
            Some(role) => role.to_string(),
            None => "an end".to_owned(),
        };
        format!("{role}: {} {}", end.name, end.pid)
    });
    let mut ends: Vec<String> = ends.collect();
    if link.other_end != "there" {
        ends.push(format!("the other end: {}", link.other_end.replace('_', " ")));
    }
    lines.push(ends.join(", "));
    if !link.directions_known {
        lines.push("which queues are of which direction was told by what is in them".to_owned());
    }
    lines
}

/// Title, where it begins, how wide it is.
fn columns(width: u16) -> Vec<(&'static str, u16, u16)> {
    let mut shown = FIGURES.to_vec();
    let taken = |shown: &[(&str, u16)]| QUEUE + 1 + LEAST_RING + shown.iter().map(|(_, width)| width + 1).sum::<u16>();
    for spare in SPARE {
        if taken(&shown) <= width {
            break;
        }
        shown.retain(|(title, _)| *title != spare);
    }
    let ring = (LEAST_RING + width.saturating_sub(taken(&shown))).min(40);
    let at = shown.iter().position(|(title, _)| !matches!(*title, "PKTS/S" | "BYTES/S")).unwrap_or(shown.len());
    shown.insert(at, ("RING", ring));
    let mut x = QUEUE + 1;
    let place = |(title, width)| {
        let at = x;
        x += width + 1;
        (title, at, width)
    };
    shown.into_iter().map(place).collect()
}

/// A queue as the sender sees it.
fn queue(canvas: &mut Canvas<'_>, y: u16, columns: &[(&str, u16, u16)], ring: &RingFigures) {
    let theme = canvas.theme;
    let direction = match ring.direction {
        RingDirection::S2m => "s>m",
        RingDirection::M2s => "m>s",
    };
    canvas.put_within(0, y, QUEUE, &format!("{direction} {}", ring.index), theme.process());
    for (title, x, width) in columns {
        let (x, width) = (*x, *width);
        if let Some(problem) = &ring.problem {
            canvas.put(x, y, problem, theme.alarm());
            return;
        }
        if *title == "RING" {
            canvas.ring(x, y, width, ring.fill, Some(ring.share(ring.peak_ever)));
            continue;
        }
        let (text, style) = match *title {
            "PKTS/S" => (figure(ring.packets_per_second(), ring.at_least, ring.is_chained()), theme.plain()),
            "BYTES/S" => (figure(ring.bytes_per_second(), ring.at_least, true), theme.plain()),
            "IN FLIGHT" => {
                let in_flight = ring.in_flight.map_or_else(|| "?".to_owned(), |slots| slots.to_string());
                (format!("{in_flight}/{}", ring.size), theme.plain())
            }
            "PEAK" => (percent(Some(ring.share(ring.peak_ever))), theme.plain()),
            "FULL" if ring.full.is_some_and(|full| full > 0.0) => (percent(ring.full), theme.alarm()),
            "FULL" => (percent(ring.full), theme.plain()),
            "EMPTY" => (percent(ring.empty), theme.plain()),
            _ => (waits(ring).to_owned(), theme.plain()),
        };
        canvas.put_right(x, y, width, &text, style);
    }
}

/// How the receiver waits, as the mask says now.
fn waits(ring: &RingFigures) -> &'static str {
    match ring.is_polled() {
        Some(true) => "polls",
        Some(false) => "sleep",
        None => "-",
    }
}
