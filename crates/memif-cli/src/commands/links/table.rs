//! The links for people: a line each, in columns.

use super::report::{LinkReport, RingReport};

/// Letters of queues that are shown one by one.
const MOST_LETTERS: usize = 16;

const TITLES: [&str; 9] = ["LINK", "SLAVE", "MASTER", "MEMORY", "QUEUES", "RING", "WAIT", "SENT", "FLIGHT"];

/// The table, with a line of titles; nothing without a link.
pub(super) fn lines(links: &[LinkReport]) -> Vec<String> {
    if links.is_empty() {
        return Vec::new();
    }
    let rows: Vec<[String; 9]> = std::iter::once(TITLES.map(str::to_owned)).chain(links.iter().map(cells)).collect();
    let widths: Vec<usize> =
        (0..TITLES.len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut lines = Vec::new();
    for (row, link) in rows.iter().zip(std::iter::once(None).chain(links.iter().map(Some))) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        lines.push(line.trim_end().to_owned());
        lines.extend(link.into_iter().flat_map(further));
    }
    lines
}

fn cells(link: &LinkReport) -> [String; 9] {
    let (slave, master) = ends(link);
    let each_way = |text: &dyn Fn(&[&RingReport]) -> String| {
        let of = |role| link.rings.iter().filter(|ring| ring.from_role == role).collect::<Vec<_>>();
        if link.rings.is_empty() { "-".to_owned() } else { format!("{}/{}", text(&of("slave")), text(&of("master"))) }
    };
    [
        link.link.to_string(),
        slave,
        master,
        bytes(link.memory_bytes),
        each_way(&|rings| rings.len().to_string()),
        link.rings.first().map_or_else(|| "-".to_owned(), |ring| ring.ring_size_slots.to_string()),
        each_way(&letters),
        each_way(&|rings| sum(rings, |ring| ring.sent_slots).map_or_else(unknown, |sum| (sum % 65_536).to_string())),
        each_way(&|rings| sum(rings, |ring| ring.in_flight_slots).map_or_else(unknown, |sum| sum.to_string())),
    ]
}

fn unknown() -> String {
    "?".to_owned()
}

/// The sum over all queues, if it is known of all.
fn sum(rings: &[&RingReport], of: impl Fn(&RingReport) -> Option<u16>) -> Option<u64> {
    rings.iter().map(|ring| of(ring).map(u64::from)).sum()
}

/// A letter for each queue: how its receiver waits.
fn letters(rings: &[&RingReport]) -> String {
    let letter = |ring: &&RingReport| match ring.polls {
        Some(true) => 'p',
        Some(false) => 'i',
        None => '?',
    };
    let mut letters: String = rings.iter().take(MOST_LETTERS).map(letter).collect();
    if rings.len() > MOST_LETTERS {
        letters.push('+');
    }
    letters
}

/// Who is the slave and who the master, in words.
fn ends(link: &LinkReport) -> (String, String) {
    let with = |role: &str| link.ends.iter().find(|end| end.role == Some(role)).map(|end| end.process.text());
    if let Some(both) = with("both") {
        return (both.clone(), both);
    }
    let mut others = link.ends.iter().filter(|end| end.role.is_none()).map(|end| format!("{}?", end.process.text()));
    let absent = || link.other_end.replace('_', " ");
    let slave = with("slave");
    let master = with("master");
    let slave = slave.or_else(|| others.next()).unwrap_or_else(absent);
    let master = master.or_else(|| others.next()).unwrap_or_else(absent);
    (slave, master)
}

/// What does not stand in the columns, in lines of its own.
fn further(link: &LinkReport) -> Vec<String> {
    let mut lines = Vec::new();
    let shown = 2;
    let more: Vec<String> = link.ends.iter().skip(shown).map(|end| end.process.text()).collect();
    if !more.is_empty() {
        let all: Vec<String> = link.ends.iter().map(|end| end.process.text()).collect();
        lines.push(format!("  the memory is mapped by {}", all.join(", ")));
    }
    lines.extend(link.problem.iter().map(|problem| format!("  {problem}")));
    let failures = link.rings.iter().filter_map(|ring| {
        let failure = ring.failure.as_ref()?;
        Some(format!("  queue {} from the {}: {failure}", ring.index, ring.from_role))
    });
    lines.extend(failures.take(1));
    lines
}

/// A number of bytes in three digits or so, of which 1k are 1024.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let mut unit = "";
    let mut whole = bytes;
    let mut tenths = 0;
    for larger in UNITS {
        if whole < 1024 {
            break;
        }
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit = larger;
    }
    if unit.is_empty() || whole >= 10 { format!("{whole}{unit}") } else { format!("{whole}.{tenths}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        for (number, text) in
            [(0, "0"), (1023, "1023"), (1024, "1.0k"), (5_054_464, "4.8M"), (16 << 20, "16M"), (u64::MAX, "15E")]
        {
            assert_eq!(bytes(number), text);
        }
    }
}
