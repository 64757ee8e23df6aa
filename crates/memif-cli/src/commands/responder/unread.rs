//! Commands that nobody takes: they came to a responder whose options say what it is to do.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::output::warn;

/// Says so once something comes on standard input, where that is a pipe or a file. It is left there: a script may have
/// other uses for it. A terminal or a device, as services have it, brings no commands.
pub(super) fn watch() {
    let Ok(input) = fs::metadata("/proc/self/fd/0") else { return };
    let kind = input.file_type();
    if kind.is_fifo() || kind.is_socket() || (kind.is_file() && input.len() > 0) {
        // It is a hint and nothing more, so that no thread for it is no error.
        let _ = thread::Builder::new().name("unread".to_owned()).spawn(wait);
    }
}

fn wait() {
    let input = io::stdin();
    loop {
        let mut fds = [PollFd::new(&input, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            Ok(_) if fds.iter().any(|fd| fd.revents().contains(PollFlags::IN)) => break,
            _ => return,
        }
    }
    warn(format_args!(
        "what comes on standard input is not taken, since options say what to do: to give commands, add --interactive \
         (in place of --id, --ip, --ip6, --mac and --role, which commands choose)"
    ));
}
