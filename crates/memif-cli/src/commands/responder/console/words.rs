//! The words of commands, which may be cut short as long as it is clear which is meant.

/// The commands, in the order in which help lists them.
pub(super) const NAMES: [&str; 8] = ["help", "exit", "quit", "conn", "del", "show", "ip-set", "rx-mode"];
/// Roles, by their usual names.
pub(super) const ROLES: [&str; 2] = ["slave", "master"];
/// Receive modes.
pub(super) const MODES: [&str; 3] = ["polling", "interrupt", "adaptive"];

/// The word of those that `text` is, or is the only beginning of. `text` itself where there is none.
fn expand<'a>(text: &'a str, words: &[&'a str]) -> &'a str {
    match words.iter().filter(|word| word.starts_with(text)).collect::<Vec<_>>().as_slice() {
        [only] if !text.is_empty() => only,
        _ => text,
    }
}

/// The command that a word stands for, which may be cut short.
pub(super) fn name(text: &str) -> &str {
    // VPP's word, of which there is no other kind.
    match expand(text, &NAMES) {
        "quit" => "exit",
        name => name,
    }
}

/// The role that a word stands for, which may be cut short.
pub(super) fn role(text: &str) -> &str {
    expand(text, &ROLES)
}

/// The receive mode that a word stands for, which may be cut short.
pub(super) fn mode(text: &str) -> &str {
    expand(text, &MODES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_unique() {
        for name_of_all in NAMES {
            let first = &name_of_all[..1];
            assert_eq!(name(first), name(name_of_all), "{first}");
        }
        assert_eq!((name("qui"), name(""), name("shwo"), mode("i"), mode("x")), ("exit", "", "shwo", "interrupt", "x"));
        assert_eq!((role("m"), role("s"), role("client")), ("master", "slave", "client"));
    }
}
