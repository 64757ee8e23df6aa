//! The command `memif`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(memif_cli::run(std::env::args_os().collect(), Vec::new()))
}
