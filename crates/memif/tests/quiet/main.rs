//! Polling data paths make no system call and no allocation: both ends in one thread, every call of the data path,
//! between two marks that `strace` shows and within a count of what the thread allocates. Exactly none, not few, once
//! each queue has had the first packet, with which it makes what it needs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod traffic;

use testkit::{Child, Need, Parent, Suite};
use traffic::Ends;

/// Each goes round the ring several times.
const ROUNDS: usize = 100;
const BEGIN: &str = "polling";
const END: &str = "polled";

fn main() {
    Suite::new()
        .scenario("polling", polling_helper)
        .test("no_allocation", &[], no_allocation)
        .test("no_system_call", &[Need::Trace], no_system_call)
        .run()
}

/// Both ends of a link whose queues have had packets.
fn in_use() -> Ends {
    let mut ends = Ends::connect();
    traffic::PATHS.iter().for_each(|(_, path)| path(&mut ends));
    ends
}

fn no_allocation() {
    let mut ends = in_use();
    for (name, path) in traffic::PATHS {
        let counted = allocation_counter::measure(|| (0..ROUNDS).for_each(|_| path(&mut ends)));
        assert_eq!((counted.count_total, counted.count_current), (0, 0), "{name}: {counted:?}");
    }
    // The counter counts, every kind of allocation.
    let counted = allocation_counter::measure(|| {
        let mut bytes = vec![0u8; 10];
        bytes.reserve_exact(100_000);
        drop(std::hint::black_box((bytes, Box::new(1u64))));
    });
    assert!(counted.count_total >= 3, "{counted:?}");
}

/// All paths between two marks.
fn polling_helper(parent: &Parent) {
    let mut ends = in_use();
    parent.say(BEGIN);
    for _ in 0..ROUNDS {
        for (_, path) in traffic::PATHS {
            path(&mut ends);
        }
    }
    parent.say(END);
}

fn no_system_call() {
    let file = std::env::temp_dir().join(format!("memif-quiet-{}", std::process::id()));
    let mut child = Child::start_under(&["strace", "-f", "-o", &file.display().to_string()], "polling", &[]);
    child.expect(END);
    child.finish();
    let trace = std::fs::read_to_string(&file).expect("the trace");
    let _ = std::fs::remove_file(&file);
    let mark = |text: &str| {
        let text = format!("write(1, \"::{text}\\n\"");
        trace.lines().position(|line| line.contains(&text)).expect("the mark")
    };
    let (begin, end) = (mark(BEGIN), mark(END));
    let thread = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let lines: Vec<&str> = trace.lines().collect();
    let own = thread(lines[begin]);
    // Another thread of the helper listens to the test, and one is its watchdog.
    let mut calls: Vec<&str> = lines[begin + 1..end].iter().filter(|line| thread(line) == own).copied().collect();
    // The first mark has its end in a line of its own where another thread came in between.
    if lines[begin].contains("<unfinished ...>") && calls.first().is_some_and(|call| call.contains("write resumed>")) {
        calls.remove(0);
    }
    let first = calls.get(..calls.len().min(10));
    assert!(calls.is_empty(), "{} system calls while polling, first {first:#?}", calls.len());
}
