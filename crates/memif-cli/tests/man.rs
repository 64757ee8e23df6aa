//! `memif man`: every page is whole, and those who read pages find nothing wrong with them.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod util;

use std::fs;
use std::process::Command;

use testkit::{Need, Suite};
use util::{Directory, memif, start};

fn main() {
    Suite::new()
        .test("every_subcommand_has_a_whole_page", &[], whole)
        .test("one_page_is_printed", &[], one)
        .test("man_reads_them_without_a_warning", &[Need::Program("man"), Need::Program("groff")], man)
        .test("mandoc_reads_them_without_a_warning", &[Need::Program("mandoc")], mandoc)
        .run();
}

/// All pages, with their names.
fn pages(directory: &Directory) -> Vec<(String, String)> {
    let folder = directory.text("new/man1");
    memif(&format!("man --directory {folder} --date 2026-01-31")).finish().code(0).says(" pages in ");
    let mut pages: Vec<_> = fs::read_dir(folder)
        .expect("it is there")
        .map(|entry| {
            let entry = entry.expect("it can be read");
            let text = fs::read_to_string(entry.path()).expect("it is text");
            (entry.path().display().to_string(), text)
        })
        .collect();
    pages.sort();
    pages
}

fn whole() {
    let help = memif("--help").finish().code(0).out;
    let commands = help.split("Commands:\n").nth(1).expect("they are listed");
    let commands: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 13, "{commands:?}");
    let directory = Directory::new();
    let pages = pages(&directory);
    assert_eq!(pages.len(), commands.len() + 1);
    for name in commands {
        assert!(pages.iter().any(|(file, _)| file.ends_with(&format!("/memif-{name}.1"))), "{name}");
    }
    for (file, text) in &pages {
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SIGNALS", "EXAMPLES", "SEE ALSO"]
        {
            let headings = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            let count: usize = headings.iter().map(|heading| text.matches(heading).count()).sum();
            assert_eq!(count, 1, "{file}: {section}");
        }
        assert!(text.contains(" 1 \"2026-01-31\" \"memif "), "{file}");
        let description = text.split(".SH DESCRIPTION\n").nth(1).and_then(|rest| rest.split(".SH").next());
        assert!(description.is_some_and(|text| text.contains(".PP\n")), "{file} describes nothing");
        // The ends of a demonstration meet at a name of their own.
        if text.contains("\\-\\-socket\\fR") && !file.ends_with("/memif-demo.1") {
            assert!(text.contains("MEMIF_SOCKET") && text.contains(".SH ENVIRONMENT\n"), "{file}");
        }
        // Names of pages that there are.
        for other in text.split(|letter: char| !letter.is_alphanumeric() && !"\\-()".contains(letter)) {
            if let Some(other) = other.replace('\\', "").strip_suffix("(1)").filter(|name| name.starts_with("memif")) {
                assert!(pages.iter().any(|(file, _)| file.ends_with(&format!("/{other}.1"))), "{file} names {other}");
            }
        }
    }
}

fn one() {
    memif("man").finish().code(0).says(".TH memif 1 \"\" \"memif ").says("Beside DPDK".to_uppercase().as_str());
    memif("man ping")
        .finish()
        .code(0)
        .says("memif\\-ping \\- Send ICMP echo requests")
        .says("\\fBmemif ping\\fR [OPTIONS]");
    memif("man memif-ping").finish().code(0).says(".TH memif-ping 1 ");
    memif("man pong").finish().code(2).complains("there is no command pong");
    memif("man --directory /proc/none").finish().code(2).complains("cannot write /proc/none/memif.1");
}

fn man() {
    let directory = Directory::new();
    for (file, _) in pages(&directory) {
        let mut man = Command::new("man");
        man.env("MANWIDTH", "80").args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-P", "cat", &file]);
        let finished = start(man, &file).finish().code(0);
        assert!(finished.err.is_empty(), "{file}: {}", finished.err);
        assert!(finished.out.lines().count() > 30, "{file}: {}", finished.out);
    }
}

fn mandoc() {
    let directory = Directory::new();
    for (file, _) in pages(&directory) {
        let mut mandoc = Command::new("mandoc");
        mandoc.args(["-Tlint", "-Wwarning", &file]);
        let finished = start(mandoc, &file).finish();
        assert!(finished.out.is_empty(), "{file}: {}", finished.out);
    }
}
