//! Text of the C interface.

use std::cell::RefCell;
use std::ffi::{c_char, c_int};

use crate::abi::err::TEXTS;

/// Bytes up to the first zero, all of them where there is none.
pub(crate) fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The bytes of an array of `char`.
pub(crate) fn bytes<const N: usize>(text: &[c_char; N]) -> [u8; N] {
    // Signed on some processors and not on others.
    text.map(|byte| byte.to_ne_bytes()[0])
}

/// Longest text of an error code, with its zero byte.
const LONGEST: usize = 128;

/// What a code means, in memory of the calling thread that stays until the thread ends.
pub(crate) fn error_text(code: c_int) -> *mut c_char {
    thread_local!(static TEXT: RefCell<[u8; LONGEST]> = const { RefCell::new([0; LONGEST]) });
    let text = usize::try_from(code).ok().and_then(|code| TEXTS.get(code));
    let text = text.copied().unwrap_or("no code of this library");
    TEXT.try_with(|buffer| {
        let mut buffer = buffer.borrow_mut();
        for (to, from) in buffer.iter_mut().zip(text.bytes().chain([0])) {
            *to = from;
        }
        buffer.as_mut_ptr().cast()
    })
    // Only while the thread ends.
    .unwrap_or(std::ptr::null_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_fits() {
        assert!(TEXTS.iter().all(|text| text.len() < LONGEST && !text.is_empty()));
    }

    #[test]
    fn text_ends_at_the_zero() {
        assert_eq!(until_zero(b"ab\0c"), b"ab");
        assert_eq!(until_zero(b"abc"), b"abc");
        assert_eq!(until_zero(b""), b"");
    }
}
