//! Whole numbers with units, as people write them.

/// A reader of numbers from `least` to `most`, to which k or M may be added; `k` is how many k stands for.
pub(crate) fn quantity(text: &str, k: u32, least: u32, most: u32) -> Option<u32> {
    let (digits, unit) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], k),
        (at, 'M') => (&text[..at], k.checked_mul(k)?),
        _ => (text, 1),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u32>().ok().filter(|_| plain)?.checked_mul(unit)?;
    (least..=most).contains(&number).then_some(number)
}

/// A number with decimals, to which k, M or G may be added.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 1e3),
        (at, 'M' | 'm') => (&text[..at], 1e6),
        (at, 'G' | 'g') => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some(number * unit)
}

/// A reader of bytes of a packet, of which 9k are 9000, as people say of long ones.
pub(crate) fn packet_bytes(
    least: u32,
    most: u32,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync + 'static {
    move |text| {
        quantity(text, 1000, least, most)
            .ok_or_else(|| format!("give a whole number from {least} to {most}, as in 64 or 9k (9000)"))
    }
}

/// Reads a number of bytes of a file or of memory, of which 1M are 2^20: from 1 to 2^50.
pub(crate) fn large_bytes(text: &str) -> Result<u64, String> {
    const GIVE: &str = "give a whole number of bytes from 1 on, as in 500k, 100M or 2G (of which 1k is 1024)";
    const MOST: u64 = 1 << 50;
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'M')) => (&text[..at], 1 << 20),
        Some((at, 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| plain).and_then(|number| number.checked_mul(unit));
    number.filter(|number| (1..=MOST).contains(number)).ok_or_else(|| GIVE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units_of_1024() {
        for (text, bytes) in [("1", 1), ("500k", 512_000), ("100M", 104_857_600), ("2G", 2_147_483_648)] {
            assert_eq!(large_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "k", "-1", "+1", "1T", "1.5G", "99999999999999999999", "1125899906842625"] {
            assert!(large_bytes(text).is_err(), "{text}");
        }
    }
}
