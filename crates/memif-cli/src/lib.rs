//! The command `memif`: responds, pings, bridges, measures and demonstrates over shared memory packet interfaces, and
//! explains their sockets. A library for those who bring it to their users under another roof, such as the Python
//! package: [`run`] is the command, and [`shared`] its options and its advice. Not for other programs: it changes as
//! the command does.

// A number that does not fit is an error, not another number.
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss))]

mod commands;
mod counts;
mod endpoint;
mod error;
mod foreign;
mod output;
mod packet;
mod paths;
mod program;
pub mod shared;
mod units;
mod users;
mod watching;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use commands::{bench, bridge, capture, completions, demo, links, man, ping, replay, responder, show, top};
use output::exit;

const EXAMPLES: &str = "\
Examples:
  memif demo
      both ends in this process: no privileges, no other program
  memif responder
      takes commands: conn 0 connects to VPP at /run/vpp/memif.sock, to answer pings to 192.168.1.2
  memif ping 192.168.1.1
      connects to VPP and pings it
  memif bridge --tap tap0
      connects to VPP and gives the kernel's programs the device tap0
  memif capture
      connects to VPP and tells of each packet that it sends there, in a line
  memif replay trace.pcap
      sends the packets of a capture file to VPP, as they were captured
  memif bench
      measures how fast it is here, with both ends in two processes
  memif show /run/vpp/memif.sock
      tells who listens there and whether this user may connect
  memif links
      lists every link of this host, between whatever programs
  memif top
      shows every link of this host live, between whatever programs";

/// Shared memory packet interfaces: respond, ping, bridge, demonstrate, measure, explain
#[derive(Debug, Parser)]
#[command(name = "memif", version, after_help = format!("{EXAMPLES}\n\n{}", exit::STATUSES))]
struct Arguments {
    /// Print what happens on the control path to standard error; twice: every message
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 900)]
    verbose: u8,

    /// Print one JSON object per line on standard output, and nothing else there
    #[arg(long, global = true, display_order = 901)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer ARP, neighbour solicitations and echo requests, with commands or by options
    Responder(Box<responder::ResponderOptions>),
    /// Send ICMP echo requests and verify the replies
    Ping(Box<ping::PingOptions>),
    /// Join an interface to a TAP device, so that programs of the kernel's network reach it
    Bridge(Box<bridge::BridgeOptions>),
    /// Write the packets of an interface, or of a link that leads through here, to a file, or tell of each in a line
    Capture(Box<capture::CaptureOptions>),
    /// Send the packets of a capture file, as they were captured or at a rate
    Replay(Box<replay::ReplayOptions>),
    /// Run both ends in this process and measure
    Demo(Box<demo::DemoOptions>),
    /// Measure throughput, round trips, the rate without loss, set-up and many interfaces
    Bench(Box<bench::BenchOptions>),
    /// Give Wireshark and tshark every memif link of this host as an interface
    Extcap(Box<capture::ExtcapOptions>),
    /// Explain a socket without connecting to it: who listens, and may we connect?
    Show(show::ShowOptions),
    /// List the links of this host, between whatever programs, without touching either of them
    Links(links::LinksOptions),
    /// Show every link of the host live: rates, how full its rings are, who waits for whom
    Top(top::TopOptions),
    /// Print a manual page, or write all of them
    Man(man::ManOptions),
    /// Print the script by which a shell completes this command
    Completions(completions::CompletionsOptions),
}

/// Runs the command with those arguments, the first of which is the name of the program, and gives the status to exit
/// with. To be called once in a process, which it takes for its own: signals and standard output are the command's.
///
/// `launcher` is what starts this program anew, before the same arguments: a program and its first arguments, or
/// nothing for the file that this process runs.
pub fn run(arguments: Vec<OsString>, launcher: Vec<OsString>) -> u8 {
    let parsed = Arguments::try_parse_from(capture::extcap_arguments(arguments.iter().cloned()));
    program::started(launcher, arguments.into_iter().skip(1).collect());
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(mut error) => {
            capture::advise(&mut error);
            // Help is said here, too. Where that cannot be printed, the status still tells.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(exit::FAILED);
        }
    };
    output::log_to_stderr(arguments.verbose);
    if arguments.json {
        output::speak_json();
    }
    let status = exit::status(match &arguments.command {
        Command::Responder(options) => responder::run(options, arguments.verbose > 0),
        Command::Ping(options) => ping::run(options),
        Command::Bridge(options) => bridge::run(options),
        Command::Capture(options) => capture::run(options),
        Command::Replay(options) => replay::run(options),
        Command::Demo(options) => demo::run(options),
        Command::Bench(options) => bench::run(options),
        Command::Extcap(options) => capture::extcap(options),
        Command::Show(options) => show::run(options),
        Command::Links(options) => links::run(options),
        Command::Top(options) => top::run(options),
        Command::Man(options) => man::run(options, Arguments::command()),
        Command::Completions(options) => completions::run(options, Arguments::command()),
    });
    // Where this is no program of its own nobody else does. What is not said by now is said by the status.
    let _ = io::stdout().flush();
    status
}

#[cfg(test)]
mod tests {
    #[test]
    fn options_are_consistent() {
        <super::Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
