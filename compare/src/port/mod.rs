//! The ends of everything that is compared, behind one trait. Programs are generic over it, so nothing is called
//! through a table.

pub(crate) mod bare;
#[cfg(feature = "iceoryx2")]
pub(crate) mod iceoryx;
pub(crate) mod kernel;
pub(crate) mod library;
pub(crate) mod rust;
pub(crate) mod rust_hub;
pub(crate) mod threads;

use std::io;

/// What a receive call brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) packets: usize,
    pub(crate) bytes: usize,
}

/// Something that went wrong, in words.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// One end of a link with all its queues, which are served in turn.
pub(crate) trait Port {
    /// Sends up to `count` packets with these bytes, each copied from the private `payload`. Returns how many.
    fn send(&mut self, payload: &[u8], count: usize) -> Result<usize>;

    /// Receives up to `count` packets, each copied whole to the start of the private `scratch`.
    fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got>;

    /// Receives up to `count` packets and sends each back, copied once from buffer to buffer where that is possible.
    /// What does not fit is sent with a later call.
    fn echo(&mut self, scratch: &mut [u8], count: usize) -> Result<usize>;

    /// As `echo`, without a copy where that is possible.
    fn forward(&mut self, scratch: &mut [u8], count: usize) -> Result<usize> {
        self.echo(scratch, count)
    }

    /// Waits for packets in the way that the job says; may return early.
    #[inline]
    fn wait(&mut self) -> Result<()> {
        std::hint::spin_loop();
        Ok(())
    }

    /// Does what is to be done now and then: the control channel.
    fn rarely(&mut self) -> Result<()> {
        Ok(())
    }
}

/// An error of the system with what was being done.
pub(crate) fn io_error(what: &str) -> impl FnOnce(io::Error) -> String {
    let what = what.to_owned();
    move |error| format!("{what}: {error}")
}
