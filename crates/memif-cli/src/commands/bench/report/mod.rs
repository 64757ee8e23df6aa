//! What was measured, as rows of a table and as JSON.

mod crowd;
mod link;
mod rates;
mod times;
mod trials;

pub(crate) use crowd::{crowd, crowd_so_far, named};
pub(crate) use link::LinkReport;
pub(crate) use rates::{THROUGHPUT, echo, echo_so_far, generator, queues, received_so_far, sent_so_far, throughput};
pub(crate) use times::{latency, latency_so_far, setup, setup_so_far};
pub(crate) use trials::{TRIALS, ndr, trial};
