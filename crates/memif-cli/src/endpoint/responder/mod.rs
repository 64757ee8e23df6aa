//! An end that answers ARP, neighbour solicitations and echo requests.

pub(crate) mod engine;
pub(crate) mod report;
pub(crate) mod served;
pub(crate) mod tally;
pub(crate) mod worker;
