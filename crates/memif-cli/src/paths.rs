//! Paths, and what is missing on their way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The topmost directory on the way to `path` that does not exist.
pub(crate) fn missing_directory(path: &Path) -> Option<&Path> {
    let directories = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
    directories.take_while(|path| !path.exists()).last()
}

/// What it means that a socket file has no name any more, and what to do.
pub(crate) const REMOVED: &str = "its name is gone where it was made, as that of a file which is mounted by itself is once its master starts again: \
     mount the directory, so that the new file shows";

/// Whether the file at that path has no name where it was made: it is mounted here by itself.
pub(crate) fn is_removed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.nlink() == 0)
}
