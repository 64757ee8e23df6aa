//! Which packets of a ring are there to be copied, and which may have been changed meanwhile.

use memif_watch::{Cursors, Descriptor, Ring, RingDirection};

/// Slots that a sender may be filling before it says so: the longest burst of the programs that are known.
const MOST_AT_ONCE: u16 = 512;

/// How the buffers of a ring are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffers {
    /// Each slot has its own, one behind the other: a buffer is used again when its slot is.
    Own { region: u16, first: u32, each: u32 },
    /// They come from a pool: a buffer may be used for something else as soon as its slot is given back.
    Pool,
}

impl Buffers {
    /// As the descriptors of all slots tell.
    pub(super) fn of(descriptors: &[Descriptor]) -> Self {
        let [first, second, ..] = descriptors else { return Self::Pool };
        let Some(each) = second.offset.checked_sub(first.offset).filter(|each| *each > 0) else { return Self::Pool };
        let own = Self::Own { region: first.region, first: first.offset, each };
        if (0..).zip(descriptors).all(|(slot, descriptor)| own.holds(slot, descriptor)) { own } else { Self::Pool }
    }

    /// Whether a descriptor names the buffer of its slot, or a place within it.
    pub(super) fn holds(self, slot: u16, descriptor: &Descriptor) -> bool {
        let Self::Own { region, first, each } = self else { return false };
        let start = u64::from(first) + u64::from(slot) * u64::from(each);
        descriptor.region == region && (start..start + u64::from(each)).contains(&descriptor.offset.into())
    }
}

/// Whether the packet in a slot is as it was sent. `before` and `after` are the cursors when reading it began and when
/// it had ended, `sent` is what [`Cursors::sent`] is when that slot is the next one to be filled.
///
/// A sender fills slots before it says so, so the last ones that it may be filling are in doubt, unless the receiver
/// has not given them back yet.
pub(super) fn is_whole(ring: &Ring, buffers: Buffers, before: Cursors, after: Cursors, sent: u16) -> bool {
    let newest = after.sent(ring.direction);
    let behind = newest.wrapping_sub(sent);
    if behind == 0 || behind > ring.size {
        return false;
    }
    if !is_given_back(ring, &after, sent) {
        return true;
    }
    match buffers {
        Buffers::Own { .. } => behind <= ring.size - margin(ring.size),
        // Those of the last burst are freed with the next one.
        Buffers::Pool => ring.direction == RingDirection::S2m && before.head == after.head,
    }
}

/// Slots in doubt.
fn margin(size: u16) -> u16 {
    MOST_AT_ONCE.min(size / 2)
}

/// Whether the receiver has given that slot back: the slave may have written the room of its buffer over the length of
/// the packet, and either may have cleared the mark that it goes on in the next slot.
pub(super) fn is_given_back(ring: &Ring, cursors: &Cursors, sent: u16) -> bool {
    match ring.direction {
        RingDirection::S2m => cursors.head.wrapping_sub(cursors.tail) < cursors.head.wrapping_sub(sent),
        RingDirection::M2s => cursors.head.wrapping_sub(sent) > ring.size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Buffers = Buffers::Own { region: 0, first: 0, each: 2048 };

    fn ring(direction: RingDirection) -> Ring {
        Ring { direction, index: 0, size: 16, cache_line: memif_watch::CacheLine::Of64, offset: 0 }
    }

    fn at(head: u16, tail: u16) -> Cursors {
        Cursors { head, tail, flags: 0 }
    }

    #[test]
    fn slots_that_may_be_filled_are_in_doubt() {
        let s2m = ring(RingDirection::S2m);
        let whole = |buffers, before, after, sent| is_whole(&s2m, buffers, before, after, sent);
        // All given back: the sender may be filling the eight oldest.
        assert!(whole(OWN, at(20, 20), at(20, 20), 12) && !whole(OWN, at(20, 20), at(20, 20), 11));
        // Given back by the master is none.
        assert!(whole(OWN, at(20, 4), at(20, 4), 4) && whole(Buffers::Pool, at(20, 4), at(20, 4), 4));
        // Passed meanwhile.
        assert!(!whole(OWN, at(20, 20), at(37, 37), 20) && !whole(OWN, at(20, 20), at(20, 20), 20));
        // Cursors go round.
        assert!(whole(OWN, at(3, 3), at(3, 3), 65_531));
        // What lies in a pool stays until the next burst.
        assert!(whole(Buffers::Pool, at(20, 20), at(20, 20), 19) && !whole(Buffers::Pool, at(20, 20), at(21, 21), 19));

        let m2s = ring(RingDirection::M2s);
        let whole = |buffers, after, sent| is_whole(&m2s, buffers, after, after, sent);
        // Filled up to 10 and not posted again; then all posted again.
        assert!(whole(Buffers::Pool, at(16, 10), 0) && whole(OWN, at(16, 10), 0));
        assert!(!whole(Buffers::Pool, at(26, 10), 9) && whole(OWN, at(26, 10), 9) && !whole(OWN, at(26, 10), 1));
        assert!(is_given_back(&m2s, &at(26, 10), 9) && !is_given_back(&m2s, &at(25, 10), 9));
        assert!(is_given_back(&s2m, &at(26, 10), 9) && !is_given_back(&s2m, &at(26, 10), 10));
    }

    #[test]
    fn buffers_one_behind_the_other_are_those_of_slots() {
        let at = |region, offset| Descriptor { flags: 0, region, length: 0, offset };
        let row: Vec<_> = (0..8).map(|slot| at(1, 4096 + slot * 2048)).collect();
        let own = Buffers::of(&row);
        assert_eq!(own, Buffers::Own { region: 1, first: 4096, each: 2048 });
        // With room left before the data, as in another slot.
        assert!(own.holds(3, &at(1, 4096 + 3 * 2048 + 128)) && !own.holds(3, &at(1, 4096 + 4 * 2048)));
        assert!(!own.holds(3, &at(0, 4096 + 3 * 2048)));
        for row in [&[][..], &[at(0, 0)], &[at(0, 0), at(0, 0)], &[at(0, 0), at(0, 9), at(0, 4)]] {
            assert_eq!(Buffers::of(row), Buffers::Pool);
        }
    }
}
