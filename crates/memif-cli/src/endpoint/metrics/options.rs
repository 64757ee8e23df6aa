//! The option, and what comes of it.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::board::{Board, Metrics};
use super::place::{Listener, Place, parse};
use super::server::Server;
use crate::error::Error;
use crate::output::{report, warn};

/// Whether counters are served, and where.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricsOptions {
    /// Serve the counters to Prometheus: at http://ADDR/metrics, where ADDR is a port, as in 9100, on 127.0.0.1, or an
    /// address with one, as in [::1]:9100; or at a Unix socket of that path, for this user alone. What other machines
    /// reach has to be written out, as in 0.0.0.0:9100: whoever reaches it may read
    #[arg(long, value_name = "ADDR|PATH", value_parser = parse)]
    metrics: Option<Place>,
}

impl MetricsOptions {
    /// The name of the option.
    pub(crate) const NAME: &'static str = "metrics";

    /// Whether counters are to be served.
    pub(crate) fn are_given(&self) -> bool {
        self.metrics.is_some()
    }

    /// Serves the counters of that command from now on, if that was asked for, and says where.
    pub(crate) fn serve(&self, command: &'static str) -> Result<Serving, Error> {
        let Some(place) = &self.metrics else { return Ok(Serving::default()) };
        let listener = Listener::open(place)?;
        let (url, is_public) = (listener.url(), listener.is_public());
        let board = Arc::new(Board::new(command));
        let told = Arc::clone(&board);
        let server = Server::start(listener, Box::new(move || told.tell()))?;
        warn(format_args!("metrics at {url}"));
        if is_public {
            warn(format_args!(
                "other machines may reach that address, and whoever does may read the metrics: nobody is asked for a \
                 password"
            ));
        }
        report(&MetricsReport { url })?;
        Ok(Serving { metrics: Metrics(Some(board)), _server: Some(server) })
    }
}

/// Counters that are served until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    metrics: Metrics,
    _server: Option<Server>,
}

impl Serving {
    /// Where it is noted what there is to tell.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// Metrics are served.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "metrics")]
struct MetricsReport {
    /// `http://` and an address, or `unix:` and a path.
    url: String,
}
