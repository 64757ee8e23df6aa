//! What is said, to people and to programs: lines, words for events, advice, JSON, pictures.

pub(crate) mod advice;
pub(crate) mod details;
pub(crate) mod drops;
pub(crate) mod events;
pub(crate) mod exit;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod not_seen;
pub(crate) mod plot;
pub(crate) mod progress;
pub(crate) mod said;
pub(crate) mod so_far;
pub(crate) mod teller;
pub(crate) mod times;

pub(crate) use lines::{log_to_stderr, redirect_log, report, say, speak_json, speaks_json, warn};
pub(crate) use not_seen::not_seen;
pub(crate) use so_far::so_far;
