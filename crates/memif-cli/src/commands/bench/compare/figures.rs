//! The figures of a file of reports.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::commands::bench::spread::Spread;
use crate::error::Error;

/// What a figure is measured in, which tells what is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    PacketsPerSecond,
    BitsPerSecond,
    Nanoseconds,
}

/// A field that is compared: its path in the report, its name in the table, its unit.
type Field = (&'static str, &'static str, Unit);

/// The fields of each type of report.
const FIELDS: &[(&str, &[Field])] = &[
    (
        "bench_throughput",
        &[("/packets_per_second", "rate", Unit::PacketsPerSecond), ("/bits_per_second", "bits", Unit::BitsPerSecond)],
    ),
    ("bench_generator", &[("/packets_per_second", "sent", Unit::PacketsPerSecond)]),
    (
        "bench_latency",
        &[
            ("/round_trip/p50_ns", "p50", Unit::Nanoseconds),
            ("/round_trip/p99_ns", "p99", Unit::Nanoseconds),
            ("/round_trip/p99_9_ns", "p99.9", Unit::Nanoseconds),
            ("/round_trip/p99_99_ns", "p99.99", Unit::Nanoseconds),
            ("/round_trip/max_ns", "max", Unit::Nanoseconds),
        ],
    ),
    ("bench_ndr", &[("/packets_per_second", "rate without loss", Unit::PacketsPerSecond)]),
    (
        "bench_setup",
        &[
            ("/connect/p50_ns", "connect p50", Unit::Nanoseconds),
            ("/connect/p99_ns", "connect p99", Unit::Nanoseconds),
            ("/delete/p50_ns", "delete p50", Unit::Nanoseconds),
        ],
    ),
    (
        "bench_interfaces",
        &[
            ("/round_trip/p50_ns", "round trip p50", Unit::Nanoseconds),
            ("/round_trip/p99_ns", "round trip p99", Unit::Nanoseconds),
        ],
    ),
];

/// Conditions under which figures say the same. Fields of `bench_link`.
const CONDITIONS: &[&str] = &[
    "role",
    "rx_mode",
    "ring_size_slots",
    "buffer_size_bytes",
    "huge_pages",
    "prefault",
    "queues",
    "burst_packets",
    "cpus",
    "threads",
    "duplex",
    "thread_per_queue",
];

/// One figure, of all runs of it.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// What was measured, as in `64 bytes, rate`.
    pub(super) name: String,
    pub(super) unit: Unit,
    values: Vec<f64>,
}

impl Figure {
    pub(super) fn spread(&self) -> Option<Spread> {
        Spread::of(self.values.iter().copied())
    }
}

/// What a file has.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: String,
    links: Vec<Map<String, Value>>,
    pub(super) figures: Vec<Figure>,
}

impl Found {
    /// Reads the reports of a file, those of other commands and of later versions as well.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| Error::System {
            what: format!("cannot read {name}"),
            advice: "give files that memif bench --json wrote",
            source,
        })?;
        let mut found = Self { name, links: Vec::new(), figures: Vec::new() };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |error| {
                let name = &found.name;
                Error::Usage(format!("{name}, line {}: {error}; give files that memif bench --json wrote", number + 1))
            };
            let value: Value = serde_json::from_str(line).map_err(wrong)?;
            found.take(&value);
        }
        if found.figures.is_empty() {
            return Err(Error::Usage(format!(
                "{} has no figures: give files that memif bench --json wrote",
                found.name
            )));
        }
        Ok(found)
    }

    fn take(&mut self, report: &Value) {
        let kind = report["type"].as_str().unwrap_or_default();
        if kind == "bench_link" {
            self.links.extend(report.as_object().cloned());
        }
        let Some((_, fields)) = FIELDS.iter().find(|(known, _)| *known == kind) else { return };
        let duplex = self.links.last().is_some_and(|link| link.get("duplex") == Some(&Value::Bool(true)));
        let of = subject(kind, report, duplex);
        for (path, what, unit) in *fields {
            let Some(value) = report.pointer(path).and_then(Value::as_f64) else { continue };
            let name = if of.is_empty() { (*what).to_owned() } else { format!("{of}, {what}") };
            match self.figures.iter_mut().find(|figure| figure.name == name && figure.unit == *unit) {
                Some(figure) => figure.values.push(value),
                None => self.figures.push(Figure { name, unit: *unit, values: vec![value] }),
            }
        }
    }

    /// In which conditions the figures of another file differ.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let (Some(one), Some(two)) = (self.links.first(), other.links.first()) else { return Vec::new() };
        let differs = CONDITIONS.iter().filter(|field| one.get(**field) != two.get(**field));
        let words = |link: &Map<String, Value>, field: &str| link.get(field).map_or_else(|| "-".to_owned(), said);
        differs
            .map(|field| {
                let (one, two) = (words(one, field), words(two, field));
                format!("{field} differs: {one} in {}, {two} in {}", self.name, other.name)
            })
            .collect()
    }

    /// The conditions in a few words.
    pub(super) fn conditions(&self) -> String {
        let Some(link) = self.links.first() else { return "no conditions are told".to_owned() };
        let field = |name: &str| link.get(name).map_or_else(|| "?".to_owned(), said);
        format!(
            "queues {}, rings of {} buffers of {} bytes, {}, burst {}, processors {}",
            field("queues"),
            field("ring_size_slots"),
            field("buffer_size_bytes"),
            field("rx_mode"),
            field("burst_packets"),
            field("cpus"),
        )
    }
}

/// A value without the marks of JSON. A file may come from anywhere, so what a terminal or a picture would take for a
/// command is escaped.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.escape_debug().to_string(),
        Value::Array(list) => list.iter().map(said).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// What a report tells of, beside its figure.
fn subject(kind: &str, report: &Value, duplex: bool) -> String {
    let mut parts = Vec::new();
    if let Some(count) = report["interfaces"].as_u64() {
        parts.push(if count == 1 { "1 interface".to_owned() } else { format!("{count} interfaces") });
    }
    match report["packet_bytes"].as_u64() {
        Some(bytes) => parts.push(format!("{bytes} bytes")),
        None if report.get("packet_bytes").is_some() => parts.push("imix".to_owned()),
        None => {}
    }
    if kind == "bench_throughput" && duplex {
        parts.extend(report["from_role"].as_str().map(|role| format!("from {}", role.escape_debug())));
    }
    if let Some(rate) = report["asked_per_second"].as_f64() {
        parts.push(format!("{rate} per second"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_file_are_no_commands() {
        let text = serde_json::json!("slave \u{1b}[2J\u{7}\u{9b}\u{202e}x");
        assert_eq!(said(&text), "slave \\u{1b}[2J\\u{7}\\u{9b}\\u{202e}x");
        assert_eq!(said(&serde_json::json!(["a", "\n", 3])), "a,\\n,3");
    }
}
