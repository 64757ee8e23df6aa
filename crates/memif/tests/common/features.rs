//! Which features this build has, for builds of examples beside it: with others all would be compiled once more.

/// As `--features` takes them.
pub(crate) fn features() -> String {
    [
        ("async-io", cfg!(feature = "async-io")),
        ("flow", cfg!(feature = "flow")),
        ("raw", cfg!(feature = "raw")),
        ("smoltcp", cfg!(feature = "smoltcp")),
        ("tokio", cfg!(feature = "tokio")),
        ("tracing", cfg!(feature = "tracing")),
    ]
    .iter()
    .filter_map(|(feature, there)| there.then_some(*feature))
    .collect::<Vec<_>>()
    .join(",")
}
