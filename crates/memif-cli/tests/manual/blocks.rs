//! The examples in the text.

/// Terminals that belong together.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) blocks: Vec<Block>,
}

/// One terminal.
#[derive(Debug)]
pub(crate) struct Block {
    /// Line of the text where it begins.
    pub(crate) line: usize,
    /// What the shell is given.
    pub(crate) script: String,
    /// What is typed to the program, and what comes.
    pub(crate) talk: Vec<Talk>,
    /// Whether its last program runs until the end.
    pub(crate) stays: bool,
}

/// One line of a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Typed to the program that runs.
    Typed(String),
    /// Printed.
    Printed(String),
    /// Any lines.
    Anything,
    /// Ctrl-C.
    Interrupt,
}

/// The prompt of `memif responder`, and the command that opens it.
const PROMPT: &str = "# ";
const PROMPTS: &str = "memif responder";

/// The examples in their order.
pub(crate) fn examples(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(name) = line.strip_prefix("<!-- example: ").and_then(|l| l.strip_suffix(" -->")) else {
            continue;
        };
        let mut blocks = Vec::new();
        while let Some((number, line)) = lines.next() {
            if line == "<!-- end -->" {
                break;
            }
            if let Some(stays) = opening(line) {
                let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                blocks.push(block(number + 1, stays, inside));
            }
        }
        assert!(!blocks.is_empty(), "the example {name} has no terminals");
        found.push(Example { name: name.to_owned(), blocks });
    }
    found
}

/// Whether a line opens a terminal, and whether that one stays.
fn opening(line: &str) -> Option<bool> {
    match line {
        "```console" => Some(false),
        "```console stays" => Some(true),
        _ => None,
    }
}

fn block<'a>(line: usize, stays: bool, lines: impl Iterator<Item = &'a str>) -> Block {
    let mut script = String::new();
    let mut talk = Vec::new();
    let mut goes_on = false;
    let mut prompts = false;
    for line in lines {
        let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix(PROMPT)).filter(|_| !prompts);
        if let Some(command) = command.or(goes_on.then_some(line)) {
            goes_on = command.ends_with('\\');
            prompts = command == PROMPTS;
            script.push_str(command);
            script.push('\n');
        } else if let Some(typed) = line.strip_prefix(PROMPT) {
            talk.push(Talk::Typed(typed.to_owned()));
        } else if line == "^C" {
            talk.push(Talk::Interrupt);
        } else if line == "..." {
            talk.push(Talk::Anything);
        } else if !line.trim().is_empty() {
            talk.push(Talk::Printed(line.trim_end().to_owned()));
        }
    }
    Block { line, script, talk, stays }
}

/// A line with every number made alike, so that times, sizes and process ids may differ, and units of time: what takes
/// microseconds here takes milliseconds on a crowded machine.
pub(crate) fn without_numbers(line: &str) -> String {
    numbers_alike(line).replace("# us", "# ms").replace("# ns", "# ms")
}

fn numbers_alike(line: &str) -> String {
    let mut out = String::new();
    let mut number = false;
    for c in line.trim_end().chars() {
        match c {
            '0'..='9' => {
                if !number {
                    out.push('#');
                }
                number = true;
            }
            // A decimal point, or a comma or colon within an address: one number with what follows.
            '.' if number => {}
            _ => {
                number = false;
                out.push(c);
            }
        }
    }
    out
}
