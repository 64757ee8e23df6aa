//! Paths, and what is missing on their way.

use std::path::Path;

/// The topmost directory on the way to `path` that does not exist.
pub(crate) fn missing_directory(path: &Path) -> Option<&Path> {
    let directories = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
    directories.take_while(|path| !path.exists()).last()
}
