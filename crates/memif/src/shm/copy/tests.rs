use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Every length and alignment moves exactly its bytes and no neighbour.
fn check(copy: unsafe fn(*mut u8, *const u8, usize)) {
    let lengths: Vec<usize> = if cfg!(miri) {
        vec![0, 1, 2, 7, 8, 9, 33, 64, 65]
    } else {
        (0..520).chain([1023, 1024, 1025, 1151, 1152, 1153, 1500, 2048, 4095, 4096, 4097, 4900]).collect()
    };
    for len in lengths {
        for (from, to) in [(0, 0), (1, 0), (0, 3), (5, 5), (7, 2)] {
            let mut src: Vec<u8> = (0..from + len).map(|i| (i * 7 % 251) as u8).collect();
            let mut dst = vec![0xee; to + len + 64];
            // SAFETY: `from + len` bytes are there, and more than `to + len`, and both vectors are private.
            unsafe { copy(dst.as_mut_ptr().add(to), src.as_mut_ptr().add(from), len) };
            assert_eq!(dst[to..to + len], src[from..from + len], "len {len}");
            assert!(dst[..to].iter().chain(&dst[to + len..]).all(|b| *b == 0xee), "len {len}");
        }
    }
}

#[test]
fn copies_exactly() {
    check(between_shared);
    prepare();
    check(from_shared);
    check(to_shared);
    check(between_shared);
}

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
#[test]
fn long_copies_do_without_the_string_instruction() {
    if is_x86_feature_detected!("avx") {
        check(machine::without_string);
    }
}

#[cfg(not(miri))]
#[test]
fn the_routine_for_all_other_processors_copies_exactly() {
    bytes::prepare();
    check(bytes::copy::<false, true>);
    check(bytes::copy::<true, false>);
    check(bytes::copy::<true, true>);
}

/// Views of the same bytes at different alignments, in two threads: Miri finds what is undefined.
#[test]
fn two_threads_may_write_and_read_the_same_bytes() {
    struct Shared(*mut u8);
    // SAFETY: all access to the bytes is by the routines of this module, which may meet.
    unsafe impl Send for Shared {}

    let rounds = if cfg!(miri) { 5 } else { 2000 };
    let mut memory = vec![0u64; 16];
    let start = memory.as_mut_ptr().cast::<u8>();
    let (there, done) = (Shared(start), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The whole of it, and not its pointer alone, which is not `Send`.
            let Shared(start) = { there };
            for round in 0..rounds {
                // SAFETY: 128 bytes that live until the scope ends; the source is private.
                unsafe {
                    to_shared(start, [round as u8; 64].as_ptr(), 64);
                    between_shared(start.add(64), start.add(8), 48);
                }
            }
            done.store(true, Ordering::Release);
        });
        let mut seen = [0; 33];
        while !done.load(Ordering::Acquire) {
            for (from, len) in [(1, 33), (8, 16), (60, 20)] {
                // SAFETY: within the same 128 bytes; the destination is private.
                unsafe { from_shared(seen.as_mut_ptr(), start.add(from), len) };
            }
            std::thread::yield_now();
        }
    });
    drop(memory);
}
