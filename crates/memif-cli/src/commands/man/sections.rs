//! The sections of a help text, and of what is written in its form, as parts of a manual page.
//!
//! ```text
//! Heading:
//!   term
//!       what it is
//!   term  what it is, which goes on
//!         here
//! A paragraph.
//! ```

use clap_mangen::roff::{Roff, bold, roman};

/// A part of a manual page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// As it stands above it, without the colon.
    pub(super) heading: String,
    parts: Vec<Part>,
}

impl Section {
    pub(super) fn append(&mut self, mut other: Self) {
        self.parts.append(&mut other.parts);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Paragraph(String),
    Item { term: String, text: String },
}

/// The sections of such a text.
pub(super) fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match line.strip_suffix(':') {
            Some(heading) if !line.starts_with(' ') => sections.push((heading.to_owned(), Vec::new())),
            _ => {
                if let Some((_, lines)) = sections.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    sections.into_iter().map(|(heading, lines)| Section { parts: parts(&lines), heading }).collect()
}

fn parts(lines: &[&str]) -> Vec<Part> {
    // Lines that all begin in one column and have no gap are a paragraph that is indented.
    let prose = lines.iter().all(|line| indent(line) <= 2 && !line.trim().contains("  "));
    let mut parts = Vec::new();
    let mut open = false;
    for line in lines {
        let text = line.trim();
        match (indent(line), parts.last_mut()) {
            _ if text.is_empty() => open = false,
            (2, _) if !prose => {
                let (term, text) = text.split_once("  ").unwrap_or((text, ""));
                parts.push(Part::Item { term: term.to_owned(), text: text.trim().to_owned() });
                open = true;
            }
            (0..=2, Some(Part::Paragraph(before))) if open => append(before, text),
            (3.., Some(Part::Item { text: before, .. } | Part::Paragraph(before))) if open => append(before, text),
            _ => {
                parts.push(Part::Paragraph(text.to_owned()));
                open = true;
            }
        }
    }
    parts
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn append(before: &mut String, text: &str) {
    if !before.is_empty() {
        before.push(' ');
    }
    before.push_str(text);
}

/// Writes its parts, without the heading.
pub(super) fn write(section: &Section, roff: &mut Roff) {
    for (at, part) in section.parts.iter().enumerate() {
        match part {
            Part::Paragraph(text) => {
                if at > 0 {
                    roff.control("PP", []);
                }
                roff.text([roman(text)]);
            }
            Part::Item { term, text } => {
                roff.control("TP", []);
                roff.text([bold(term)]);
                roff.text([roman(text)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(term: &str, text: &str) -> Part {
        Part::Item { term: term.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn help_texts_have_sections() {
        let sections = parse(
            "Examples:\n  memif ping 10.0.0.1\n      pings\n      it\n  memif demo\n      both\n\n\
             Exit status:\n  0    done: all\n       came\n  130  ended\nA closed pipe is\nno error.\n\
             Signals:\n  Ctrl-C and SIGTERM\n  end it\n",
        );
        let headings: Vec<_> = sections.iter().map(|section| section.heading.as_str()).collect();
        assert_eq!(headings, ["Examples", "Exit status", "Signals"]);
        assert_eq!(sections[0].parts, [item("memif ping 10.0.0.1", "pings it"), item("memif demo", "both")]);
        let closed = Part::Paragraph("A closed pipe is no error.".to_owned());
        assert_eq!(sections[1].parts, [item("0", "done: all came"), item("130", "ended"), closed]);
        assert_eq!(sections[2].parts, [Part::Paragraph("Ctrl-C and SIGTERM end it".to_owned())]);
    }
}
