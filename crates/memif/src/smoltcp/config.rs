//! The settings of a device.

use ::smoltcp::phy::{ChecksumCapabilities, Medium};

use super::error::DeviceError;

/// Bytes of an ethernet header.
const ETHERNET_HEADER: usize = 14;
const MTUS: std::ops::RangeInclusive<usize> = 576..=65_535;

/// What a [`Device`](super::Device) is to the stack.
///
/// ```
/// use memif::smoltcp::DeviceConfig;
/// use smoltcp::phy::Medium;
///
/// let usual = DeviceConfig::new(Medium::Ethernet);
/// let jumbo = DeviceConfig::new(Medium::Ip).mtu(9000);
/// # let _ = (usual, jumbo);
/// ```
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    pub(super) medium: Medium,
    pub(super) mtu: usize,
    pub(super) checksums: ChecksumCapabilities,
}

impl DeviceConfig {
    /// An MTU of 1500 bytes, and checksums that are made and verified. The medium is that of the interface:
    /// [`Medium::Ethernet`] for [`Mode::Ethernet`](crate::Mode::Ethernet), [`Medium::Ip`] for
    /// [`Mode::Ip`](crate::Mode::Ip).
    #[must_use]
    pub fn new(medium: Medium) -> Self {
        Self { medium, mtu: 1500, checksums: ChecksumCapabilities::default() }
    }

    /// Bytes of the longest IP packet, 576 to 65535; the peer's, which a link does not tell. (What smoltcp calls so has
    /// the ethernet header, too.)
    #[must_use]
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = bytes;
        self
    }

    /// Which checksums are made and verified: all of them if nothing else is said.
    /// [`ChecksumCapabilities::ignored`] only where both ends leave them out, and the packets go no further than there:
    /// a kernel or a switch behind the peer drops what has a wrong one.
    #[must_use]
    pub fn checksums(mut self, checksums: ChecksumCapabilities) -> Self {
        self.checksums = checksums;
        self
    }

    /// Bytes of the longest frame.
    pub(super) fn frame(&self) -> usize {
        self.mtu + if self.medium == Medium::Ethernet { ETHERNET_HEADER } else { 0 }
    }

    pub(super) fn check(&self) -> Result<(), DeviceError> {
        if MTUS.contains(&self.mtu) { Ok(()) } else { Err(DeviceError::Mtu { mtu: self.mtu }) }
    }
}
