//! Counts as numbers with decimals, and back.

/// A count for arithmetic.
#[expect(clippy::cast_precision_loss, reason = "a count of more than 2^52 takes years")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// A number with decimals as a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}
