//! What the other end is told to do.

use serde::{Deserialize, Serialize};

/// What the other end does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) socket: String,
    pub(crate) master: bool,
    pub(crate) cpus: Vec<usize>,
    pub(crate) task: Task,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Sends all packets of one link.
    Generate { sizes: String, seconds: f64, rate: Option<f64> },
    /// Sends, and receives meanwhile; says what came.
    Both { sizes: String, seconds: f64, rate: Option<f64> },
    /// Sends back what comes, on one link after the other.
    Echo,
    /// Sends back what comes on that many interfaces.
    Crowd(u32),
}

impl std::str::FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("this is for memif itself: {error}"))
    }
}
