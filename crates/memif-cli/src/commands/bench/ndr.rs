//! The highest rate without loss: a binary search, as RFC 2544 has it.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use memif::{Link, RxQueue};

use super::generator::{Flow, Generator};
use super::until::Until;
use crate::counts::real;
use crate::error::Error;
use crate::packet::numbered::{Kind, LONGEST, kind};

/// The search ends when what is left is this part of the highest rate.
const FINE: f64 = 0.01;
/// The part of a rate that a generator must really offer for a trial to count.
const OFFERED: f64 = 0.99;
/// How often a trial is repeated whose generator fell behind: a busy machine, not the link.
const REPEATS: u32 = 3;
/// How often the search comes back to rates that were not judged.
const RETURNS: u32 = 2;
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

    /// Whether no more than that part was lost; `None` where the trial says nothing of a rate.
    pub(crate) fn passed(&self, loss: f64) -> Option<bool> {
        let judged = self.rate.is_some() && self.offered > 0 && self.was_offered();
        judged.then(|| self.loss() <= loss)
    }
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Found {
    /// The highest rate that passed, 0 without one.
    pub(crate) rate: f64,
    /// From which rate on it is not known, where that is what ended the search: the generator fell behind every time.
    pub(crate) not_judged: Option<f64>,
}

/// Looks for the highest rate at which a trial passes. `trial` runs one, and gives `None` when it should end.
///
/// The first trial is as fast as it goes; no rate above what arrived then is tried. A rate whose trials say nothing is
/// not taken for one that loses: the search goes on below and, when a rate passed there, comes back.
pub(crate) fn search(
    loss: f64,
    mut trial: impl FnMut(Option<f64>) -> Result<Option<Trial>, Error>,
) -> Result<Option<Found>, Error> {
    let Some(first) = trial(None)? else { return Ok(None) };
    let ceiling = first.arrived_rate();
    let (mut good, mut lost, mut doubt) = (0.0, None, None);
    let (mut rate, mut end, mut returns) = (ceiling, ceiling, 0);
    while end - good > FINE * ceiling {
        let mut passed = None;
        for _ in 0..=REPEATS {
            let Some(tried) = trial(Some(rate))? else { return Ok(None) };
            passed = tried.passed(loss);
            if passed.is_some() {
                break;
            }
        }
        match passed {
            Some(true) => {
                good = rate;
                if returns < RETURNS && doubt.is_some_and(|doubt| doubt < ceiling) {
                    returns += 1;
                    // While no rate lost, what was not judged first is the highest of all.
                    doubt = lost.is_none().then_some(ceiling);
                }
            }
            Some(false) => (lost, doubt) = (Some(rate), None),
            None => doubt = Some(rate),
        }
        end = doubt.or(lost).unwrap_or(ceiling);
        rate = f64::midpoint(good, end);
    }
    Ok(Some(Found { rate: good, not_judged: doubt }))
}

/// One trial over a link that stays. What arrived is what the rings took or, where `returns` says how long the first
/// one may take, what came back.
pub(crate) fn over_link(
    generator: &mut Generator,
    link: &mut Link,
    flow: &Flow,
    returns: Option<Duration>,
    until: &Until,
) -> Result<Trial, Error> {
    let mut scratch = vec![0; LONGEST];
    let mut back = 0;
    let Link { tx, rx, .. } = link;
    let sent = generator.run(tx, flow, until, || {
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
    loop {
        let all = returns.is_some() && back >= sent.packets;
        let patience = returns.filter(|_| back == 0).unwrap_or(LINGER);
        if all || last.elapsed() >= patience || until.is_over() {
            break;
        }
        let got = take(rx, flow.burst, &mut scratch);
        if got > 0 {
            back += got;
            last = Instant::now();
        }
        spin_loop();
    }
    if returns.is_some() && back == 0 && sent.packets > 0 && !until.is_over() {
        return Err(Error::NotConnected(
            "nothing came back: start a peer that sends packets back (memif bench --part echo, or dpdk-testpmd with \
             --forward-mode=macswap), or leave --return out"
                .to_owned(),
        ));
    }
    let arrived = if returns.is_some() { back } else { sent.packets };
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
            let ours = matches!(kind(scratch.get(..len).unwrap_or_default()), Kind::Data { .. });
            back += u64::from(ours);
        }
    }
    back
}

