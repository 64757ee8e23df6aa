//! `memif extcap`: what Wireshark and tshark ask of a program in their extcap folder.
//!
//! They ask for interfaces, for the kinds of packets and the options of one, and then for packets in a pipe that they
//! made. Packets come by the capture of this command, with that pipe as its standard output.

mod answers;
mod folder;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};

use super::options::CaptureOptions;
use super::start;
use crate::error::Error;
use crate::output::exit::{Outcome, STATUSES};

const EXAMPLES: &str = "\
Examples:
  memif extcap --install
      from now on Wireshark and tshark have every memif link of this host among their interfaces
  memif extcap --extcap-interfaces
      these interfaces; tshark -D has them, too
  tshark -i memif-0-1-2199514
      packets of one of them";

/// Options of `memif extcap`: those that Wireshark gives, and those of its dialogs.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("{EXAMPLES}\n\n{STATUSES}"))]
pub(crate) struct ExtcapOptions {
    /// Put a link to this program where Wireshark looks, which `tshark -G folders` tells; needs root without --user
    #[arg(long, conflicts_with_all = ["uninstall", "extcap_interfaces", "capture"])]
    install: bool,

    /// Take that link away
    #[arg(long)]
    uninstall: bool,

    /// With --install and --uninstall: for this user alone
    #[arg(long)]
    user: bool,

    /// Asked by Wireshark: name all interfaces
    #[arg(long)]
    extcap_interfaces: bool,

    /// Asked by Wireshark: its version
    #[arg(long, value_name = "VERSION", num_args = 0..=1, default_missing_value = "")]
    extcap_version: Option<String>,

    /// Asked by Wireshark: the options of an interface
    #[arg(long)]
    extcap_config: bool,

    /// Asked by Wireshark: what its packets begin with
    #[arg(long)]
    extcap_dlts: bool,

    /// Asked by Wireshark: the interface that it means
    #[arg(long, value_name = "NAME")]
    extcap_interface: Option<String>,

    /// Asked by Wireshark: capture
    #[arg(long)]
    capture: bool,

    /// Asked by Wireshark: which packets
    #[arg(long, value_name = "FILTER", num_args = 0..=1, default_missing_value = "")]
    extcap_capture_filter: Option<String>,

    /// Asked by Wireshark: the pipe that packets go into
    #[arg(long, value_name = "PATH")]
    fifo: Option<PathBuf>,

    /// Of a link: both, s2m (from slave to master) or m2s
    #[arg(long, value_name = "WHICH", default_value = "both")]
    direction: String,

    /// Of a link: the number of a queue [default: all]
    #[arg(long, value_name = "N", default_value = "")]
    queue: String,

    /// What packets start with: auto, ethernet or ip; auto is what packets show, and ethernet for an endpoint
    #[arg(long, value_name = "MODE", default_value = "auto")]
    mode: String,

    /// Bytes of each packet that are kept
    #[arg(long, value_name = "BYTES")]
    snaplen: Option<String>,

    /// Of an endpoint: its socket
    #[arg(long, value_name = "PATH|@NAME")]
    socket: Option<String>,

    /// Of an endpoint: its number
    #[arg(long, value_name = "N")]
    id: Option<String>,

    /// Of an endpoint: slave or master
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,

    /// Of an endpoint: a file whose first line is the secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// The capture's options, to be read as if somebody had typed them.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Typed {
    #[command(flatten)]
    options: CaptureOptions,
}

/// The arguments of this process; where it was called by its name in the folder of Wireshark, with the command in
/// front.
pub(crate) fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = given.collect();
    let name = all.first().map(PathBuf::from);
    if name.as_deref().and_then(Path::file_stem) == Some(OsStr::new(folder::NAME)) {
        all.insert(1, "extcap".into());
    }
    all
}

/// Answers what Wireshark asks, or captures for it.
pub(crate) fn run(options: &ExtcapOptions) -> Result<Outcome, Error> {
    if options.install {
        return folder::install(options.user).map(|()| Outcome::Success);
    }
    if options.uninstall {
        return folder::uninstall(options.user).map(|()| Outcome::Success);
    }
    if options.extcap_interfaces {
        return answers::interfaces().map(|()| Outcome::Success);
    }
    let interface = || {
        let name = options.extcap_interface.as_deref();
        answers::Source::of(name.ok_or_else(|| usage("--extcap-interface is missing"))?)
    };
    if options.extcap_dlts {
        return answers::dlts(interface()?).map(|()| Outcome::Success);
    }
    if options.extcap_config {
        return answers::config(interface()?).map(|()| Outcome::Success);
    }
    if options.capture {
        let fifo = options.fifo.as_deref().ok_or_else(|| usage("--fifo is missing"))?;
        return capture(options, interface()?, fifo);
    }
    if options.user {
        return Err(usage("--user goes with --install or --uninstall"));
    }
    Err(usage("Wireshark calls this; memif extcap --install puts it where Wireshark looks"))
}

