//! The highest rate without loss: a binary search, as RFC 2544 has it.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use memif::RxQueue;

use super::generator::{Flow, Generator};
use super::link::Until;
use super::packet::{Kind, LONGEST, kind};
use super::sink::real;
use crate::exit::Error;

/// The search ends when what is left is this part of the highest rate.
const FINE: f64 = 0.01;
/// The part of a rate that a generator must really offer for a trial to count.
const OFFERED: f64 = 0.99;
/// How long after the last packet those that are on their way back are waited for.
const LINGER: Duration = Duration::from_millis(100);

/// What became of the packets of one trial.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trial {
    /// Packets per second that were asked for; `None` where it was as fast as it goes.
    pub(crate) rate: Option<f64>,
    /// Packets that were due, whether or not there was room for them.
    pub(crate) offered: u64,
    /// Packets that arrived.
    pub(crate) arrived: u64,
    pub(crate) time: Duration,
}

impl Trial {
    /// Packets that were due and did not arrive.
    pub(crate) fn lost(&self) -> u64 {
        self.offered.saturating_sub(self.arrived)
    }

    /// Packets per second that arrived.
    pub(crate) fn arrived_rate(&self) -> f64 {
        real(self.arrived) / self.time.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The part of the packets that was lost.
    pub(crate) fn loss(&self) -> f64 {
        real(self.lost()) / real(self.offered.max(1))
    }

    /// Whether the generator offered what it was asked for.
    pub(crate) fn was_offered(&self) -> bool {
        let asked = self.rate.unwrap_or_default() * self.time.as_secs_f64();
        real(self.offered) >= asked * OFFERED
    }

    /// Whether no more than that part was lost.
    pub(crate) fn passed(&self, loss: f64) -> bool {
        self.offered > 0 && self.was_offered() && self.loss() <= loss
    }
}

/// Looks for the highest rate at which a trial passes. `trial` runs one, and gives `None` when it should end.
///
/// The first trial is as fast as it goes; no rate above what arrived then is tried.
pub(crate) fn search(
    loss: f64,
    mut trial: impl FnMut(Option<f64>) -> Result<Option<Trial>, Error>,
) -> Result<Option<f64>, Error> {
    let Some(first) = trial(None)? else { return Ok(None) };
    let ceiling = first.arrived_rate();
    let (mut good, mut bad) = (0.0, ceiling);
    let mut rate = ceiling;
    while bad - good > FINE * ceiling {
        let Some(tried) = trial(Some(rate))? else { return Ok(None) };
        if tried.passed(loss) {
            good = rate;
        } else {
            bad = rate;
        }
        rate = f64::midpoint(good, bad);
    }
    Ok(Some(good))
}

/// One trial over a link that stays. What arrived is what the rings took or, with `returns`, what came back.
pub(crate) fn over_link(
    generator: &mut Generator<'_>,
    rx: &mut [RxQueue],
    flow: &Flow,
    returns: bool,
    until: &Until,
) -> Result<Trial, Error> {
    let mut scratch = vec![0; LONGEST];
    let mut back = 0;
    let sent = generator.run(flow, until, || {
        let got = take(rx, flow.burst, &mut scratch);
        back += got;
        got > 0
    })?;
    if sent.cut {
        return Err(Error::NotConnected(
            "the link went down during the trial; look what the other end says".to_owned(),
        ));
    }
    let mut last = Instant::now();
    while last.elapsed() < LINGER && (back < sent.packets || !returns) && !until.is_over() {
        let got = take(rx, flow.burst, &mut scratch);
        if got > 0 {
            back += got;
            last = Instant::now();
        }
        spin_loop();
    }
    if returns && back == 0 && sent.packets > 0 && !until.is_over() {
        return Err(Error::NotConnected(
            "nothing came back: start a peer that sends packets back (memif bench --part echo, or dpdk-testpmd with \
             --forward-mode=macswap), or leave --return out"
                .to_owned(),
        ));
    }
    let arrived = if returns { back } else { sent.packets };
    Ok(Trial { rate: flow.rate, offered: sent.offered, arrived, time: sent.time })
}

/// Takes what came back and is ours.
fn take(rx: &mut [RxQueue], burst: usize, scratch: &mut [u8]) -> u64 {
    let mut back = 0;
    for queue in rx {
        // That the link is down the generator finds out.
        let Ok(mut batch) = queue.recv(burst) else { continue };
        for packet in &mut batch {
            let len = packet.copy_to(scratch);
            let ours = matches!(kind(scratch.get(..len).unwrap_or_default()), Kind::Data(_));
            back += u64::from(ours);
        }
    }
    back
}

/// One trial between two ends of ours, as the sink saw it.
pub(crate) fn received(
    rate: Option<f64>,
    received: &super::sink::Received,
    time: Duration,
) -> Trial {
    let offered = received.lost().map_or(0, |lost| received.packets + lost);
    Trial {
        rate,
        offered,
        arrived: received.packets - received.corrupted.min(received.packets),
        time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver that loses everything beyond a rate.
    fn receiver(limit: f64) -> impl FnMut(Option<f64>) -> Result<Option<Trial>, Error> {
        move |rate| {
            let offered = rate.unwrap_or(2e6);
            let arrived = offered.min(limit);
            let count = super::super::generator::whole;
            Ok(Some(Trial {
                rate,
                offered: count(offered),
                arrived: count(arrived),
                time: Duration::from_secs(1),
            }))
        }
    }

    #[test]
    fn finds_the_rate_of_a_receiver() {
        for limit in [2e6, 1e6, 123_456.0] {
            let found = search(0.0, receiver(limit)).unwrap().unwrap();
            assert!((found - limit).abs() <= 0.01 * limit, "{limit}: {found}");
        }
    }

    #[test]
    fn a_receiver_that_always_loses_has_no_rate() {
        let always = |rate: Option<f64>| {
            Ok(Some(Trial { rate, offered: 1000, arrived: 999, time: Duration::from_micros(500) }))
        };
        assert_eq!(search(0.0, always).unwrap(), Some(0.0));
        assert!(search(0.01, always).unwrap().unwrap() > 0.0);
    }

    #[test]
    fn a_generator_that_is_too_slow_proves_nothing() {
        let trial =
            Trial { rate: Some(1000.0), offered: 900, arrived: 900, time: Duration::from_secs(1) };
        assert!(!trial.passed(0.0));
        assert!(Trial { offered: 1000, arrived: 1000, ..trial }.passed(0.0));
        assert!(!Trial::default().passed(0.0));
    }
}
