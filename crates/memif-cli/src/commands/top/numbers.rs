//! Figures in few letters.

/// A number of something per second in at most five letters, of which 1k are 1000.
pub(super) fn short(number: f64) -> String {
    const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let mut number = number.max(0.0);
    for unit in UNITS {
        // As it is rounded: 999.6 is 1.00k.
        if number < 999.5 {
            let decimals = match (unit, number) {
                ("", number) if number >= 9.95 || number.fract() == 0.0 => 0,
                ("", _) => 1,
                (_, number) if number < 9.995 => 2,
                (_, number) if number < 99.95 => 1,
                _ => 0,
            };
            return format!("{number:.decimals$}{unit}");
        }
        number /= 1000.0;
    }
    "much".to_owned()
}

/// The same with what is to be said about it: `>=` where it may be more, `~` where it is by some samples.
pub(super) fn figure(number: Option<f64>, at_least: bool, about: bool) -> String {
    let Some(number) = number else { return "-".to_owned() };
    let least = if at_least { ">=" } else { "" };
    // Nothing is nothing by any sample.
    let about = if about && number > 0.0 { "~" } else { "" };
    format!("{least}{about}{}", short(number))
}

/// A share in whole percent; less than one is told from nothing.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(share) if share > 0.0 && share < 0.01 => "<1%".to_owned(),
        Some(0.995..1.0) => "99%".to_owned(),
        Some(share) => format!("{:.0}%", share * 100.0),
    }
}

/// Bytes of memory, of which 1k are 1024.
pub(super) fn memory(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("G", 30), ("M", 20), ("k", 10), ("", 0)];
    let unit = UNITS.iter().find(|(_, shift)| bytes >> shift >= 10).unwrap_or(&("", 0));
    format!("{}{}", bytes >> unit.1, unit.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_take_five_letters() {
        for (number, text) in [
            (0.0, "0"),
            (0.25, "0.2"),
            (5.0, "5"),
            (9.96, "10"),
            (999.4, "999"),
            (999.6, "1.00k"),
            (9_995.0, "10.0k"),
            (99_950.0, "100k"),
            (999_600.0, "1.00M"),
            (14_880_952.0, "14.9M"),
            (1e12, "1.00T"),
            (1e30, "much"),
            (-1.0, "0"),
        ] {
            assert_eq!(short(number), text);
            assert!(text.len() <= 5);
        }
        assert_eq!(figure(Some(1e6), true, true), ">=~1.00M");
        assert_eq!(figure(Some(0.0), false, true), "0");
        assert_eq!(figure(None, true, true), "-");
    }

    #[test]
    fn a_little_is_not_nothing_and_most_is_not_all() {
        let texts = [0.0, 0.001, 0.005, 0.5, 0.994, 0.999, 1.0].map(|share| percent(Some(share)));
        assert_eq!(texts, ["0%", "<1%", "<1%", "50%", "99%", "99%", "100%"].map(str::to_owned));
        assert_eq!([0, 1023, 10 << 10, 5 << 20, 20 << 30].map(memory), ["0", "1023", "10k", "5120k", "20G"]);
    }
}
