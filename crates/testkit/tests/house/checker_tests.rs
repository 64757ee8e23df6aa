//! The checker itself, on small trees that are made up.

use std::collections::BTreeMap;

use testkit::Suite;

use crate::arrows::{self, Exception, Layers};
use crate::source::Tree;
use crate::text;

pub(crate) fn add(suite: Suite) -> Suite {
    suite
        .test("checker_finds_arrows_that_point_up", &[], arrows_that_point_up)
        .test("checker_follows_re_exports", &[], re_exports)
        .test("checker_finds_circles_of_files", &[], circles_of_files)
        .test("checker_finds_modules_that_should_stand_apart", &[], modules_that_stand_apart)
        .test("checker_reads_macros_and_leaves_tests_out", &[], macros_and_tests)
        .test("checker_wants_every_module_in_a_layer", &[], modules_without_a_layer)
        .test("checker_wants_every_exception_needed", &[], exceptions)
        .test("checker_finds_files_that_nothing_declares", &[], undeclared)
        .test("checker_counts_lines", &[], lines)
        .test("checker_finds_wide_comments", &[], wide_comments)
        .test("checker_finds_wide_prose", &[], wide_prose)
}

const TWO: Layers = Layers { sources: "src", order: &[&["upper"], &["left", "right"]], apart: &["upper"] };

fn tree(files: &[(&str, &str)]) -> Result<Tree, String> {
    Tree::new(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>())
}

/// What is wrong with a crate of the three modules `upper`, `left` and `right`.
fn check(upper: &str, left: &str, right: &str) -> Vec<String> {
    let files =
        [("lib.rs", "mod upper; mod left; mod right;"), ("upper.rs", upper), ("left.rs", left), ("right.rs", right)];
    arrows::check(&TWO, &tree(&files).unwrap(), &[])
}

#[track_caller]
fn says(wrong: &[String], words: &[&str]) {
    assert_eq!(wrong.len(), words.len(), "{wrong:?}");
    for (wrong, words) in wrong.iter().zip(words) {
        assert!(wrong.contains(words), "{wrong:?} has no {words:?}");
    }
}

fn arrows_that_point_up() {
    let upper = "use crate::left::Left;\npub struct Upper(Left);";
    says(&check(upper, "pub struct Left;", ""), &[]);
    let up = check("pub struct Upper;", "\nfn all(_: &crate::upper::Upper) {}", "");
    says(&up, &["src/left.rs:2: crate::upper::Upper is in upper.rs: left uses upper, but stands below it"]);
    let beside = check("", "use super::right::{One, Two as Other};", "pub struct One; pub struct Two;");
    says(&beside, &["src/left.rs:1: super::right::One is in right.rs: left uses right, but stands beside it"]);
}

fn re_exports() {
    let files = [
        ("lib.rs", "mod upper; mod left; mod right;\npub use upper::Upper;\npub use right::*;"),
        ("upper/mod.rs", "mod part;\npub use part::Part as Upper;"),
        ("upper/part.rs", "pub struct Part;"),
        ("left.rs", "use crate as all;\nuse all::Upper;\nuse crate::Right;"),
        ("right.rs", "pub enum Right { One }"),
    ];
    let wrong = arrows::check(&TWO, &tree(&files).unwrap(), &[]);
    says(
        &wrong,
        &[
            "src/left.rs:2: all::Upper is in upper/part.rs: left uses upper",
            "src/left.rs:3: crate::Right is in right.rs: left uses right",
        ],
    );
}

fn circles_of_files() {
    let files = [
        ("lib.rs", "mod upper; mod left; mod right;"),
        ("upper/mod.rs", "mod one;\nmod two;\npub(crate) struct Whole;"),
        ("upper/one.rs", "use super::two::Two;\npub struct One(Two);"),
        ("upper/two.rs", "pub struct Two;\nimpl Two { fn of(_: super::one::One) {} }"),
        ("left/mod.rs", "mod child;\nfn mine() {}"),
        ("left/child.rs", "fn calls() { super::mine() }"),
        ("right.rs", ""),
    ];
    let together = Layers { apart: &[], ..TWO };
    let wrong = arrows::check(&together, &tree(&files).unwrap(), &[]);
    says(
        &wrong,
        &[
            "src: 2 files in a circle: move what one needs of another to a file of its own, or hand it in\n    \
             src/upper/one.rs:1: super::two::Two is in upper/two.rs\n    \
             src/upper/two.rs:2: super::one::One is in upper/one.rs",
            "src/left/child.rs:1: super::mine is in left/mod.rs",
        ],
    );
    // An item of the root is the root's own.
    let root = [("lib.rs", "mod left;\npub fn lock() {}"), ("left.rs", "\nuse crate::lock;")];
    let layers = Layers { sources: "src", order: &[&["left"]], apart: &[] };
    let wrong = arrows::check(&layers, &tree(&root).unwrap(), &[]);
    says(&wrong, &["src/left.rs:2: crate::lock is in lib.rs"]);
}

