//! Packets that prove that they crossed: each carries its stream, its sequence number and its length, and bytes that
//! follow from them.

/// Bytes of the header in front of the pattern. Shorter packets carry the pattern alone.
pub const HEADER: usize = 16;

/// The packet `sequence` of `stream`, `len` bytes long (at least 1).
///
/// From [`HEADER`] bytes on: stream (4), sequence (8), length (4), then a pattern of all three. Shorter ones hold the
/// first bytes of the sequence.
#[must_use]
pub fn packet(stream: u32, sequence: u64, len: usize) -> Vec<u8> {
    if len < HEADER {
        return sequence.to_le_bytes().iter().cycle().take(len).copied().collect();
    }
    let mut bytes = Vec::with_capacity(len);
    bytes.extend(stream.to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(u32::try_from(len).expect("a length").to_le_bytes());
    let mut state = sequence ^ u64::from(stream) << 40 ^ (len as u64) << 24 ^ 0x9e37_79b9_7f4a_7c15;
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let take = (len - bytes.len()).min(8);
        bytes.extend_from_slice(&state.to_le_bytes()[..take]);
    }
    bytes
}

/// Stream and sequence of a packet, checked to the last byte.
///
/// # Errors
/// What is wrong with it.
pub fn check(bytes: &[u8]) -> Result<(u32, u64), String> {
    if bytes.len() < HEADER {
        return Err(format!("{} bytes are no packet: {bytes:02x?}", bytes.len()));
    }
    let stream = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&bytes[4..12]);
    let sequence = u64::from_le_bytes(sequence);
    let expected = packet(stream, sequence, bytes.len());
    match bytes.iter().zip(&expected).position(|(a, b)| a != b) {
        None => Ok((stream, sequence)),
        Some(at) => Err(format!(
            "packet of {} bytes, stream {stream}, sequence {sequence}: byte {at} is {:02x}, not {:02x}",
            bytes.len(),
            bytes[at],
            expected[at]
        )),
    }
}

/// Accepts the packets of one stream, in order, without a gap.
#[derive(Clone, Debug, Default)]
pub struct InOrder {
    stream: u32,
    next: u64,
    /// Bytes taken.
    pub bytes: u64,
}

impl InOrder {
    /// Of a stream.
    #[must_use]
    pub fn of(stream: u32) -> Self {
        Self { stream, ..Self::default() }
    }

    /// Takes the next packet; it must be the next in order and whole.
    #[track_caller]
    pub fn take(&mut self, bytes: &[u8]) {
        let found = check(bytes).unwrap_or_else(|e| panic!("after {} good packets: {e}", self.next));
        assert_eq!(found, (self.stream, self.next), "stream and sequence of a packet");
        self.next += 1;
        self.bytes += bytes.len() as u64;
    }

    /// Packets taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.next
    }
}

/// A small generator of numbers that repeats from its seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Same seed, same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + usize::try_from(self.roll() >> 33).unwrap_or(0) % (high - low + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_prove_themselves() {
        for len in [16, 17, 64, 1500, 65_535] {
            let bytes = packet(3, 77, len);
            assert_eq!(bytes.len(), len);
            assert_eq!(check(&bytes), Ok((3, 77)));
            let mut broken = bytes.clone();
            broken[len - 1] ^= 1;
            assert!(check(&broken).is_err());
            assert!(len == 16 || check(&bytes[..len - 1]).is_err());
        }
        assert_eq!(packet(0, 0x0201, 3), [1, 2, 0]);
        let mut stream = InOrder::of(3);
        stream.take(&packet(3, 0, 20));
        stream.take(&packet(3, 1, 20));
        assert_eq!((stream.count(), stream.bytes), (2, 40));
    }
}
