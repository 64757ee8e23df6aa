//! Messages as they come and go, with their descriptors.

use crate::error::Breach;
use crate::wire::{Disconnect, MESSAGE_SIZE, Message, Text};

/// Most messages that a handshake can have: INIT, 256 regions, 255 rings each way, CONNECT.
pub const MAX_MESSAGES: u32 = 1 + 256 + 2 * 255 + 1;

/// A message to send, with its descriptor.
#[derive(Debug)]
pub struct Transmit<F> {
    /// The whole message.
    pub bytes: [u8; MESSAGE_SIZE],
    /// The one descriptor to attach, if any.
    pub fd: Option<F>,
}

impl<F> From<Message> for Transmit<F> {
    fn from(message: Message) -> Self {
        Self { bytes: message.emit(), fd: None }
    }
}

/// The message of a breach.
pub(super) fn disconnect_message(reason: &str) -> Message {
    Message::Disconnect(Disconnect { code: 0, reason: Text::lossy(reason.as_bytes()) })
}

/// Reads a message and checks that as many descriptors came as belong to it (C1 to C3).
///
/// DISCONNECT passes with any number: it ends the connection anyway and must not be answered.
pub(super) fn parse_with_fds(bytes: &[u8], fds: usize) -> Result<Message, Breach> {
    let message = Message::parse(bytes)?;
    let expected = message.descriptors();
    if fds != expected && !matches!(message, Message::Disconnect(_)) {
        return Err(Breach::DescriptorCount { message: message.name(), found: fds, expected });
    }
    Ok(message)
}
