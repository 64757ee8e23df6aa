//! memif beside its peers, its alternatives and its limit: the same work over each, alternating round by round in one
//! run, two processes pinned to two cores. `docs/performance.md` says what is measured how.

mod bridge;
mod clock;
mod end;
mod futures;
mod hub;
mod job;
mod metric;
mod pause;
mod plots;
mod port;
mod row;
mod rows;
mod runner;
mod shared;
#[cfg(feature = "smoltcp")]
mod stacks;
mod table;
mod testpmd;
mod work;

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;

use crate::port::Result;
use crate::row::{BENCH, BRIDGE, OURS, Peers, Row, USUAL_ROUNDS};
use crate::rows::COMMAND_ALONE;
use crate::runner::Runner;
use crate::table::Measured;

/// Compares memif with its peers, its alternatives and its limit.
#[derive(Parser, Debug)]
#[command(version)]
struct Options {
    /// Another libmemif.so to compare with; the first one is the reference of the ratios
    #[arg(long, value_name = "FILE")]
    reference: Vec<PathBuf>,
    /// Our libmemif.so; built from this repository when not given
    #[arg(long, value_name = "FILE")]
    ours: Option<PathBuf>,
    /// The command memif; built from this repository when not given
    #[arg(long, value_name = "FILE")]
    memif: Option<PathBuf>,
    /// Another build of the command memif, whose bridge is measured beside
    #[arg(long, value_name = "FILE")]
    memif_before: Option<PathBuf>,
    /// How often each is measured
    #[arg(long, default_value_t = USUAL_ROUNDS, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=5000))]
    milliseconds: u64,
    /// Rows to measure, by the names that --list prints [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    rows: Vec<String>,
    /// Only contenders whose names contain one of these
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    only: Vec<String>,
    /// Print the rows and their contenders
    #[arg(long)]
    list: bool,
    /// Directory for tables and plots
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The two cores [default: the first two that this process may use]
    #[arg(long, value_delimiter = ',', value_name = "A,B", num_args = 1)]
    cpus: Vec<usize>,
    /// Three rounds of 50 ms, to see that everything works
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if let (Some("end"), Some(job)) = (arguments.next().as_deref(), arguments.next()) {
        return end::main(&job);
    }
    let mut arguments = std::env::args().skip(1);
    let done = if arguments.next().as_deref() == Some("part") {
        part(&arguments.collect::<Vec<_>>())
    } else {
        run(Options::parse())
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memif-compare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What this program does as a process that it started.
fn part(arguments: &[String]) -> Result<()> {
    #[cfg(feature = "smoltcp")]
    if arguments.first().is_some_and(|first| first == stacks::PART) {
        return stacks::part(arguments);
    }
    bridge::part(arguments)
}

fn run(mut options: Options) -> Result<()> {
    if options.quick {
        (options.rounds, options.milliseconds) = (3, 50);
    }
    let cpus = match options.cpus[..] {
        [first, second] => (first, second),
        [] => end::two_cpus()?,
        _ => return Err("--cpus takes two cores, as in --cpus 0,1".to_owned()),
    };
    if cpus.0 == cpus.1 {
        eprintln!("both ends share core {}: figures say nothing about two cores", cpus.0);
    }
    let peers = peers(&options)?;
    let rows = chosen(&options, rows::all(&peers))?;
    if options.list {
        for row in &rows {
            print(&format!("{:20} {}\n", row.id, row.title));
            row.contenders.iter().for_each(|(name, _)| print(&format!("{:20}   {name}\n", "")));
        }
        return Ok(());
    }
    if let Some(out) = &options.out {
        std::fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    }
    let mut runner = Runner::new(cpus, options.milliseconds)?;
    let mut summaries = Vec::new();
    for row in rows {
        let rounds = row.rounds(options.rounds);
        let measured = measure(&mut runner, row, rounds);
        let summary = measured.summary();
        print(&summary.markdown());
        summaries.push(summary);
        if let Some(out) = &options.out {
            // After each row, so that a run that is ended leaves what it measured.
            write(out, &summaries)?;
            plots::draw(out, &measured)?;
        }
    }
    print(&table::judgement(&summaries));
    Ok(())
}

/// On standard output, whose reader may have read enough: the tables of `--out` are written all the same.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// What there is to compare with; says what is left out, and why.
fn peers(options: &Options) -> Result<Peers> {
    let absolute = |path: &PathBuf| path.canonicalize().map_err(|e| format!("{}: {e}", path.display()));
    let references = options.reference.iter().map(absolute).collect::<Result<Vec<_>>>()?;
    if references.is_empty() {
        eprintln!("left out: the reference library (give it with --reference FILE)");
    }
    let asked = |name: &str| options.only.is_empty() || options.only.iter().any(|word| name.contains(word));
    let has = |row: &str| options.rows.is_empty() || options.rows.iter().any(|name| name == row);
    let libraries = options.rows.is_empty() || options.rows.iter().any(|name| !COMMAND_ALONE.contains(&name.as_str()));
    // For a list the names will do.
    let build =
        |target, package, option| if options.list { Ok(target_file(target)) } else { build(target, package, option) };
    let ours = match &options.ours {
        _ if !asked(OURS) || !libraries => None,
        Some(path) => Some(absolute(path)?),
        None => Some(build("memif_capi", "memif-capi", "--ours")?),
    };
    let bridges = COMMAND_ALONE.into_iter().any(|name| name.starts_with("bridge") && has(name));
    let memif = match &options.memif {
        _ if !(asked(BENCH) && has("bench") || asked(BRIDGE) && bridges) => None,
        Some(path) => Some(absolute(path)?),
        None => Some(build("memif", "memif-cli", "--memif")?),
    };
    let memif_before = options.memif_before.as_ref().map(absolute).transpose()?;
    if memif_before.is_none() && memif.is_some() && bridges {
        eprintln!("left out: the bridge of a build before (give it with --memif-before FILE)");
    }
    let testpmd = Command::new("dpdk-testpmd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if testpmd.is_err() {
        eprintln!("left out: dpdk-testpmd, which is not installed (Debian: apt install dpdk dpdk-dev)");
    }
    Ok(Peers { ours, references, memif, memif_before, testpmd: testpmd.is_ok() })
}

/// What the file of a target is called.
fn target_file(target: &str) -> PathBuf {
    if target == "memif" { target.into() } else { format!("lib{target}.so").into() }
}

/// Builds a target of this repository and says where its file is.
fn build(target: &str, package: &str, option: &str) -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    eprintln!("building {package}");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "-p", package])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("running cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("building {package} failed; give what it builds with {option} FILE"));
    }
    // Each line is a message; the one about the target names its files.
    let file = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| name.file_name() == Some(target_file(target).as_os_str()));
    file.ok_or_else(|| format!("cargo built no {}; give one with {option} FILE", target_file(target).display()))
}