fn modules_that_stand_apart() {
    let files = [
        ("lib.rs", "mod upper; mod left; mod right;"),
        ("upper/mod.rs", "mod one;\nmod two;"),
        ("upper/one.rs", "mod inner;\nuse inner::Inner;\nuse super::two::Two;"),
        ("upper/one/inner.rs", "pub struct Inner;"),
        ("upper/two.rs", "use crate::left::Left;\npub struct Two;"),
        ("left.rs", "pub struct Left;"),
        ("right.rs", ""),
    ];
    let wrong = arrows::check(&TWO, &tree(&files).unwrap(), &[]);
    says(
        &wrong,
        &["src/upper/one.rs:3: super::two::Two is in upper/two.rs: one uses two, and the modules of upper do"],
    );
}

fn macros_and_tests() {
    let left = "fn f(e: u8) -> bool { matches!(e, 1 if { crate::upper::g::<u8>(e) }) }";
    says(&check("pub fn g<T>(_: T) -> bool { true }", left, ""), &["left.rs:1: crate::upper::g is in upper.rs"]);
    let left = "macro_rules! m { () => { $crate::upper::g() } }";
    says(&check("pub fn g() {}", left, ""), &["left.rs:1: crate::upper::g is in upper.rs"]);
    let tests = "#[cfg(test)] mod tests { use crate::upper::g; }\n#[cfg(all(test, loom))] fn t() { crate::upper::g() }\n\
                 struct S; impl S { #[cfg(test)] fn t() { crate::upper::g() } }\n#[test] fn u() { crate::upper::g() }";
    says(&check("pub fn g() {}", tests, ""), &[]);
    let other = "#[cfg(not(test))] fn t() { crate::upper::g() }";
    says(&check("pub fn g() {}", other, ""), &["left uses upper"]);
    says(
        &check("pub fn g() {}", "// crate::upper::g\n/// [`crate::upper::g`]\npub(in crate::left) fn g() {}", ""),
        &[],
    );
}

fn modules_without_a_layer() {
    let files = [("lib.rs", "mod upper; mod left; mod other;"), ("upper.rs", ""), ("left.rs", ""), ("other.rs", "")];
    let wrong = arrows::check(&TWO, &tree(&files).unwrap(), &[]);
    says(&wrong, &["src: other is in no layer", "src: there is no right"]);
}

fn exceptions() {
    let files = [("lib.rs", "mod upper; mod left; mod right;"), ("upper.rs", "pub struct Upper;"), ("right.rs", ""), {
        ("left.rs", "use crate::upper::Upper;")
    }];
    let tree = tree(&files).unwrap();
    let up = Exception { sources: "src", from: "left", to: "upper" };
    let other = Exception { sources: "src", from: "right", to: "upper" };
    says(&arrows::check(&TWO, &tree, &[up]), &[]);
    says(&arrows::check(&TWO, &tree, &[other]), &["nothing in right uses upper any more", "left uses upper"]);
}

fn undeclared() {
    let files = [("lib.rs", "mod left;"), ("left.rs", ""), ("right.rs", "")];
    assert_eq!(tree(&files).unwrap_err(), "right.rs: no `mod` leads to it: declare it, or delete it");
    assert_eq!(tree(&[("lib.rs", "mod left;")]).unwrap_err(), "left.rs: no such file");
    let named = [("lib.rs", "mod upper;"), ("upper/mod.rs", "#[path = \"other.rs\"] mod one;"), ("upper/other.rs", "")];
    assert!(tree(&named).is_ok());
    let twice = "#[cfg(unix)] #[path = \"one.rs\"] mod machine;\n#[cfg(all(test, not(unix)))] mod one;";
    assert!(tree(&[("lib.rs", twice), ("one.rs", "")]).is_ok());
    assert!(tree(&[("lib.rs", "\nfn (")]).unwrap_err().starts_with("lib.rs:2: "));
}

fn lines() {
    let files = || [("a.rs", "\n".repeat(3)), ("b.rs", "\n".repeat(4))].into_iter();
    says(&text::long_files(files(), 3, &[]), &["b.rs: 4 lines, 3 are the most: split it by subject"]);
    says(&text::long_files(files(), 3, &["a.rs", "b.rs"]), &["a.rs is short enough now"]);
}

fn wide_comments() {
    let wide = |text: &str| text::wide_comments("a.rs", text, 20);
    says(&wide("// ééééééééééééééééé\nlet s = \"quite a long text\";\n"), &[]);
    says(&wide("let s = \"quite // a long text\";\nlet t = \"a text\nof lines // that are long\n\";\n"), &[]);
    says(&wide("let s = 1; // said of it\n"), &["a.rs:1: 24 columns, 20 are the most: break the line"]);
    says(&wide("\n    /// documentation that is long\nfn f() {}\n"), &["a.rs:2: 34 columns"]);
    says(&wide("//! | a row of | a table |\n"), &[]);
    says(&wide("/* a\n comment of several lines */\n//! the file's own words\n"), &["a.rs:2", "a.rs:3"]);
}

fn wide_prose() {
    let wide = |text: &str| text::wide_prose("a.md", text, 20);
    says(&wide("a line that is as long\n- éééééééééééééééééé\n"), &["a.md:1: 22 columns, 20 are the most"]);
    says(&wide("| a row of a table | may be |\n<https://a.long.name.example/>\n"), &[]);
    says(&wide("```\na line of code in a block\n```\nand one of words after it\n"), &["a.md:4"]);
}
