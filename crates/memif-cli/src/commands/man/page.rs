//! A page: its sections, in the order of man-pages(7).

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::more;
use super::sections::{self, Section};

/// Sections that stand at the end of a page, in this order; others stand before them.
const LAST: [&str; 8] =
    ["Exit status", "Signals", "Environment", "Files", "Examples", "Beside DPDK", "Services", "See also"];

/// Every page with its name, as `memif-ping`; the first is that of the command itself.
pub(super) fn all(definition: Command, date: &str) -> Vec<(String, String)> {
    let mut definition = definition.disable_help_subcommand(true);
    definition.build();
    let subcommands: Vec<Command> = definition.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    let commands = [definition].into_iter().chain(subcommands);
    commands
        .map(|command| {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
            let mut page = Vec::new();
            // A vector takes everything.
            let _ = write(command, &name, date, &mut page);
            (name, String::from_utf8_lossy(&page).into_owned())
        })
        .collect()
}

fn write(mut command: Command, name: &str, date: &str, out: &mut Vec<u8>) -> io::Result<()> {
    // All options by name would be a page of their own.
    let usage = command.render_usage().to_string();
    let usage = usage.trim().trim_start_matches("Usage:").trim().to_owned();
    let has_subcommands = command.has_subcommands();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let added = more::of(name);

    let man = Man::new(command.override_usage(usage).subcommand_help_heading("COMMANDS"));
    // Each word in quotes: there may be no date, and what is behind it stays where it is.
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, ".TH {name} 1 \"{}\" \"memif {version}\" \"memif for Rust\"", date.replace(['"', '\n'], ""))?;
    // Lines are not drawn out and words not cut: most are to be typed.
    out.extend_from_slice(b".nh\n.ad l\n");
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    let mut sections = merged(&help, &added);
    if let Some(at) = sections.iter().position(|section| section.heading == "Description") {
        out.extend_from_slice(b".PP\n");
        body(&sections.remove(at), out)?;
    }
    if has_subcommands {
        man.render_subcommands_section(out)?;
    }
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    // What mandoc objects to: an empty line between two breaks.
    out.extend_from_slice(String::from_utf8_lossy(&options).replace(".br\n\n.br\n", ".br\n").as_bytes());
    for section in &sections {
        let mut roff = Roff::new();
        roff.control("SH", [section.heading.to_uppercase().as_str()]);
        out.extend_from_slice(roff.to_roff().as_bytes());
        body(section, out)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(more::see_also(name))]);
    roff.to_writer(out)
}

/// What the help text says, and what is added, in the order of the page. Of what both have one section is made.
fn merged(help: &str, added: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for section in sections::parse(help).into_iter().chain(sections::parse(added)) {
        match sections.iter_mut().find(|before| before.heading == section.heading) {
            Some(before) => before.append(section),
            None => sections.push(section),
        }
    }
    sections.sort_by_key(|section| {
        LAST.iter().position(|heading| *heading == section.heading).map_or(0, |place| place + 1)
    });
    sections
}

fn body(section: &Section, out: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    sections::write(section, &mut roff);
    roff.to_writer(out)
}
