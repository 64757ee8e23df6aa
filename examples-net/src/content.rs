//! What the servers serve: at `/100MB` the same bytes as the example `http_server` of the crate `memif`.

/// Bytes of `/100MB`.
pub const HUNDRED_MB: u64 = 100_000_000;
/// Most bytes of a piece, a multiple of 8. ipstack copies a piece once for each packet of it, so not too many.
const PIECE: usize = 16 << 10;

/// How many bytes there are at a path.
#[must_use]
pub fn length(path: &str) -> Option<u64> {
    (path == "/100MB").then_some(HUNDRED_MB)
}

/// So many bytes, piece by piece: words of 64 bits, least byte first, each its number times an odd constant, with its
/// halves exchanged.
pub fn pieces(bytes: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes).step_by(PIECE).map(move |start| {
        let words =
            (start / 8..).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).to_le_bytes());
        let count = usize::try_from(bytes - start).map_or(PIECE, |left| left.min(PIECE));
        words.flatten().take(count).collect()
    })
}
