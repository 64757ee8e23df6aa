//! What the slave of a link may cost its master.

use crate::error::ConfigError;
use crate::terms::{MAX_LOG2_RING_SIZE, MAX_QUEUES};

/// Regions of a link, as HELLO announces it.
const MOST_REGIONS: u16 = 256;
/// Rings of a link that has as many queues as there can be.
const MOST_RINGS: u16 = 2 * MAX_QUEUES as u16;

/// What a master lets the slave of one link make it map and hold. A slave that brings more is refused by name.
///
/// ```
/// use memif::{InterfaceConfig, Limits};
/// let mut limits = Limits::default();
/// limits.slots = 8 * 1024;
/// let config = InterfaceConfig::master(0).rx_queues(4).tx_queues(4).limits(limits);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Number of regions, 1 to 256 (default 256).
    pub regions: u16,
    /// Bytes of one region (default 64 GiB: zero-copy peers offer whole buffer pools).
    pub region_size: u64,
    /// Bytes of all regions of one link (default 256 GiB).
    pub total_size: u64,
    /// Rings of both directions together, 1 to 510 (default 510). Each direction is limited by
    /// [`rx_queues`](crate::InterfaceConfig::rx_queues) and [`tx_queues`](crate::InterfaceConfig::tx_queues) besides.
    pub rings: u16,
    /// Slots of all rings together, 1 or more (default 2^20: 32 rings of 2^14 each way). A master keeps tables of about
    /// 17 bytes for each, hence 17 MiB for all of those; as they are used, up to 44 for one to receive in and 32 for
    /// one to send in, hence 38 MiB.
    pub slots: u32,
    /// Descriptors that the slave sends, 2 or more: one for each region, which the master closes when the link comes
    /// up, and one for each ring, which it keeps as long as the link is up (default 512: 255 rings each way in two
    /// regions, or 256 regions with 128 rings each way).
    pub descriptors: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            regions: MOST_REGIONS,
            region_size: 64 << 30,
            total_size: 256 << 30,
            rings: MOST_RINGS,
            slots: 64 << MAX_LOG2_RING_SIZE,
            descriptors: 512,
        }
    }
}

impl Limits {
    /// The default limits, raised as far as it takes to serve so many queues of any ring size and with any number of
    /// regions: then the number of queues alone bounds what a link costs.
    #[must_use]
    pub fn for_queues(rx: u8, tx: u8) -> Self {
        let usual = Self::default();
        let rings = u16::from(rx) + u16::from(tx);
        Self {
            slots: usual.slots.max(u32::from(rings) << MAX_LOG2_RING_SIZE),
            descriptors: usual.descriptors.max(MOST_REGIONS + rings),
            ..usual
        }
    }

    /// Whether each can be.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=MOST_REGIONS).contains(&self.regions) {
            return Err(ConfigError::RegionLimit(self.regions));
        }
        if !(1..=MOST_RINGS).contains(&self.rings) {
            return Err(ConfigError::RingLimit(self.rings));
        }
        if self.slots == 0 {
            return Err(ConfigError::SlotLimit);
        }
        if self.descriptors < 2 {
            return Err(ConfigError::DescriptorLimit(self.descriptors));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_allow_no_link_name_themselves() {
        let good = Limits::default();
        assert_eq!(good.validate(), Ok(()));
        for (limits, word) in [
            (Limits { regions: 0, ..good }, "region limit 0"),
            (Limits { regions: 257, ..good }, "region limit 257"),
            (Limits { rings: 0, ..good }, "ring limit 0"),
            (Limits { rings: 511, ..good }, "255 each way"),
            (Limits { slots: 0, ..good }, "slot limit 0"),
            (Limits { descriptors: 1, ..good }, "descriptor limit 1"),
        ] {
            let error = limits.validate().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn limits_for_queues_are_never_lower_than_the_usual_ones() {
        assert_eq!(Limits::for_queues(1, 1), Limits::default());
        assert_eq!(Limits::for_queues(32, 32), Limits::default());
        let most = Limits::for_queues(255, 255);
        assert_eq!((most.slots, most.descriptors), (510 << 14, 766));
        assert_eq!(most.validate(), Ok(()));
    }
}
