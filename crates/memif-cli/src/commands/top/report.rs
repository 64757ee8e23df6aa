//! The figures of one period, for people as lines and for programs as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use memif_watch::RingDirection;
use serde::Serialize;

use super::figures::{DIRECTIONS, LinkFigures, RingFigures, Snapshot};
use super::numbers::{figure, percent};
use super::view::{packets, sender};
use crate::output::json::milliseconds;
use crate::watching;

/// All links over one period.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "top")]
pub(super) struct TopReport<'s> {
    duration_ms: f64,
    links: Vec<LinkReport<'s>>,
    not_seen: Vec<NotSeenReport<'s>>,
}

#[derive(Debug, Serialize)]
struct LinkReport<'s> {
    link: &'s str,
    socket: Option<&'s str>,
    ends: Vec<EndReport<'s>>,
    other_end: &'static str,
    directions_known: bool,
    memory_bytes: u64,
    rings: Vec<RingReport<'s>>,
    /// Why there are no figures.
    problem: Option<&'s str>,
}

#[derive(Debug, Serialize)]
struct EndReport<'s> {
    pid: u32,
    program: &'s str,
    /// `slave`, `master`, `both`; `null` where it cannot be told.
    role: Option<String>,
}

#[derive(Debug, Serialize)]
struct RingReport<'s> {
    from_role: &'static str,
    index: u16,
    ring_size_slots: u16,
    slots_per_second: Option<f64>,
    packets_per_second: Option<f64>,
    bytes_per_second: Option<f64>,
    /// Whether there may have been more, in the period and since it is watched.
    at_least: bool,
    sent_slots: u64,
    sent_slots_at_least: bool,
    bytes_per_slot: Option<f64>,
    packets_per_slot: Option<f64>,
    in_flight_slots: Option<u16>,
    fill_percent: Option<f64>,
    peak_slots: u16,
    full_percent: Option<f64>,
    empty_percent: Option<f64>,
    looks: u32,
    polls: Option<bool>,
    problem: Option<&'s str>,
}

#[derive(Debug, Serialize)]
struct NotSeenReport<'s> {
    what: &'s str,
    reason: &'s str,
}

impl<'s> TopReport<'s> {
    pub(super) fn of(snapshot: &'s Snapshot) -> Self {
        Self {
            duration_ms: milliseconds(snapshot.period),
            links: snapshot.links.iter().map(LinkReport::of).collect(),
            not_seen: snapshot
                .unseen
                .iter()
                .map(|unseen| NotSeenReport { what: &unseen.what, reason: &unseen.why })
                .collect(),
        }
    }
}

impl<'s> LinkReport<'s> {
    fn of(link: &'s LinkFigures) -> Self {
        let ends = link.ends.iter().map(|end| EndReport {
            pid: end.pid,
            program: &end.name,
            role: if end.is_both { Some("both".to_owned()) } else { end.role.map(|role| role.to_string()) },
        });
        Self {
            link: &link.id,
            socket: link.socket.as_deref(),
            ends: ends.collect(),
            other_end: link.other_end,
            directions_known: link.directions_known,
            memory_bytes: link.memory_bytes,
            rings: link.rings.iter().map(RingReport::of).collect(),
            problem: link.problem.as_deref(),
        }
    }
}

impl<'s> RingReport<'s> {
    fn of(ring: &'s RingFigures) -> Self {
        let percent = |share: Option<f64>| share.map(|share| share * 100.0);
        Self {
            from_role: watching::sender(ring.direction),
            index: ring.index,
            ring_size_slots: ring.size,
            slots_per_second: ring.slots_per_second,
            packets_per_second: ring.packets_per_second(),
            bytes_per_second: ring.bytes_per_second(),
            at_least: ring.at_least,
            sent_slots: ring.slots,
            sent_slots_at_least: ring.slots_at_least,
            bytes_per_slot: ring.contents.bytes_per_slot,
            packets_per_slot: ring.contents.packets_per_slot,
            in_flight_slots: ring.in_flight,
            fill_percent: percent(ring.fill),
            peak_slots: ring.peak,
            full_percent: percent(ring.full),
            empty_percent: percent(ring.empty),
            looks: ring.looks,
            polls: ring.is_polled(),
            problem: ring.problem.as_deref(),
        }
    }
}

const TITLES: [&str; 10] = ["LINK", "PID", "PROCESS", "ROLE", "PACKETS/S", "BYTES/S", "FILL", "PEAK", "FULL", "EMPTY"];
/// Columns of text; the others are figures.
const TEXTS: [usize; 3] = [0, 2, 3];

/// The links in lines: two each, one for each end, with what that end sends. Nothing is cut.
pub(super) fn lines(snapshot: &Snapshot) -> String {
    let mut rows = vec![TITLES.map(str::to_owned)];
    let mut problems = vec![None];
    for link in &snapshot.links {
        for direction in DIRECTIONS {
            let flow = link.flow(direction);
            let (end, role) = sender(link, direction);
            rows.push([
                link.id.clone(),
                end.map_or_else(|| "-".to_owned(), |end| end.pid.to_string()),
                end.map_or_else(|| format!("({})", link.other_end.replace('_', "-")), |end| end.name.clone()),
                role.replace(' ', ""),
                packets(&flow),
                figure(flow.bytes_per_second, flow.at_least, true),
                percent(flow.fill),
                percent(flow.peak),
                percent(flow.full),
                percent(flow.empty),
            ]);
            let problem = link.problem.clone().filter(|_| direction == RingDirection::S2m);
            problems.push(problem.or(flow.problem));
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 10] = std::array::from_fn(width);
    let mut text = format!("{}\n", heading(snapshot));
    for (row, problem) in rows.iter().zip(problems) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if TEXTS.contains(&column) {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        let line = match problem {
            Some(problem) => format!("{line}{problem}"),
            None => line.trim_end().to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    for unseen in &snapshot.unseen {
        let _ = writeln!(text, "not seen: {}: {}", unseen.what, unseen.why);
    }
    text
}

fn heading(snapshot: &Snapshot) -> String {
    let several = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    format!(
        "memif top: {} of {}, over {}",
        several(snapshot.links.len(), "link", "links"),
        several(snapshot.processes(), "process", "processes"),
        seconds(snapshot.period),
    )
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
