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
