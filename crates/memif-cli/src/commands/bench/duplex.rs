//! An end that sends and receives at once: one thread does both in turn.

use std::sync::Arc;

use memif::{Link, RxQueue};

use super::crew::Crew;
use super::generator::{Flow, Generator, Sent};
use super::outages::Outages;
use super::received::Received;
use super::sink::{Catch, Ended, Sink};
use super::until::Until;
use crate::error::Error;

/// The receiving half while the other one is at work.
struct Half<'a> {
    sink: Sink<'a>,
    rx: &'a mut [RxQueue],
    ended: Option<Ended>,
    trouble: Option<Error>,
}

impl Half<'_> {
    /// Takes what came; says whether there was anything.
    fn step(&mut self, until: &Until) -> bool {
        if self.ended.is_some() || self.trouble.is_some() {
            return false;
        }
        match self.sink.step(self.rx, until) {
            Ok((got, ended)) => {
                self.ended = ended;
                got
            }
            Err(error) => {
                self.trouble = Some(error);
                false
            }
        }
    }
}

/// Sends as the flow says, and receives until the other end has said that it sent all.
pub(crate) fn run(
    link: &mut Link,
    flow: &Flow,
    catch: &Catch,
    crews: (&Arc<Crew>, &Arc<Crew>),
    until: &Until,
) -> Result<(Sent, Received), Error> {
    let Link { tx, rx, .. } = link;
    let mut sink = Sink::new(catch, crews.1.place(0));
    sink.open(rx);
    let mut half = Half { sink, rx, ended: None, trouble: None };
    let mut generator = Generator::with_place(flow, crews.0.place(0), 0);
    let sent = generator.run(tx, flow, until, || half.step(until))?;
    if !sent.cut {
        // The other end does the same, and neither may wait for room without making any.
        generator.close_while(tx, || {
            half.step(until);
        });
    }
    while half.ended.is_none() && half.trouble.is_none() {
        half.step(until);
    }
    match half.trouble {
        Some(error) => Err(error),
        None => Ok((sent, half.sink.finish(Outages::default()))),
    }
}
