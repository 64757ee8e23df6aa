//! Which words can stand where on a command line: what Tab adds, and what `?` tells.

use super::command::{COMMANDS, MORE_HELP};
use super::words::{MODES, NAMES, ROLES, name};

/// What Tab does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Completion {
    /// What is added to the line.
    pub(super) added: String,
    /// Lines with what could follow, where nothing can be added.
    pub(super) choices: Vec<String>,
}

/// What can be said of a line up to the cursor: the word there, and which words it may become.
fn choices(line: &str) -> (&str, &'static [&'static str]) {
    let line = line.trim_start().strip_prefix("# ").unwrap_or(line).trim_start();
    let (before, word) = line.rsplit_once(char::is_whitespace).unwrap_or(("", line));
    let before: Vec<_> = before.split_whitespace().collect();
    let words: &[&str] = match (before.first().map(|first| name(first)), before.len()) {
        (None, _) => &NAMES,
        (Some("conn"), 2) => &ROLES,
        (Some("rx-mode"), 3) => &MODES,
        _ => &[],
    };
    (word, words)
}

/// What Tab does after that line.
pub(super) fn complete(line: &str) -> Completion {
    let (word, words) = choices(line);
    let fitting: Vec<_> = words.iter().copied().filter(|other| other.starts_with(word)).collect();
    match fitting.as_slice() {
        [] => Completion { added: String::new(), choices: help(line) },
        [only] => Completion { added: format!("{} ", &only[word.len()..]), choices: Vec::new() },
        several => Completion { added: String::new(), choices: vec![several.join("  ")] },
    }
}

/// What `?` tells after that line: the commands that it may become, and how they go on.
pub(super) fn help(line: &str) -> Vec<String> {
    let line = line.trim_start().strip_prefix("# ").unwrap_or(line).trim_start();
    let first = line.split_whitespace().next().unwrap_or_default();
    let begun = !first.is_empty() && line.len() > first.len();
    let wanted = |form: &str| {
        let command = form.split([' ', ';']).next().unwrap_or_default();
        if begun { command == name(first) } else { command.starts_with(first) }
    };
    let forms = COMMANDS.lines().chain(MORE_HELP.lines()).filter_map(|line| line.strip_prefix('\t'));
    forms.filter(|form| wanted(form)).map(|form| format!("  {form}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn added(line: &str) -> String {
        complete(line).added
    }

    #[test]
    fn tab_adds_what_is_certain() {
        for (line, wanted) in [
            ("s", "how "),
            ("# ip", "-set "),
            ("conn 0 m", "aster "),
            ("conn 0 s", "lave "),
            ("c 0 m", "aster "),
            ("rx 0 0 ad", "aptive "),
            ("help", " "),
            ("", ""),
            ("x", ""),
            ("del 0", ""),
            ("rx-mode 0 0 ", ""),
        ] {
            assert_eq!(added(line), wanted, "{line}");
        }
        assert_eq!(complete("rx-mode 0 0 ").choices, ["polling  interrupt  adaptive"]);
        assert_eq!(complete("").choices, ["help  exit  quit  conn  del  show  ip-set  rx-mode"]);
        assert_eq!(complete("del ").choices, ["  del  <index> - delete memif"]);
    }

    #[test]
    fn question_marks_tell_how_a_line_goes_on() {
        assert_eq!(help("sh"), ["  show - show connection details"]);
        assert_eq!(help("conn ").len(), 2);
        assert_eq!(help("c 0 "), help("conn "));
        assert_eq!(help("").len(), COMMANDS.lines().count() + MORE_HELP.lines().count() - 2);
        assert!(help("x").is_empty());
    }

    proptest! {
        #[test]
        fn any_line_is_completed_without_a_panic(line: String) {
            let completion = complete(&line);
            prop_assert!(completion.added.is_ascii());
            help(&line);
        }
    }
}
