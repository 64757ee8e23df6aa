//! What was measured, as rows of a table and as JSON.

mod crowd;
mod interval;
mod link;
mod rates;
mod spread;
mod times;
mod trials;

pub(crate) use crowd::{crowd, crowd_so_far, named};
pub(crate) use interval::{Period, Way, counts, round_trips};
pub(crate) use link::LinkReport;
pub(crate) use rates::{
    Of, THROUGHPUT, both_ways, echo, echo_so_far, generator, queues, received_so_far, sent_so_far, throughput,
};
pub(crate) use spread::{spread_of_both_ways, spread_of_rates, spread_of_times};
pub(crate) use times::{latency, latency_so_far, setup, setup_so_far};
pub(crate) use trials::{TRIALS, ndr, trial};
