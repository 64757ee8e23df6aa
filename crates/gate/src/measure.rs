//! Runs the traffic under callgrind, which counts while one function is entered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::paths::BURST;

/// Whatever went wrong.
pub(crate) type Problem = Box<dyn std::error::Error>;

/// Instructions per packet, with two decimals, by path.
pub(crate) type Counts = BTreeMap<String, f64>;

/// Argument that makes this program the one that is measured.
pub(crate) const TRAFFIC: &str = "traffic";

/// Enough to go round the ring many times, so that what happens once does not show.
const BURSTS: u32 = 512;

/// A program that is not installed.
#[derive(Debug)]
pub(crate) struct Missing(&'static str);

impl std::error::Error for Missing {}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{0} is not installed (package {0})", self.0)
    }
}

/// Measures every path. With `keep`, the profiles stay in that directory.
pub(crate) fn all(keep: Option<&Path>) -> Result<Counts, Problem> {
    for program in ["valgrind", "gcc"] {
        let probe = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        probe.map_err(|_| Missing(program))?;
    }
    let place = std::env::temp_dir().join(format!("memif-gate-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    if let Some(keep) = keep {
        std::fs::create_dir_all(keep)?;
    }
    let counts = measure(&place, keep.unwrap_or(&place));
    let _ = std::fs::remove_dir_all(&place);
    counts
}

fn measure(place: &Path, profiles: &Path) -> Result<Counts, Problem> {
    let own = std::env::current_exe()?;
    let c = c_program(place, &own)?;
    let mut counts = Counts::new();
    for (language, program) in [("rust", &own), ("c", &c)] {
        for (direction, function) in [("s2m", "send"), ("s2m", "receive"), ("m2s", "send"), ("m2s", "receive")] {
            let name = format!("{language} {function} {direction}");
            let profile = profiles.join(name.replace(' ', "-"));
            let counted = callgrind(place, program, direction, function, &profile)?;
            let per_packet = counted as f64 / f64::from(BURSTS * u32::from(BURST));
            counts.insert(name, (per_packet * 100.0).round() / 100.0);
        }
    }
    Ok(counts)
}

/// Instructions from entering to leaving the functions of that name, over the whole run.
fn callgrind(place: &Path, program: &Path, direction: &str, function: &str, profile: &Path) -> Result<u64, Problem> {
    let mut command = Command::new("valgrind");
    command
        .args(["-q", "--tool=callgrind", "--dump-instr=yes"])
        .arg(format!("--toggle-collect=*measured_{function}*"))
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args([TRAFFIC, direction, &BURSTS.to_string()])
        // Symbols are bound before the first burst, not in it.
        .env("LD_BIND_NOW", "1")
        .env("LD_LIBRARY_PATH", place);
    output(&mut command)?;
    let text = std::fs::read_to_string(profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap_or_default();
    match total.trim().parse() {
        Ok(0) | Err(_) => Err(format!("{function} {direction}: callgrind counted nothing").into()),
        Ok(total) => Ok(total),
    }
}

/// Builds the C library as it is shipped, and the program that measures it.
fn c_program(place: &Path, own: &Path) -> Result<PathBuf, Problem> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(
        Command::new(cargo)
            .args(["build", "--release", "--locked", "--lib", "--manifest-path"])
            .arg(crates.join("memif-capi/Cargo.toml")),
    )?;
    // Beside this program, which is of the same profile.
    let built = own.with_file_name("libmemif_capi.so");
    let library = place.join("libmemif.so");
    std::fs::copy(&built, &library).map_err(|error| format!("{}: {error}", built.display()))?;
    let program = place.join("paths");
    output(
        Command::new("gcc")
            .args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(crates.join("memif-capi/include"))
            .arg("-I")
            .arg(crates.join("memif-capi/tests/c"))
            .arg(crates.join("gate/src/paths.c"))
            .arg("-o")
            .arg(&program)
            .arg(&library),
    )?;
    Ok(program)
}

/// Runs a command to its end, which must be a good one. What it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, Problem> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
