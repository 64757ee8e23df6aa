//! What stands in for shared files under Miri, which maps none: memory of this process, so that both ends of a link in
//! one process have the same bytes at the same addresses. A file is a temporary one that holds the number of its
//! memory, which so goes along with every copy of its descriptor.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

/// Start and length. What the blocks hold is never given back: mappings of it have no end.
static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

#[derive(Clone, Copy)]
struct Block(NonNull<u8>, usize);

// SAFETY: memory of the process, to which only this module and those who map it have the address.
unsafe impl Send for Block {}

/// A file of so many bytes, all zero.
pub(crate) fn file(size: u64) -> io::Result<OwnedFd> {
    let words = vec![0_u64; usize::try_from(size.div_ceil(8)).map_err(io::Error::other)?];
    let len = 8 * words.len();
    let start = NonNull::from(Box::leak(words.into_boxed_slice())).cast();
    let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = blocks.len() as u64;
    blocks.push(Block(start, len));
    let path = std::env::temp_dir().join(format!("memif-miri-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    file.write_all_at(&number.to_ne_bytes(), 0)?;
    Ok(file.into())
}

fn block(fd: impl AsFd) -> io::Result<Block> {
    let mut number = [0; 8];
    File::from(fd.as_fd().try_clone_to_owned()?).read_exact_at(&mut number, 0)?;
    let blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = usize::try_from(u64::from_ne_bytes(number)).map_err(io::Error::other)?;
    blocks.get(number).copied().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// The first `len` bytes of the memory of a file, which stay for as long as the process.
pub(crate) fn memory(fd: impl AsFd, len: u64) -> io::Result<(NonNull<u8>, usize)> {
    let Block(start, size) = block(&fd)?;
    let len = usize::try_from(len).map_err(io::Error::other)?;
    if len == 0 || len > size {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok((start, len))
}

/// As the call of that name, before the file is shared.
pub(crate) fn pwrite(fd: impl AsFd, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    let Block(start, size) = block(&fd).map_err(|_| Errno::BADF)?;
    let offset = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
    if offset.checked_add(bytes.len()).is_none_or(|end| end > size) {
        return Err(Errno::NOSPC);
    }
    // SAFETY: within the block, which is leaked, and nobody makes a reference to it.
    unsafe { start.add(offset).copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    Ok(bytes.len())
}
