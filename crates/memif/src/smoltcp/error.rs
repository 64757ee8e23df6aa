//! Why there is no device, and why one goes no further.

use crate::error::{RecvError, SendError};

/// Why a link cannot be a device of these settings. Nothing was sent or received; the queues are dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The MTU is none that IP works with.
    #[error("an MTU of {mtu} bytes: choose one from 576 to 65535 (IPv6 needs 1280)")]
    Mtu {
        /// What was asked for, in bytes.
        mtu: usize,
    },
    /// Frames of this MTU do not go over the link.
    #[error(
        "an MTU of {mtu} bytes takes frames of {frame}, and the link carries {carries}: choose a smaller MTU, or give \
         the slave larger buffers or a longer ring"
    )]
    TooLong {
        /// Bytes of an IP packet.
        mtu: usize,
        /// Bytes of a frame.
        frame: usize,
        /// Bytes of the longest packet that the link carries.
        carries: usize,
    },
    /// The ring has no room for a few frames of this MTU.
    #[error("frames of {frame} bytes need a ring of {needed} slots, and it has {slots}: have the slave make it longer")]
    Ring {
        /// Bytes of a frame.
        frame: usize,
        /// Slots of the ring that is sent on.
        slots: usize,
        /// Slots that it needs.
        needed: usize,
    },
    /// A device is one pair of queues: what comes on others would be lost.
    #[error("a device takes one queue each way, and the link has {rx} to receive from and {tx} to send on")]
    Queues {
        /// Receive queues of the link.
        rx: usize,
        /// Transmit queues of the link.
        tx: usize,
    },
}

/// Why a device goes no further on its link. All frames that came before were processed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The link is down, or its peer broke the protocol: take the next one with
    /// [`Device::attach`](super::Device::attach).
    #[error("{0}")]
    Down(RecvError),
    /// The peer, a slave, posts buffers now that do not hold a frame of the device's MTU.
    #[error("{0}: the peer posts shorter buffers than before; attach another link, or make a device of a smaller MTU")]
    TooLong(SendError),
}
