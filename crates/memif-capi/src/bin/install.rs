//! Builds the C library and installs it: `cargo run --release -p memif-capi -- --prefix /usr/local`. Without arguments
//! it says what it would do, and does nothing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};

/// The header, as it is installed.
const HEADER: &str = include_str!("../../include/libmemif.h");

/// Builds libmemif.so and libmemif.a and installs them with their header and pkg-config file.
#[derive(Parser)]
#[command(name = "libmemif-install", version)]
struct Options {
    /// Where programs will find the files. Without this and --destdir nothing is done, and it is said what would be
    #[arg(long)]
    prefix: Option<PathBuf>,
    /// Directory of the libraries, absolute or below the prefix
    #[arg(long, default_value = "lib")]
    libdir: PathBuf,
    /// Directory of the header, absolute or below the prefix
    #[arg(long, default_value = "include")]
    includedir: PathBuf,
    /// Put everything below this directory, for those who make packages
    #[arg(long, env = "DESTDIR", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    destdir: Option<PathBuf>,
    /// Profile of cargo to build with
    #[arg(long, default_value = "release")]
    profile: String,
}

/// Where it goes when nothing else is said.
const PREFIX: &str = "/usr/local";

/// Where the files go, as programs will find them and as they are written now.
struct Places {
    prefix: PathBuf,
    libdir: PathBuf,
    includedir: PathBuf,
    /// In the order in which they are told: the two libraries, the header, the file for pkg-config.
    files: [PathBuf; 4],
}

impl Places {
    fn of(options: &Options) -> Result<Self, String> {
        let prefix = options.prefix.clone().unwrap_or_else(|| PREFIX.into());
        if !prefix.is_absolute() {
            return Err(format!("--prefix {} is not absolute: it goes into libmemif.pc", prefix.display()));
        }
        let libdir = prefix.join(&options.libdir);
        let includedir = prefix.join(&options.includedir);
        let place = |path: &Path| match &options.destdir {
            // Absolute paths go below it, too.
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        };
        let lib = place(&libdir);
        let files = [
            lib.join("libmemif.so"),
            lib.join("libmemif.a"),
            place(&includedir).join("libmemif.h"),
            lib.join("pkgconfig").join("libmemif.pc"),
        ];
        Ok(Self { prefix, libdir, includedir, files })
    }
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    // As everywhere, an empty variable says nothing.
    options.destdir.take_if(|directory| directory.as_os_str().is_empty());
    let is_asked = options.prefix.is_some() || options.destdir.is_some();
    let places = Places::of(&options);
    match places.and_then(|places| if is_asked { install(&options, &places) } else { Ok(propose(&places)) }) {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// What would be done.
fn propose(places: &Places) -> Vec<String> {
    let files = places.files.iter().map(|path| format!("would install {}", path.display()));
    let how = format!("nothing is done yet: give --prefix {PREFIX}, or a directory of yours; --help has the rest");
    files.chain([how]).collect()
}

fn install(options: &Options, places: &Places) -> Result<Vec<String>, String> {
    let (shared, archive) = build(&options.profile)?;
    for directory in places.files.iter().filter_map(|path| path.parent()) {
        fs::create_dir_all(directory).map_err(|error| explain(directory, &error))?;
    }
    let read = |path: &Path| fs::read(path).map_err(|error| explain(path, &error));
    let pc = pkg_config(&places.prefix, &places.libdir, &places.includedir);
    let contents = [
        (read(&shared)?, 0o755),
        (read(&archive)?, 0o644),
        (HEADER.as_bytes().to_vec(), 0o644),
        (pc.into_bytes(), 0o644),
    ];
    for (path, (content, mode)) in places.files.iter().zip(&contents) {
        write(path, content, *mode).map_err(|error| explain(path, &error))?;
    }
    Ok(places.files.iter().map(|path| format!("installed {}", path.display())).collect())
}

/// Puts a file in place in one step: programs that have the old library mapped keep it whole.
fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    fs::write(&new, content)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
    fs::rename(&new, path).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

fn explain(path: &Path, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => ": run the command as root, or choose a --prefix that is yours",
        _ => "",
    };
    format!("{}: {error}{advice}", path.display())
}

/// Builds the library and says where cargo put it.
fn build(profile: &str) -> Result<(PathBuf, PathBuf), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut process = Command::new(&cargo)
        .args(["build", "--lib", "--locked", "--message-format=json-render-diagnostics"])
        .args(["--profile", profile, "--manifest-path"])
        .arg(&manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", cargo.display()))?;
    let mut files = Vec::new();
    if let Some(output) = process.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            files.extend(files_of(&line));
        }
    }
    let status = process.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("cargo build ended with {status}"));
    }
    let find = |extension: &str| {
        let found = files.iter().find(|file| file.extension().is_some_and(|e| e == extension));
        found.cloned().ok_or_else(|| format!("cargo built no .{extension}"))
    };
    Ok((find("so")?, find("a")?))
}

/// The files that a message of cargo tells of, if it is about our library.
fn files_of(line: &str) -> Vec<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != "memif_capi" {
        return Vec::new();
    }
    let files = message["filenames"].as_array().cloned().unwrap_or_default();
    files.iter().filter_map(|file| file.as_str().map(PathBuf::from)).collect()
}

fn pkg_config(prefix: &Path, libdir: &Path, includedir: &Path) -> String {
    let relative = |path: &Path| match path.strip_prefix(prefix) {
        Ok(below) => format!("${{prefix}}/{}", below.display()),
        Err(_) => path.display().to_string(),
    };
    // The static half of the unwinder: there is no other for programs without any shared library.
    format!(
        "prefix={}\nlibdir={}\nincludedir={}\n\n\
         Name: libmemif\n\
         Description: Shared memory packet interface (memif), interface of libmemif 4.0\n\
         Version: 4.0\n\
         Libs: -L${{libdir}} -lmemif\n\
         Libs.private: -lgcc_eh -lutil -lrt -lpthread -lm -ldl -lc\n\
         Cflags: -I${{includedir}}\n",
        prefix.display(),
        relative(libdir),
        relative(includedir)
    )
}