/// One trial between two ends of ours, as the sink saw it.
pub(crate) fn received(rate: Option<f64>, received: &super::received::Received, time: Duration) -> Trial {
    let wrong = received.corrupted + received.duplicates;
    let arrived = received.packets.saturating_sub(wrong);
    Trial { rate, offered: received.sent.map_or(0, |(_, offered)| offered), arrived, time }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver that loses everything beyond a rate.
    fn receiver(limit: f64) -> impl FnMut(Option<f64>) -> Result<Option<Trial>, Error> {
        move |rate| {
            let offered = rate.unwrap_or(2e6);
            let arrived = offered.min(limit);
            let count = crate::counts::whole;
            Ok(Some(Trial { rate, offered: count(offered), arrived: count(arrived), time: Duration::from_secs(1) }))
        }
    }

    #[test]
    fn finds_the_rate_of_a_receiver() {
        for limit in [2e6, 1e6, 123_456.0] {
            let found = search(0.0, receiver(limit)).unwrap().unwrap();
            assert!((found.rate - limit).abs() <= 0.01 * limit, "{limit}: {found:?}");
            assert_eq!(found.not_judged, None);
        }
    }

    #[test]
    fn a_receiver_that_always_loses_has_no_rate() {
        let always =
            |rate: Option<f64>| Ok(Some(Trial { rate, offered: 1000, arrived: 999, time: Duration::from_micros(500) }));
        assert_eq!(search(0.0, always).unwrap(), Some(Found { rate: 0.0, not_judged: None }));
        assert!(search(0.01, always).unwrap().unwrap().rate > 0.0);
    }

    #[test]
    fn a_generator_that_is_too_slow_proves_nothing() {
        let trial = Trial { rate: Some(1000.0), offered: 900, arrived: 900, time: Duration::from_secs(1) };
        assert_eq!(trial.passed(0.0), None);
        assert_eq!(Trial { arrived: 1, ..trial }.passed(0.0), None);
        assert_eq!(Trial { rate: None, offered: 1000, ..trial }.passed(0.0), None);
        let offered = Trial { offered: 1000, ..trial };
        assert_eq!(offered.passed(0.0), Some(false));
        assert_eq!(Trial { arrived: 1000, ..offered }.passed(0.0), Some(true));
        assert_eq!(Trial::default().passed(0.0), None);
    }

    /// The same trial of a generator that falls behind.
    fn behind(trial: Trial) -> Trial {
        Trial { offered: trial.offered / 2, arrived: trial.arrived / 2, ..trial }
    }

    #[test]
    fn a_busy_machine_does_not_lower_the_rate() {
        let mut trials = 0;
        // As fast as it goes more arrives than without loss.
        let (mut calm, mut flood) = (receiver(6e5), receiver(1e6));
        let found = search(0.0, |rate| {
            trials += 1;
            // Three of four trials say nothing.
            let tried = if rate.is_none() { flood(rate)? } else { calm(rate)? };
            Ok(tried.map(|tried| if trials % 4 == 1 { tried } else { behind(tried) }))
        });
        let found = found.unwrap().unwrap();
        assert!((found.rate - 6e5).abs() <= 1e4, "{found:?}");
        assert_eq!(found.not_judged, None);
    }

    #[test]
    fn a_rate_that_was_not_judged_is_tried_again_later() {
        let mut calm = receiver(2e6);
        let mut trials = 0;
        let found = search(0.0, |rate| {
            trials += 1;
            // The machine is busy from the third rate on, for as long as the search stays there.
            let tried = calm(rate)?;
            Ok(tried.map(|tried| if (2..10).contains(&trials) { behind(tried) } else { tried }))
        });
        let found = found.unwrap().unwrap();
        assert!(found.rate > 0.98 * 2e6, "{found:?}");
        assert_eq!(found.not_judged, Some(2e6), "the first was as fast as it goes");
    }

    #[test]
    fn what_was_not_judged_is_said() {
        let mut calm = receiver(2e6);
        let mut trials = 0;
        let found = search(0.0, |rate| {
            trials += 1;
            let tried = calm(rate)?;
            Ok(tried.map(|tried| if rate > Some(1e6) { behind(tried) } else { tried }))
        });
        let Found { rate, not_judged } = found.unwrap().unwrap();
        assert!(rate <= 1e6 && not_judged.is_some_and(|from| from > 1e6), "{rate} {not_judged:?}");
        assert!((0.97e6..=1e6).contains(&rate), "{rate}");
        assert!(trials < 100, "{trials}");
    }
}