fn usage(what: &str) -> Error {
    Error::Usage(what.to_owned())
}

fn capture(options: &ExtcapOptions, source: answers::Source, fifo: &Path) -> Result<Outcome, Error> {
    // First of all: what fails before somebody writes here is told by no version of Wireshark. It waits for the reader.
    let failed = |source| Error::System {
        what: format!("cannot write to the pipe {}", fifo.display()),
        advice: "let Wireshark or tshark call this, which make one",
        source,
    };
    let pipe = File::options().write(true).open(fifo).map_err(failed)?;
    let kind = pipe.metadata().map_err(failed)?.file_type();
    if !kind.is_fifo() && !kind.is_char_device() {
        return Err(Error::Usage(format!("--fifo: {} is no pipe, and is left as it is", fifo.display())));
    }
    rustix::stdio::dup2_stdout(&pipe).map_err(|error| failed(error.into()))?;
    drop(pipe);
    start::run(&to_capture(options, source)?)
}

/// What `memif capture` is to do.
fn to_capture(options: &ExtcapOptions, source: answers::Source) -> Result<CaptureOptions, Error> {
    let mut words: Vec<OsString> = vec!["--write=-".into()];
    let mut option = |name: &str, value: &OsStr| {
        if !value.is_empty() {
            let mut word = OsString::from(format!("--{name}="));
            word.push(value);
            words.push(word);
        }
    };
    if options.mode != "auto" {
        option("mode", options.mode.as_ref());
    }
    option("snaplen", options.snaplen.as_deref().unwrap_or_default().as_ref());
    match source {
        answers::Source::Link(link) => {
            let direction = if options.direction == "both" { "" } else { &options.direction };
            let part = format!("{direction}{}", options.queue.trim());
            let part = if part.is_empty() { part } else { format!("/{part}") };
            option("attach", format!("{link}{part}").as_ref());
        }
        answers::Source::Endpoint => {
            for (name, value) in [("socket", &options.socket), ("id", &options.id), ("role", &options.role)] {
                option(name, value.as_deref().unwrap_or_default().as_ref());
            }
            option("secret-file", options.secret_file.as_deref().unwrap_or(Path::new("")).as_os_str());
        }
    }
    words.push("--".into());
    words.extend(options.extcap_capture_filter.as_deref().map(OsString::from));
    let typed = Typed::try_parse_from(words).map_err(|error| {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default();
        Error::Usage(first.strip_prefix("error: ").unwrap_or(first).to_owned())
    })?;
    let mut capture = typed.options;
    capture.quiet = true;
    Ok(capture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    #[test]
    fn the_name_in_the_folder_is_the_command() {
        let arguments = |words: &[&str]| arguments(words.iter().map(OsString::from));
        assert_eq!(arguments(&["/x/memif-extcap", "--a"]), ["/x/memif-extcap", "extcap", "--a"]);
        assert_eq!(arguments(&["memif", "--a"]), ["memif", "--a"]);
        assert!(arguments(&[]).is_empty());
    }

    #[test]
    fn what_a_dialog_says_is_what_capture_does() {
        let capture = |arguments: &str, source| {
            let options = typed::<ExtcapOptions>(arguments)?;
            to_capture(&options, source).map_err(|error| error.to_string())
        };
        let link = || answers::Source::Link("0:1:7".parse().unwrap());
        for (arguments, part) in
            [("", ""), ("--direction s2m", "s2m"), ("--queue 3", "3"), ("--direction m2s --queue 0", "m2s0")]
        {
            let options = capture(arguments, link()).unwrap();
            assert_eq!(
                options.attach.unwrap().to_string(),
                format!("0:1:7{}{part}", if part.is_empty() { "" } else { "/" })
            );
        }
        for (arguments, answer) in [
            ("--direction up", "give a process id, or a link"),
            ("--queue x", "give a process id, or a link"),
            ("--snaplen 0", "from 1 to 262144"),
            ("--mode token-ring", "token-ring"),
        ] {
            let error = capture(arguments, link()).unwrap_err();
            assert!(error.contains(answer), "{arguments}: {error}");
        }
        let endpoint = capture("--socket @a --id 3 --role master --mode ip", answers::Source::Endpoint).unwrap();
        assert!(endpoint.attach.is_none() && endpoint.short_name() == "memif3");
    }
}
