//! The text format of Prometheus, version 0.0.4: families of samples, each with its help and its type.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write};

/// What the format is called in HTTP.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows while the process runs.
    Counter,
    Gauge,
}

/// The text, family by family.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a family. All of its samples are to follow before the next one begins.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &Labels, value: u64) {
        let labels = &labels.0;
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{labels}}} {value}"));
        }
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// Labels of a sample, escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels(String);

impl Labels {
    /// The same and one more. What would be taken for the end of the value is escaped; what moves the cursor of a
    /// terminal, or is a mark of another character, is not passed on.
    #[must_use]
    pub(super) fn with(&self, name: &str, value: impl Display) -> Self {
        let mut text = self.0.clone();
        let separator = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{separator}{name}=\"");
        for character in value.to_string().chars() {
            match character {
                '\\' => text.push_str(r"\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str(r"\n"),
                other if other.is_control() => text.push(char::REPLACEMENT_CHARACTER),
                other => text.push(other),
            }
        }
        text.push('"');
        Self(text)
    }
}

/// A text of at most so many characters; what is longer ends with a mark.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_help_and_type() {
        let mut text = Text::default();
        text.family("a_total", Kind::Counter, "With a \\ and\nanother line.");
        text.sample("a_total", &Labels::default(), 3);
        text.family("b", Kind::Gauge, "B.");
        text.sample("b", &Labels::default().with("one", 1).with("two", "x"), u64::MAX);
        assert_eq!(
            text.finish(),
            "# HELP a_total With a \\\\ and\\nanother line.\n# TYPE a_total counter\na_total 3\n\
             # HELP b B.\n# TYPE b gauge\nb{one=\"1\",two=\"x\"} 18446744073709551615\n"
        );
    }

    #[test]
    fn no_value_ends_before_its_end() {
        let labels = Labels::default().with("name", "a\"} 1\nfake{x=\"\\\r\u{1b}[2J\u{0}ü");
        assert_eq!(labels.0, "name=\"a\\\"} 1\\nfake{x=\\\"\\\\\u{fffd}\u{fffd}[2J\u{fffd}ü\"");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!((cut("äöü", 3), cut("äöüx", 3)), ("äöü".to_owned(), "äö…".to_owned()));
    }
}
