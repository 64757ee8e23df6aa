//! The house itself: layers and files that use one another in one direction only, short files, narrow lines.
//!
//! What each crate's layers are stands in [`LAYERS`], and what may be wrong for now in [`EXCEPTIONS`]. Paths are read
//! with `syn` and followed through re-exports to the file that has the item. What is not seen: methods, which are
//! called without a path, and what a macro's expansion names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod arrows;
mod checker_tests;
mod names;
mod source;
mod text;

use std::path::{Path, PathBuf};
use std::process::Command;

use arrows::{Exception, Layers};
use source::Tree;
use testkit::Suite;

/// Of each crate its top-level modules, highest first: each may use those below. Modules of one line stand side by
/// side, and none of them uses another. The root of a crate may use all.
const LAYERS: &[Layers] = &[
    Layers {
        sources: "crates/memif/src",
        order: &[
            &["async_io", "smoltcp", "tokio"],
            &["awaiting"],
            &["socket"],
            &["flow", "link"],
            &["queue"],
            &["config"],
            &["shm"],
            &["proto", "ring", "sys"],
            &["address", "limits", "names"],
            &["wire"],
            &["counters", "error"],
            &["terms"],
        ],
        apart: &[],
    },
    Layers {
        sources: "crates/memif-capi/src",
        order: &[
            &["ffi"],
            &["data", "details", "socket"],
            &["interface"],
            &["queues", "regions"],
            &["socket_core"],
            &["callbacks", "gate", "slab"],
            &["cell", "lock", "strings", "waited"],
            &["codes"],
            &["abi"],
        ],
        apart: &[],
    },
    Layers {
        sources: "crates/memif-capture/src",
        order: &[&["decode", "filter", "read", "write"], &["link_type"]],
        apart: &[],
    },
    Layers {
        sources: "crates/memif-cli/src",
        order: &[
            &["commands", "shared"],
            &["endpoint"],
            &["output", "packet", "watching"],
            &["counts", "error", "foreign", "paths", "program", "units", "users"],
        ],
        apart: &["commands"],
    },
    Layers {
        sources: "crates/memif-python/src",
        order: &[
            &["interface"],
            &["socket"],
            &["objects"],
            &["control"],
            &["receive", "send"],
            &["channel"],
            &["outgoing", "packets", "readiness", "received", "recording"],
            &["fork", "options", "views", "waits"],
            &["command", "errors", "interpreter", "locks"],
            &["exit"],
        ],
        apart: &[],
    },
    Layers {
        sources: "crates/memif-watch/src",
        order: &[
            &["scan"],
            &["regions", "roles"],
            &["link"],
            &["layout", "memory", "unseen"],
            &["bytes", "devices", "maps", "process", "ring"],
            &["error", "sockets"],
        ],
        apart: &[],
    },
];

/// Arrows that are wrong and still there. One that is gone must go from here, too.
const EXCEPTIONS: &[Exception] = &[];

/// Files that are too long and still there.
const LONG_FILES: &[&str] = &[];

/// Lines of a file.
const MOST_LINES: usize = 500;
/// Characters of a line of comment or Markdown.
const MOST_COLUMNS: usize = 120;

/// The crates whose files are short.
const SHORT_FILES: &[&str] = &[
    "crates/memif/src",
    "crates/memif-capi/src",
    "crates/memif-capture/src",
    "crates/memif-cli/src",
    "crates/memif-python/src",
    "crates/memif-watch/src",
];

fn main() {
    let suite = Suite::new()
        .test("arrows_point_down", &[], arrows_point_down)
        .test("files_are_short", &[], files_are_short)
        .test("lines_are_narrow", &[], lines_are_narrow);
    checker_tests::add(suite).run()
}

fn arrows_point_down() {
    let all = tracked();
    let mut wrong = Vec::new();
    for layers in LAYERS {
        let files = all.iter().filter_map(|path| {
            let below = path.strip_prefix(layers.sources)?.strip_prefix('/')?;
            below.ends_with(".rs").then(|| (below.to_owned(), read(path)))
        });
        let tree = Tree::new(files.collect()).unwrap_or_else(|error| panic!("{}/{error}", layers.sources));
        wrong.extend(arrows::check(layers, &tree, EXCEPTIONS));
    }
    assert_none(&wrong);
}

fn files_are_short() {
    let all = tracked();
    let files = all.iter().filter(|path| path.ends_with(".rs") && SHORT_FILES.iter().any(|dir| path.starts_with(dir)));
    assert_none(&text::long_files(files.map(|path| (path.as_str(), read(path))), MOST_LINES, LONG_FILES));
}

fn lines_are_narrow() {
    let mut wrong = Vec::new();
    for path in tracked() {
        if path.ends_with(".rs") {
            wrong.extend(text::wide_comments(&path, &read(&path), MOST_COLUMNS));
        } else if path.ends_with(".md") {
            wrong.extend(text::wide_prose(&path, &read(&path), MOST_COLUMNS));
        }
    }
    assert_none(&wrong);
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} to put right:\n\n{}\n", wrong.len(), wrong.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of the repository that are there, tracked or about to be; of a copy without git, all but what was built.
fn tracked() -> Vec<String> {
    let mut git = Command::new("git");
    let listed =
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root()).output();
    let mut names: Vec<String> = match listed {
        Ok(listed) if listed.status.success() => {
            let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
            names.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            let mut names = Vec::new();
            walk(&root(), &root(), &mut names);
            names
        }
    };
    names.retain(|name| root().join(name).is_file());
    assert!(names.len() > 100, "this is not the repository: {names:?}");
    names.sort();
    names.dedup();
    names
}

/// Adds the files below a folder, by their paths from `root`.
fn walk(root: &Path, folder: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry of a folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            if name != "target" && !name.starts_with('.') {
                walk(root, &path, names);
            }
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            names.push(name.to_owned());
        }
    }
}
