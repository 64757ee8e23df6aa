//! What stands at a path, and what keeps this user from connecting there.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Gid, Group, Uid, eaccess};
use serde::Serialize;

use crate::paths::missing_directory;
use crate::users::user_name;

/// A file or directory as `ls -l` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FileReport {
    pub(super) path: String,
    /// `socket`, `regular file`, `directory` and so on.
    pub(super) file_type: &'static str,
    /// Permission bits, octal.
    pub(super) mode: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Names of the two; `null` where there is none.
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
}

impl FileReport {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: path.display().to_string(),
            file_type: type_name(metadata.file_type()),
            mode: format!("{:04o}", metadata.mode() & 0o7777),
            uid: metadata.uid(),
            gid: metadata.gid(),
            user: user_name(metadata.uid()),
            group: Group::from_gid(Gid::from_raw(metadata.gid())).ok().flatten().map(|group| group.name),
        }
    }

    /// Mode and owner, for people.
    pub(super) fn rights(&self) -> String {
        let name = |name: &Option<String>, number: u32| name.clone().unwrap_or_else(|| number.to_string());
        format!("mode {}, user {}, group {}", self.mode, name(&self.user, self.uid), name(&self.group, self.gid))
    }
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// Something, behind symbolic links.
    File {
        report: FileReport,
        is_socket: bool,
        /// Device and number of the file.
        id: (u64, u64),
    },
    /// Nothing; the topmost directory that is missing, if one is.
    Missing(Option<PathBuf>),
    /// A part of the path is no directory.
    NotADirectory,
    /// A directory on the way may not be searched.
    Hidden,
    /// The kernel said something else.
    Failed(io::Error),
}

/// Follows the path.
pub(super) fn look(path: &Path) -> Found {
    match fs::metadata(path) {
        Ok(metadata) => Found::File {
            report: FileReport::of(path, &metadata),
            is_socket: metadata.file_type().is_socket(),
            id: (metadata.dev(), metadata.ino()),
        },
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Found::Missing(missing_directory(path).map(Path::to_owned)),
            io::ErrorKind::NotADirectory => Found::NotADirectory,
            io::ErrorKind::PermissionDenied => Found::Hidden,
            _ => Found::Failed(error),
        },
    }
}

/// What keeps this user from connecting to the socket at that path: the first directory that may not be
/// searched, or else the socket, which must be writable. `None` when nothing does.
pub(super) fn obstacle(path: &Path) -> Option<FileReport> {
    let report = |path: &Path| fs::metadata(path).ok().map(|found| FileReport::of(path, &found));
    let mut directories: Vec<_> = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
    directories.reverse();
    for directory in directories {
        if eaccess(directory, AccessFlags::X_OK) == Err(nix::errno::Errno::EACCES) {
            return report(directory);
        }
    }
    match eaccess(path, AccessFlags::W_OK) {
        Ok(()) => None,
        Err(_) => report(path),
    }
}

/// Who this process is to the kernel.
pub(super) fn this_user() -> (u32, Option<String>) {
    let uid = Uid::effective().as_raw();
    (uid, user_name(uid))
}

fn type_name(file_type: FileType) -> &'static str {
    if file_type.is_socket() {
        "socket"
    } else if file_type.is_file() {
        "regular file"
    } else if file_type.is_dir() {
        "directory"
    } else if file_type.is_fifo() {
        "pipe"
    } else if file_type.is_block_device() || file_type.is_char_device() {
        "device"
    } else {
        "other"
    }
}
