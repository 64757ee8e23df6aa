//! What was measured, as rows of a table and as JSON.

mod crowd;
mod link;
mod rates;
mod times;
mod trials;

pub(crate) use crowd::crowd;
pub(crate) use link::LinkReport;
pub(crate) use rates::{THROUGHPUT, echo, generator, queues, received_so_far, throughput};
pub(crate) use times::{latency, median, setup};
pub(crate) use trials::{TRIALS, ndr, trial};
