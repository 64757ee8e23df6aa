//! Lengths of files and widths of lines, in characters.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

/// Files of more lines than that, and exceptions that are none any more.
pub(crate) fn long_files<'a>(
    files: impl Iterator<Item = (&'a str, String)>,
    most: usize,
    exceptions: &[&str],
) -> Vec<String> {
    let mut left: BTreeSet<&str> = exceptions.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in files {
        let lines = text.lines().count();
        if lines > most && !left.remove(path) {
            wrong.push(format!("{path}: {lines} lines, {most} are the most: split it by subject"));
        }
    }
    wrong.extend(left.into_iter().map(|path| format!("{path} is short enough now: take it out of LONG_FILES")));
    wrong
}

/// Lines of Rust that end in a comment and are too wide, outside tables. What is code is the formatter's business.
pub(crate) fn wide_comments(path: &str, text: &str, most: usize) -> Vec<String> {
    let mut wide = wide_lines(text, most).peekable();
    if wide.peek().is_none() {
        return Vec::new();
    }
    let code = match text.parse::<TokenStream>() {
        Ok(tokens) => code_ends(tokens, text),
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let ends_in_code = |line: usize, columns: usize| {
        code.iter().any(|code| code.first <= line && (line < code.last || line == code.last && code.column >= columns))
    };
    let lines: Vec<&str> = text.lines().collect();
    let in_table = |line: usize| {
        let words = lines.get(line - 1).copied().unwrap_or_default().trim_start();
        words.trim_start_matches(['/', '!']).trim_start().starts_with('|')
    };
    wide.filter(|(line, columns)| !ends_in_code(*line, *columns) && !in_table(*line))
        .map(|(line, columns)| too_wide(path, line, columns, most))
        .collect()
}

/// Lines of Markdown that are too wide, outside tables and code. A word that is too long alone, as an address, may be.
pub(crate) fn wide_prose(path: &str, text: &str, most: usize) -> Vec<String> {
    let mut fence: Option<&str> = None;
    let mut prose = BTreeSet::new();
    for (line, words) in (1..).zip(text.lines()) {
        let start = words.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) if !start.starts_with('|') && start.contains(' ') => {
                prose.insert(line);
            }
            _ => {}
        }
    }
    wide_lines(text, most)
        .filter(|(line, _)| prose.contains(line))
        .map(|(line, columns)| too_wide(path, line, columns, most))
        .collect()
}

fn wide_lines(text: &str, most: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..).zip(text.lines().map(|line| line.chars().count())).filter(move |(_, columns)| *columns > most)
}

fn too_wide(path: &str, line: usize, columns: usize, most: usize) -> String {
    format!("{path}:{line}: {columns} columns, {most} are the most: break the line")
}

/// The lines of a token, and the column at which it ends.
struct Code {
    first: usize,
    last: usize,
    column: usize,
}

/// All tokens but comments, which documentation is, too.
fn code_ends(tokens: TokenStream, text: &str) -> Vec<Code> {
    let lines: Vec<&str> = text.lines().collect();
    let mut ends = Vec::new();
    let mut rest: Vec<TokenTree> = tokens.into_iter().collect();
    while let Some(token) = rest.pop() {
        let start = token.span().start();
        let line = lines.get(start.line.wrapping_sub(1)).copied().unwrap_or_default();
        let written: String = line.chars().skip(start.column).take(2).collect();
        // A comment that documents comes as tokens that all stand where it stands.
        if matches!(written.as_str(), "//" | "/*") {
            continue;
        }
        let whole = token.span();
        if let TokenTree::Group(group) = token {
            ends.extend([group.span_open(), group.span_close()].map(code));
            rest.extend(group.stream());
        } else {
            ends.push(code(whole));
        }
    }
    ends
}

fn code(span: proc_macro2::Span) -> Code {
    Code { first: span.start().line, last: span.end().line, column: span.end().column }
}
