//! Log lines of the control path, for those who asked for them at build time.

/// A line at a level of the `tracing` crate. Without the feature nothing is evaluated.
macro_rules! control_log {
    ($level:ident, $($line:tt)+) => {
        #[cfg(feature = "tracing")]
        tracing::$level!($($line)+);
        #[cfg(not(feature = "tracing"))]
        if false {
            let _ = format_args!($($line)+);
        }
    };
}

pub(super) use control_log;
