//! Watching directories for names that appear in them, and which directories those are for a path.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{FileType, lstat, readlink};

/// Bytes taken by one read: some hundred events, the least that the kernel wants is 272.
const BATCH: usize = 8192;
/// Symbolic links that are followed. The kernel follows 40, nobody has as many in front of a socket.
const MANY_LINKS: u32 = 8;

/// A place that decides what a path leads to: what appears there, or in the place of what is there, may be what is
/// waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// A directory that exists, with no symbolic link in it.
    pub(crate) directory: PathBuf,
    /// A name in it: a symbolic link on the way, the first that is not there, or the end of the path.
    pub(crate) name: OsString,
}

/// The sites of a path, from its beginning.
pub(crate) fn sites(path: &Path) -> Vec<Site> {
    let mut directory = PathBuf::from(if path.is_absolute() { "/" } else { "." });
    let mut left = reversed(path);
    let mut sites = Vec::new();
    let mut links = 0;
    while let Some(name) = left.pop() {
        let here = directory.join(&name);
        let kind = lstat(&here).map(|stat| FileType::from_raw_mode(stat.st_mode));
        match kind {
            Ok(FileType::Directory) if !left.is_empty() => directory = here,
            Ok(FileType::Symlink) if links < MANY_LINKS => {
                links += 1;
                sites.push(Site { directory: directory.clone(), name });
                let Ok(target) = readlink(&here, Vec::new()) else { break };
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    directory = PathBuf::from("/");
                }
                left.extend(reversed(&target));
            }
            // The end, or what the path needs and has not.
            _ => {
                sites.push(Site { directory, name });
                break;
            }
        }
    }
    sites
}

/// The names in a path, the first one last.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    names.rev().collect()
}

/// Names a watched directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchId(i32);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// That name appeared in that directory.
    Appeared(WatchId, &'a OsStr),
    /// The directory is not where it was, or no longer watched.
    Gone(WatchId),
    /// More happened than the kernel kept.
    Lost,
}

/// Watched directories.
#[derive(Debug)]
pub(crate) struct Inotify(OwnedFd);

impl Inotify {
    /// None are watched yet. A user may have few of these (128 by default).
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?))
    }

    /// Watches a directory for names that appear. Of one that is watched already this gives the same id.
    pub(crate) fn watch(&self, directory: &Path) -> io::Result<WatchId> {
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        Ok(WatchId(inotify::add_watch(&self.0, directory, flags)?))
    }

    /// Ends that. What happened before is still told.
    pub(crate) fn unwatch(&self, id: WatchId) {
        // The kernel may have done so by itself.
        let _ = inotify::remove_watch(&self.0, id.0);
    }

    /// Takes some of what happened. Never waits.
    pub(crate) fn read(&self, mut each: impl FnMut(Change<'_>)) {
        let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED;
        let mut space = [MaybeUninit::uninit(); BATCH];
        let mut reader = inotify::Reader::new(&self.0, &mut space);
        while let Ok(event) = reader.next() {
            let (id, what) = (WatchId(event.wd()), event.events());
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Change::Lost);
            } else if what.intersects(gone) {
                each(Change::Gone(id));
            } else if let Some(name) = event.file_name() {
                each(Change::Appeared(id, OsStr::from_bytes(name.to_bytes())));
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A directory of the test's own, by its real path.
    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("memif-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path.canonicalize().unwrap()
    }

    fn site(directory: &Path, name: &str) -> Site {
        Site { directory: directory.to_owned(), name: name.into() }
    }

    #[test]
    fn a_path_is_decided_where_it_ends_or_is_not_there_or_turns() {
        let top = directory("sites");
        let path = top.join("run/vpp/memif.sock");
        assert_eq!(sites(&path), [site(&top, "run")]);
        fs::create_dir_all(top.join("run/vpp")).unwrap();
        assert_eq!(sites(&path), [site(&top.join("run/vpp"), "memif.sock")]);
        fs::write(&path, "").unwrap();
        assert_eq!(sites(&path), [site(&top.join("run/vpp"), "memif.sock")]);
        // A file where a directory should be.
        assert_eq!(sites(&path.join("x")), [site(&top.join("run/vpp"), "memif.sock")]);
        // Links: a directory elsewhere, relative and absolute, and one that leads nowhere yet.
        symlink("run/./vpp", top.join("a")).unwrap();
        symlink(top.join("a/new"), top.join("b")).unwrap();
        assert_eq!(sites(&top.join("b/../x")), [site(&top, "b"), site(&top, "a"), site(&top.join("run/vpp"), "new")]);
        fs::create_dir(top.join("a/new")).unwrap();
        assert_eq!(sites(&top.join("b/../x")).last(), Some(&site(&top.join("run/vpp/new/.."), "x")));
        symlink("loop", top.join("loop")).unwrap();
        assert_eq!(sites(&top.join("loop/x")).len(), MANY_LINKS as usize + 1);
        assert_eq!(sites(Path::new("x")), [site(Path::new("."), "x")]);
        assert_eq!(sites(Path::new("/")), []);
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn names_that_appear_and_directories_that_go_are_told() {
        let top = directory("inotify");
        let inside = top.join("inside");
        fs::create_dir(&inside).unwrap();
        let inotify = Inotify::new().unwrap();
        let told = || {
            let mut told = Vec::new();
            inotify.read(|change| told.push(format!("{change:?}")));
            told
        };
        let id = inotify.watch(&inside).unwrap();
        assert_eq!(inotify.watch(&inside).unwrap(), id);
        assert!(told().is_empty());
        fs::write(inside.join("made"), "").unwrap();
        fs::write(inside.join("made"), "changed").unwrap();
        fs::rename(inside.join("made"), inside.join("moved")).unwrap();
        let appeared = |name: &str| format!("{:?}", Change::Appeared(id, OsStr::new(name)));
        assert_eq!(told(), [appeared("made"), appeared("moved")]);
        let gone = format!("{:?}", Change::Gone(id));
        fs::rename(&inside, top.join("elsewhere")).unwrap();
        assert_eq!(told(), [gone.as_str()]);
        fs::remove_dir_all(&top).unwrap();
        assert_eq!(told(), [gone.as_str(), gone.as_str()]);
        assert!(inotify.watch(&inside).is_err());
    }
}
