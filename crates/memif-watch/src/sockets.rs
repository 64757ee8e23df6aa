//! Unix sockets, as `/proc` shows them: those of a network namespace, one per line of `net/unix`, and those that a
//! process holds.

use std::fs;
use std::path::Path;

/// What a socket is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes connections.
    Listening,
    /// It has a name and nothing more.
    Bound,
    /// One end of a connection.
    Connected,
    /// A connection that the listener has not accepted yet.
    Waiting,
}

/// A socket. Accepted connections have that of their listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is doing.
    pub state: State,
    /// As `SOCK_STREAM`, `SOCK_DGRAM` and `SOCK_SEQPACKET` are numbered: 1, 2 and 5.
    pub kind: u32,
    /// Number of the socket, 0 while no process can have it.
    pub inode: u64,
    /// The name as it was bound: a path, perhaps a relative one; or `@` and an abstract name, where the kernel
    /// prints every zero byte as `@`, too. Empty where there is none.
    pub name: Vec<u8>,
}

/// Number of `SOCK_SEQPACKET`.
pub const SEQPACKET: u32 = 5;
/// Flag of a listening socket.
const ACCEPTS: u32 = 1 << 16;

/// Reads the table of the network namespace of that process, or of `self`.
///
/// # Errors
///
/// Where it cannot be read.
pub fn table(process: &str) -> std::io::Result<Vec<Entry>> {
    Ok(parse(&fs::read(format!("/proc/{process}/net/unix"))?))
}

/// The number of a namespace of that process, or of `self`: `net`, `pid` and so on.
#[must_use]
pub fn namespace(process: &str, kind: &str) -> Option<u64> {
    bracketed(Path::new(&format!("/proc/{process}/ns/{kind}")), &format!("{kind}:["))
}

/// The numbers of the sockets that a process holds, one for each descriptor.
///
/// # Errors
///
/// Where its descriptors may not be seen, or it has ended.
pub fn held_by(pid: u32) -> std::io::Result<impl Iterator<Item = u64>> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?;
    Ok(descriptors.flatten().filter_map(|descriptor| bracketed(&descriptor.path(), "socket:[")))
}

/// The number in `socket:[123]`.
fn bracketed(link: &Path, prefix: &str) -> Option<u64> {
    let target = fs::read_link(link).ok()?;
    target.to_str()?.strip_prefix(prefix)?.strip_suffix(']')?.parse().ok()
}

/// Reads a table. Lines that do not fit are skipped: names are printed as they are, line feeds included.
pub fn parse(text: &[u8]) -> Vec<Entry> {
    text.split(|byte| *byte == b'\n').filter_map(entry).collect()
}

fn entry(line: &[u8]) -> Option<Entry> {
    let mut rest = line;
    let mut field = || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let word = &rest[start..];
        let end = word.iter().position(|byte| *byte == b' ').unwrap_or(word.len());
        rest = &word[end..];
        str::from_utf8(&word[..end]).ok()
    };
    // Kernel address, references, protocol.
    field()?.strip_suffix(':')?;
    field()?;
    field()?;
    let hexadecimal = |text| u32::from_str_radix(text, 16).ok();
    let flags = hexadecimal(field()?)?;
    let kind = hexadecimal(field()?)?;
    let state = hexadecimal(field()?)?;
    let inode = field()?.parse().ok()?;
    let name = rest.strip_prefix(b" ").unwrap_or_default().to_vec();
    let state = match state {
        _ if flags & ACCEPTS != 0 => State::Listening,
        2 => State::Waiting,
        3 => State::Connected,
        _ => State::Bound,
    };
    Some(Entry { state, kind, inode, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by the kernel (6.1), but for the kernel addresses.
    const TABLE: &[u8] = b"\
Num       RefCount Protocol Flags    Type St Inode Path
00000000ecf8fa75: 00000003 00000000 00000000 0001 03 954133
00000000cd65067c: 00000002 00000000 00010000 0005 01 955035 @rep t
0000000053d69768: 00000003 00000000 00000000 0005 02     0 @rep t
0000000053d69768: 00000003 00000000 00000000 0005 03 955041 /run/vpp/memif.sock
0000000026a8f434: 00000002 00000000 00000000 0005 01 955036 x.sock
0000000026a8f434: 00000002 00000000 00010000 0001 01     7 /run/stream
";

    #[test]
    fn every_kind_of_line_is_understood() {
        let entry = |state, kind, inode, name: &[u8]| Entry { state, kind, inode, name: name.to_vec() };
        assert_eq!(
            parse(TABLE),
            [
                entry(State::Connected, 1, 954_133, b""),
                entry(State::Listening, SEQPACKET, 955_035, b"@rep t"),
                entry(State::Waiting, SEQPACKET, 0, b"@rep t"),
                entry(State::Connected, SEQPACKET, 955_041, b"/run/vpp/memif.sock"),
                entry(State::Bound, SEQPACKET, 955_036, b"x.sock"),
                entry(State::Listening, 1, 7, b"/run/stream"),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(
            mut text in Just(TABLE.to_vec()),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
        ) {
            for (at, byte) in changes {
                let at = at.index(text.len());
                text[at] = byte;
            }
            parse(&text);
        }
    }
}
