//! What tcpdump says: which packets of a file a filter lets through.

use std::path::Path;
use std::process::{Command, Stdio};

use memif_capture::LinkType;

use crate::packets::Packet;

/// A pcap file in which the second of each packet's time is its number.
pub(crate) fn file(packets: &[Packet], link_type: LinkType) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, u32::from(link_type.number())] {
        file.extend(u32::to_le_bytes(word));
    }
    for (number, packet) in (0_u32..).zip(packets) {
        let captured = u32::try_from(packet.data.len()).unwrap();
        for word in [number, 0, captured, u32::try_from(packet.original_length).unwrap()] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&packet.data);
    }
    file
}

/// The packets of the file that the filter lets through, in the order of the file, or what is wrong with it.
pub(crate) fn passed(file: &Path, filter: &str, optimised: bool, count: usize) -> Result<Vec<bool>, String> {
    let mut tcpdump = Command::new("tcpdump");
    if !optimised {
        tcpdump.arg("-O");
    }
    let input = std::fs::File::open(file).unwrap();
    let output =
        tcpdump.args(["-r", "-", "-w", "-", "--", filter]).stdin(input).stderr(Stdio::piped()).output().unwrap();
    let mut passed = vec![false; count];
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // It says this where its optimiser finds that no packet can match.
        return if said.contains("expression rejects all packets") { Ok(passed) } else { Err(said) };
    }
    let mut rest = output.stdout.get(24..).expect("the header of a file");
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        passed[word(0)] = true;
        rest = &after[word(8)..];
    }
    Ok(passed)
}
