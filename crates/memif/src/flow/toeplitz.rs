//! The Toeplitz hash: of each set bit of the input, the 32 bits of the key that begin there, added without carry.

/// Bytes of a key.
pub const KEY_SIZE: usize = 40;

/// Half bytes of the longest input, two IPv6 addresses and two ports: what a key of 40 bytes is good for.
const NIBBLES: usize = 2 * (KEY_SIZE - size_of::<u32>());

/// What each half byte adds, by its place and value.
#[derive(Clone)]
pub(super) struct Toeplitz {
    adds: Box<[[u32; 16]; NIBBLES]>,
}

impl Toeplitz {
    pub(super) fn new(key: &[u8; KEY_SIZE]) -> Self {
        let bit = |at: usize| key.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
        let word = |at: usize| (at..at + 32).fold(0, |word, at| word << 1 | u32::from(bit(at)));
        let mut adds = Box::new([[0; 16]; NIBBLES]);
        for (place, adds) in adds.iter_mut().enumerate() {
            let words: [u32; 4] = std::array::from_fn(|bit| word(4 * place + bit));
            for (value, add) in adds.iter_mut().enumerate() {
                let set = words.iter().enumerate().filter(|(bit, _)| value & (8 >> bit) != 0);
                *add = set.fold(0, |sum, (_, word)| sum ^ word);
            }
        }
        Self { adds }
    }

    /// The hash of these parts, one behind the other: 36 bytes at most, what is behind that does not count.
    #[inline]
    pub(super) fn hash(&self, parts: [&[u8]; 3]) -> u32 {
        let (pairs, _) = self.adds.as_chunks::<2>();
        let bytes = parts.into_iter().flatten();
        pairs
            .iter()
            .zip(bytes)
            .fold(0, |hash, ([high, low], byte)| hash ^ high[usize::from(byte >> 4)] ^ low[usize::from(byte & 15)])
    }
}
