//! Names of files of which there are many in a row.

use std::path::{Path, PathBuf};

use super::compress::Compression;

/// The name of the file with that number, begun at that time in seconds since 1970: `link.pcapng.gz` gives
/// `link_00001_20260131T235959Z.pcapng.gz`. Sorted by name they are in order, and a later run takes no name of an
/// earlier one.
pub(super) fn numbered(path: &Path, number: u64, seconds: u64) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let outer = Compression::of(path).extension();
    let plain = name.strip_suffix(outer).unwrap_or(&name);
    let (stem, extension) = match plain.rfind('.').filter(|at| *at > 0) {
        Some(at) => plain.split_at(at),
        None => (plain, ""),
    };
    path.with_file_name(format!("{stem}_{number:05}_{}{extension}{outer}", time_of(seconds)))
}

/// A time of the calendar in UTC, in the short form of ISO 8601.
fn time_of(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    // A cycle of the calendar at once, so that a wrong clock costs no time.
    year += days / 146_097 * 400;
    days %= 146_097;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_before_all_extensions() {
        for (name, numbered_name) in [
            ("link.pcapng", "link_00007_19700101T000000Z.pcapng"),
            ("/x/link.pcapng.gz", "/x/link_00007_19700101T000000Z.pcapng.gz"),
            ("a.b/link.zst", "a.b/link_00007_19700101T000000Z.zst"),
            ("link", "link_00007_19700101T000000Z"),
            (".hidden", ".hidden_00007_19700101T000000Z"),
        ] {
            assert_eq!(numbered(Path::new(name), 7, 0), Path::new(numbered_name), "{name}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        // As `date --utc --date=@SECONDS` says.
        for (seconds, time) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_709_251_200, "20240301T000000Z"),
            (1_798_761_599, "20261231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (13_574_649_600, "24000301T000000Z"),
        ] {
            assert_eq!(time_of(seconds), time);
        }
    }
}
