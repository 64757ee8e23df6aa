//! Says what there is to say about links, on one of the two outputs.

use std::time::Instant;

use memif::{Event, InterfaceKey, SocketAddress};

use super::events::Reporter;
use super::said::Told;
use crate::error::Error;

/// How something is said: [`Told::say`] or [`Told::warn`].
pub(crate) type Voice = fn(&Told) -> Result<(), Error>;

/// A reporter with a voice.
#[derive(Debug)]
pub(crate) struct Teller {
    reporter: Reporter,
    voice: Voice,
}

impl Teller {
    /// Tells of the links of the socket at that address.
    pub(crate) fn new(address: SocketAddress, voice: Voice) -> Self {
        Self { reporter: Reporter::new(address), voice }
    }

    /// What is to be [said](Self::say) about an event, if there is anything new to say now. `name` says how an
    /// interface is called in the line, `id` which it is for programs.
    pub(crate) fn note(
        &mut self,
        event: &Event,
        name: impl Fn(InterfaceKey) -> String,
        id: impl Fn(InterfaceKey) -> u32,
    ) -> Option<Told> {
        self.reporter.tell(event, name, id)
    }

    /// Says it.
    pub(crate) fn say(&self, told: Option<&Told>) -> Result<(), Error> {
        told.map_or(Ok(()), self.voice)
    }

    /// Says at once what is to be said about an event.
    pub(crate) fn tell(
        &mut self,
        event: &Event,
        name: impl Fn(InterfaceKey) -> String,
        id: impl Fn(InterfaceKey) -> u32,
    ) -> Result<(), Error> {
        let told = self.note(event, name, id);
        self.say(told.as_ref())
    }

    /// Why an event kept a link from coming up, and what to do.
    pub(crate) fn cause(&self, event: &Event) -> Option<String> {
        self.reporter.cause(event)
    }

    /// When there is something to say although nothing happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.reporter.due()
    }

    /// Says what is to be said by now although nothing happened.
    pub(crate) fn overdue(&mut self) -> Result<(), Error> {
        self.reporter.overdue().iter().try_for_each(self.voice)
    }

    /// Says what is left at the end.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.reporter.finish().iter().try_for_each(self.voice)
    }
}