/// The rows that were asked for, with the contenders that were.
fn chosen(options: &Options, rows: Vec<Row>) -> Result<Vec<Row>> {
    for name in &options.rows {
        if !rows.iter().any(|row| row.id == name) {
            let all: Vec<_> = rows.iter().map(|row| row.id).collect();
            return Err(format!("there is no row {name:?}; there are {}", all.join(", ")));
        }
    }
    let wanted = |row: &Row| options.rows.is_empty() || options.rows.iter().any(|n| n == row.id);
    let mut rows: Vec<Row> = rows.into_iter().filter(wanted).collect();
    if !options.only.is_empty() {
        for row in &mut rows {
            row.contenders.retain(|(name, _)| options.only.iter().any(|word| name.contains(word)));
        }
        rows.retain(|row| !row.contenders.is_empty());
        for row in &mut rows {
            let names: Vec<_> = row.contenders.iter().map(|(name, _)| name).collect();
            row.targets.retain(|t| names.contains(&&t.who) && names.contains(&&t.base));
        }
    }
    Ok(rows)
}

/// Failures after which a contender is not tried again.
const FAILURES: u32 = 2;

/// All rounds of a row; every other round goes through the contenders backwards.
fn measure(runner: &mut Runner, row: Row, rounds: u32) -> Measured {
    let mut measured = Measured::new(row);
    let terminal = std::io::stderr().is_terminal();
    let before = cpu_times();
    let mut failed = vec![0; measured.row.contenders.len()];
    let mut round = 0;
    while round < rounds + rounds / 2 {
        if terminal {
            eprint!("\r{}: round {} of {rounds} ", measured.row.id, round + 1);
        }
        let mut order: Vec<usize> = (0..measured.row.contenders.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for contender in order {
            let (name, slice) = &measured.row.contenders[contender];
            let hopeless = failed[contender] >= FAILURES;
            let result = if hopeless { Err(String::new()) } else { runner.run(slice) };
            let report = result
                .inspect_err(|error| {
                    failed[contender] += 1;
                    if hopeless {
                        return;
                    }
                    eprintln!("{}{name}: {error}", if terminal { "\n" } else { "" });
                    measured.failures[contender].get_or_insert_with(|| error.clone());
                })
                .ok();
            measured.add(contender, report);
        }
        round += 1;
        // Half as many again where the cores were at different distances.
        if round >= rounds && measured.least_counting() >= (rounds as usize).min(5) {
            break;
        }
    }
    measured.leave_out_other_distances();
    let after = cpu_times();
    measured.stolen = (after.1 - before.1) / (after.0 - before.0).max(1.0);
    if terminal {
        eprint!("\r{:60}\r", "");
    }
    measured
}

/// All time of all cores so far, and what of it the host kept for others, both in the units of `/proc/stat`.
fn cpu_times() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let times: Vec<f64> = first.split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
    (times.iter().take(8).sum(), times.get(7).copied().unwrap_or_default())
}

fn write(out: &Path, summaries: &[table::Summary]) -> Result<()> {
    let failed = |e: std::io::Error| format!("{}: {e}", out.display());
    let mut markdown: String = summaries.iter().map(table::Summary::markdown).collect();
    markdown.push_str(&table::judgement(summaries));
    std::fs::write(out.join("tables.md"), markdown).map_err(failed)?;
    let json = serde_json::to_string_pretty(summaries).map_err(|e| e.to_string())?;
    std::fs::write(out.join("tables.json"), json).map_err(failed)
}
