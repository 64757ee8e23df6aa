//! How many queues an interface has, or takes.

use clap::Args;
use memif::{MAX_QUEUES, Role};

use crate::endpoint::values::number;

/// Queues each way that a master takes from its slave when nothing else is said.
const MASTERS_QUEUES: u8 = 32;
/// The most receive queues that are tried when their number is to be found out.
pub(super) const MOST_FOUND: u8 = 32;

/// Receive queues as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RxQueues {
    Number(u8),
    /// As many as a DPDK master transmits on.
    Auto,
}

fn parse_rx_queues(text: &str) -> Result<RxQueues, String> {
    if text == "auto" {
        return Ok(RxQueues::Auto);
    }
    number(1, 255)(text).map(RxQueues::Number).map_err(|error| format!("{error}, or auto"))
}

/// The numbers of queues.
#[derive(Args, Clone, Debug)]
pub(super) struct QueueOptions {
    /// Queues in each direction: as many are brought by a slave, and taken at most by a master
    #[arg(long, value_name = "N", value_parser = number::<u8>(1, 255), allow_negative_numbers = true,
        conflicts_with_all = ["rx_queues", "tx_queues"])]
    queues: Option<u8>,

    /// Receive queues, likewise [default: 1; master: what the slave brings, up to --max-queues]. auto, as slave:
    /// towards DPDK and OVS as many as the master transmits on, up to 32, and one towards others
    #[arg(long, value_name = "N|auto", value_parser = parse_rx_queues, allow_negative_numbers = true)]
    rx_queues: Option<RxQueues>,

    /// Transmit queues, likewise
    #[arg(long, value_name = "N", value_parser = number::<u8>(1, 255), allow_negative_numbers = true)]
    tx_queues: Option<u8>,

    /// Master: the most queues in each direction that a slave may bring; all that it brings are served [default: 32]
    #[arg(long, value_name = "N", value_parser = number::<u8>(1, 255), allow_negative_numbers = true,
        conflicts_with_all = ["queues", "rx_queues", "tx_queues"])]
    max_queues: Option<u8>,
}

impl QueueOptions {
    /// The same options for a master whose slave has these, too, so that they are the numbers of that one's queues.
    pub(super) fn for_own_slave(&self) -> Self {
        Self { queues: None, rx_queues: None, tx_queues: None, max_queues: Some(MAX_QUEUES) }
    }

    /// Whether the most that a slave may bring was given.
    pub(super) fn limits_slaves(&self) -> bool {
        self.max_queues.is_some()
    }

    /// Receive and transmit queues: as many as a slave brings, and a master takes at most.
    pub(super) fn queues(&self, role: Role) -> (u8, u8) {
        let unsaid = match role {
            Role::Slave => 1,
            Role::Master => self.max_queues.unwrap_or(MASTERS_QUEUES),
        };
        let queues = |own: Option<u8>| own.or(self.queues).unwrap_or(unsaid);
        (queues(self.rx_queues_asked_for()), queues(self.tx_queues))
    }

    /// Whether the receive queues are as many as a DPDK master transmits on.
    pub(super) fn finds_rx_queues(&self) -> bool {
        self.rx_queues == Some(RxQueues::Auto)
    }

    fn rx_queues_asked_for(&self) -> Option<u8> {
        match self.rx_queues? {
            RxQueues::Number(number) => Some(number),
            RxQueues::Auto => None,
        }
    }

    /// The larger of both numbers that were asked for, 1 where none was.
    pub(super) fn queues_asked_for(&self) -> u8 {
        let asked = [self.queues, self.rx_queues_asked_for(), self.tx_queues, self.max_queues];
        asked.into_iter().flatten().max().unwrap_or(1)
    }

    /// What is to be said of a link with so many receive and transmit queues, where it has fewer than were asked for.
    pub(super) fn shortfall(&self, role: Role, (rx, tx): (usize, usize)) -> Option<String> {
        let other = match role {
            Role::Slave => "the master takes",
            Role::Master => "the slave brings",
        };
        let asked = [
            (self.rx_queues_asked_for().or(self.queues), rx, "receive"),
            (self.tx_queues.or(self.queues), tx, "transmit"),
        ];
        let missing: Vec<_> = asked
            .into_iter()
            .filter_map(|(asked, given, name)| Some((usize::from(asked?), given, name)))
            .filter(|(asked, given, _)| given < asked)
            .map(|(asked, given, name)| format!("{asked} {name} queues were asked for and {other} {given}"))
            .collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::typed::typed;

    #[test]
    fn queues_that_were_asked_for_and_not_given_are_said() {
        let said = |arguments: &str, role, link| typed::<QueueOptions>(arguments).unwrap().shortfall(role, link);
        assert_eq!(said("", Role::Slave, (1, 1)), None);
        assert_eq!(said("--queues 2", Role::Slave, (2, 2)), None);
        assert_eq!(said("--max-queues 8", Role::Master, (1, 1)), None);
        assert_eq!(said("--rx-queues auto", Role::Slave, (1, 1)), None);
        let text = said("--queues 4", Role::Slave, (2, 1)).unwrap();
        assert_eq!(
            text,
            "4 receive queues were asked for and the master takes 2, 4 transmit queues were asked for and the master \
             takes 1"
        );
        let text = said("--rx-queues 3", Role::Master, (1, 1)).unwrap();
        assert_eq!(text, "3 receive queues were asked for and the slave brings 1");
    }
}
