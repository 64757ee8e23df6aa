//! A map of what this side has numbered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// By tokens and numbers that this socket gave out, one after the other. No peer chooses one, so none can make them
/// collide, and a hash that nobody can predict would be paid for a dozen times per message of a handshake.
///
/// Ids of interfaces are no such numbers: a peer may ask for one.
pub(super) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Multiplies by an odd number: what follows one another does not collide in the lowest bits, and differs in the
/// highest, of which the map takes both.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumberHasher(u64);

/// Two to the 64th by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(SPREAD);
    }

    /// What tells one kind of a thing from another.
    fn write_isize(&mut self, kind: isize) {
        self.write_u64(u64::from_ne_bytes((kind as i64).to_ne_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    use super::*;
    use crate::socket::timers::Timer;

    /// Of so many keys, how many differ in the bits that choose a place, and how many in those that are compared there.
    fn spread<T: Hash>(keys: impl Iterator<Item = T>) -> (usize, usize) {
        let hash = BuildHasherDefault::<NumberHasher>::default();
        let hashes: Vec<u64> = keys.map(|key| hash.hash_one(key)).collect();
        let different = |bits: fn(&u64) -> u64| hashes.iter().map(bits).collect::<HashSet<u64>>().len();
        (different(|hash| hash % 1024), different(|hash| hash >> 57))
    }

    #[test]
    fn what_follows_one_another_does_not_collide() {
        assert_eq!(spread(1000..2024_u64), (1024, 128));
        assert_eq!(spread(0..1024_u32), (1024, 128));
        assert_eq!(spread((16..1040).map(Timer::Handshake)), (1024, 128));
    }
}
