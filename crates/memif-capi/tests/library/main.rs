//! The library as C programs meet it: installed by the documented command, then compiled against and run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod bed;
mod examples;
mod faults;
mod node;
mod peers;
mod unload;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use bed::{Bed, C11, each, output, root, source};
use testkit::{Need, Suite};

const COMPILER: &[Need] = &[Need::Program("gcc"), Need::Program("pkg-config")];
const COMPILERS: &[Need] =
    &[Need::Program("gcc"), Need::Program("g++"), Need::Program("clang"), Need::Program("clang++")];
/// Programs in `tests/c` that run alone and end with 0.
const PROGRAMS: &[&str] = &[
    "layout",
    "codes",
    "details",
    "poll",
    "traffic",
    "queues",
    "unequal",
    "zero_copy",
    "control",
    "regions",
    "sockets",
    "hammer",
    "afterlife",
    "polling",
    "deleting",
    "regions_hostile",
    "setup",
    "modest",
    "leaving",
    "posted",
];
/// Those of them that are C++17 as well.
const PROGRAMS_CPP: &[&str] =
    &["layout", "codes", "details", "poll", "traffic", "queues", "zero_copy", "sockets", "hammer"];
/// Some tests are many programs.
const LONG: std::time::Duration = std::time::Duration::from_secs(1200);

/// Where all faults are asked for.
const HUNDREDS_OF_RUNS: std::time::Duration = std::time::Duration::from_secs(7200);

fn main() {
    Suite::new()
        .building(bed::build)
        .test("a_bare_run_installs_nothing", &[], bare_run)
        .long_test("installed_as_documented", LONG, COMPILER, installed_as_documented)
        .long_test("examples_compile_everywhere", LONG, COMPILERS, examples_compile_everywhere)
        .long_test("programs", LONG, COMPILER, programs)
        .long_test("programs_by_other_compilers", LONG, COMPILERS, programs_by_other_compilers)
        .long_test("programs_under_valgrind", LONG, VALGRIND, programs_under_valgrind)
        .long_test("programs_with_address_sanitizer", LONG, COMPILER, programs_with_asan)
        .long_test("programs_with_the_reference", LONG, COMPILER, programs_with_the_reference)
        .long_test("system_calls", LONG, &[Need::Program("gcc"), Need::Trace], system_calls)
        .long_test("system_calls_that_fail", HUNDREDS_OF_RUNS, faults::NEEDS, faults::system_calls_that_fail)
        .long_test("stays_when_dropped", LONG, COMPILER, unload::stays_when_dropped)
        .long_test("hostile_slave_rings", LONG, COMPILER, peers::hostile_slave_rings)
        .long_test("hostile_slave_memory", LONG, COMPILER, peers::hostile_slave_memory)
        .long_test("hostile_slave_handshakes", LONG, COMPILER, peers::hostile_slave_handshakes)
        .long_test("hostile_master", LONG, COMPILER, peers::hostile_master)
        .long_test("surplus_queues_of_dpdk", LONG, COMPILER, peers::surplus_queues_of_dpdk)
        .long_test("cache_line_of_the_environment", LONG, COMPILER, peers::cache_line_of_the_environment)
        .long_test("examples_with_each_other", LONG, COMPILER, examples::with_each_other)
        .long_test("examples_with_dpdk", LONG, DPDK, examples::with_dpdk)
        .building(bed::build_with_the_command)
        .long_test("examples_with_the_command", LONG, COMPILER, examples::with_the_command)
        .building(node::build)
        .long_test("node_addon", LONG, NODE, node::node_addon)
        .run()
}

const VALGRIND: &[Need] = &[Need::Program("gcc"), Need::Program("valgrind")];
const DPDK: &[Need] = &[Need::Root, Need::Program("gcc"), Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];
const NODE: &[Need] = &[Need::Program("g++"), Need::Program("node"), Need::Program("npm")];

/// Every function of libmemif 4.0, and nothing else.
const FUNCTIONS: &str = "memif_buffer_alloc memif_buffer_enq_tx memif_buffer_requeue memif_cancel_poll_event \
    memif_control_fd_handler memif_create memif_create_socket memif_delete memif_delete_socket memif_get_details \
    memif_get_listener_fd memif_get_queue_efd memif_get_socket_filename memif_get_socket_handle \
    memif_get_socket_path memif_get_version memif_get_version_str memif_poll_event memif_refill_queue \
    memif_register_external_region memif_request_connection memif_rx_burst memif_set_connection_request_timer \
    memif_set_listener_fd memif_set_next_free_buffer memif_set_rx_mode memif_strerror memif_tx_burst";

/// Somebody tries what `cargo run` does: it says so, builds nothing and writes nothing.
fn bare_run() {
    let mut bare = Command::new(env!("CARGO_BIN_EXE_libmemif-install"));
    // A build would fail.
    let said = output(bare.env_remove("DESTDIR").env("CARGO", "false"));
    for line in [
        "would install /usr/local/lib/libmemif.so\n",
        "would install /usr/local/lib/libmemif.a\n",
        "would install /usr/local/include/libmemif.h\n",
        "would install /usr/local/lib/pkgconfig/libmemif.pc\n",
        "give --prefix /usr/local",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(output(bare.env("DESTDIR", "")), said, "an empty variable");
}

fn installed_as_documented() {
    let bed = Bed::new();
    let library = bed.prefix().join("lib/libmemif.so");
    let symbols = output(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let found: Vec<&str> = symbols.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(found, FUNCTIONS.split_whitespace().collect::<Vec<_>>());
    let dynamic = output(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("Library soname: [libmemif.so]"), "{dynamic}");
    // The archive has those of Rust besides, which nobody calls by accident.
    let archive = bed.prefix().join("lib/libmemif.a");
    let symbols = output(Command::new("nm").args(["-g", "--defined-only"]).arg(&archive));
    let found: BTreeSet<&str> = symbols
        .lines()
        .filter_map(|line| line.split_once(" T ").map(|(_, name)| name))
        .filter(|name| !["_", "anon.", "rust_", "DW.ref."].iter().any(|s| name.starts_with(s)))
        .collect();
    assert_eq!(found, FUNCTIONS.split_whitespace().collect());
    // As a user does it: an example with the shared library, one with the archive, one without any shared library, and
    // what they say to each other.
    let build = |name: &str, kind: &[&str]| {
        let mut flags = Command::new("pkg-config");
        flags.env("PKG_CONFIG_PATH", bed.prefix().join("lib/pkgconfig"));
        let fixed = kind.iter().filter(|kind| **kind == "--static");
        let mut flags = output(flags.args(["--cflags", "--libs", "libmemif"]).args(fixed));
        if kind == ["--static"] {
            flags = flags.replace("-lmemif", "-l:libmemif.a");
        }
        let program = bed.path(name);
        let mut cc = Command::new("cc");
        cc.args(kind.iter().filter(|kind| **kind == "-static"));
        cc.arg("-O2").arg(source(name)).arg("-o").arg(&program).args(flags.split_whitespace());
        output(&mut cc);
        let needed = output(Command::new("readelf").arg("-d").arg(&program));
        let shared = needed.contains("Shared library: [libmemif.so]");
        assert_eq!(shared, kind.is_empty(), "{needed}");
        assert_eq!(needed.contains("Shared library"), !kind.contains(&"-static"), "{needed}");
        program
    };
    let socket = bed.path("memif.sock");
    let mut responder = bed.run(&build("responder", &[]));
    let mut responder = bed.start(responder.arg(&socket).arg("master"));
    responder.expect("ready");
    for kind in [&["--static"][..], &["--static", "-static"]] {
        if kind.contains(&"-static") && !links_without_shared_libraries(&bed) {
            println!("cc -static makes no program here: install the static C library");
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"));
            continue;
        }
        let mut sender = Command::new("timeout");
        sender.arg("180").arg(build("sender", kind));
        let said = output(sender.arg(&socket).args(["slave", "1000", "64"]));
        assert!(said.contains("sent 1000, back 1000"), "{said}");
    }
    // DESTDIR keeps out of what the files say.
    let staged = bed.path("staged");
    bed::install(&["--prefix", "/opt/x", "--libdir", "lib64", "--destdir"], Some(&staged));
    let pc = std::fs::read_to_string(staged.join("opt/x/lib64/pkgconfig/libmemif.pc")).unwrap();
    assert!(pc.contains("prefix=/opt/x\nlibdir=${prefix}/lib64\n"), "{pc}");
    assert!(staged.join("opt/x/include/libmemif.h").exists());
}

/// Whether the static half of the C library is there, as on Debian with its headers.
fn links_without_shared_libraries(bed: &Bed) -> bool {
    let (program, from) = (bed.path("nothing"), bed.path("nothing.c"));
    std::fs::write(&from, "int main (void) { return 0; }").unwrap();
    let mut cc = Command::new("cc");
    cc.arg("-static").arg(from).arg("-o").arg(program);
    cc.output().is_ok_and(|output| output.status.success())
}

fn examples_compile_everywhere() {
    let bed = Bed::new();
    for example in bed::EXAMPLES {
        for (compiler, arguments) in [
            ("gcc", &["-std=c11", "-D_GNU_SOURCE"] as &[&str]),
            ("clang", &["-std=c11", "-D_GNU_SOURCE"]),
            ("g++", &["-std=c++17", "-x", "c++"]),
            ("clang++", &["-std=c++17", "-x", "c++"]),
        ] {
            output(
                Command::new(compiler)
                    .args(arguments)
                    .args(["-O2", "-Wall", "-Wextra", "-Werror", "-c", "-o", "/dev/null", "-I"])
                    .arg(bed.prefix().join("include"))
                    .arg(source(example)),
            );
        }
    }
}

/// Test programs that are C++, too, by both compilers; and by the other compiler as C.
fn programs_by_other_compilers() {
    let include = Bed::new().prefix().join("include");
    for (compiler, programs) in [
        (["clang", "-std=c11"], PROGRAMS),
        (["g++", "-std=c++17"], PROGRAMS_CPP),
        (["clang++", "-std=c++17"], PROGRAMS_CPP),
    ] {
        let bed = Bed::new();
        each(programs, |program| {
            let language: &[&str] = if compiler[1] == "-std=c11" { &[] } else { &["-x", "c++"] };
            let program = bed.compile_with(&compiler, &include, program, language);
            output(&mut bed.run(&program));
        });
    }
}

fn programs() {
    let bed = Bed::new();
    each(PROGRAMS, |program| {
        let program = bed.compile(program, &[]);
        output(&mut bed.run(&program));
    });
}

fn programs_under_valgrind() {
    let bed = Bed::new();
    each(PROGRAMS, |name| {
        let program = bed.compile(name, &["-g"]);
        let mut valgrind = bed.under(&["valgrind", "-q", "--fair-sched=yes", "--error-exitcode=9"]);
        let known = root().join("tests/c/valgrind.supp");
        valgrind.arg(format!("--suppressions={}", known.display()));
        valgrind.args(["--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible"]);
        valgrind.arg(&program);
        match name {
            "hammer" => _ = valgrind.arg("3"),
            "leaving" => _ = valgrind.arg("1"),
            _ => {}
        }
        output(&mut valgrind);
    });
}

fn programs_with_asan() {
    let bed = Bed::new();
    each(PROGRAMS, |name| {
        let program = bed.compile(name, &["-g", "-fsanitize=address"]);
        output(bed.run(&program).env("ASAN_OPTIONS", "detect_leaks=1"));
    });
}

/// Only when the caller names one: `LIBMEMIF_REFERENCE=/path/libmemif.so`, and where its header is, unless that is
/// beside it: `LIBMEMIF_REFERENCE_INCLUDE=/path`.
fn programs_with_the_reference() {
    let Some(reference) = std::env::var_os("LIBMEMIF_REFERENCE").map(PathBuf::from) else {
        println!("LIBMEMIF_REFERENCE names no reference library: nothing to compare with");
        return;
    };
    let bed = Bed::new();
    // Compiled with our header, run with their library. What hammers is undefined there.
    for name in PROGRAMS.iter().filter(|name| **name != "hammer") {
        let program = bed.compile(name, &[]);
        output(bed.run(&program).arg("reference").env("LD_PRELOAD", &reference));
    }
    // Compiled with their header, run with our library.
    let include = match std::env::var_os("LIBMEMIF_REFERENCE_INCLUDE") {
        Some(include) => PathBuf::from(include),
        None => reference.parent().unwrap_or(Path::new(".")).to_owned(),
    };
    let header = include.join("libmemif.h");
    assert!(header.exists(), "{}: LIBMEMIF_REFERENCE_INCLUDE says where", header.display());
    for name in PROGRAMS {
        let program = bed.compile_with(&C11, &include, name, &[]);
        output(&mut bed.run(&program));
    }
}

/// Polling makes no system call; signals make one call per 256 packets and one read per drained call; a packet that is
/// slept for costs its sender one call and its receiver two. The program itself checks that bursts do not allocate.
fn system_calls() {
    let bed = Bed::new();
    let program = bed.compile("quiet", &[]);
    let trace = bed.path("trace");
    let mut strace = bed.under(&["strace", "-f", "-o"]);
    output(strace.arg(&trace).arg(&program));
    let trace = std::fs::read_to_string(trace).unwrap();
    let between = |from: &str, to: &str| -> Vec<String> {
        trace
            .lines()
            .skip_while(|line| !line.contains(&format!("\"{from}\\n\"")))
            .skip(1)
            .take_while(|line| !line.contains(&format!("\"{to}\\n\"")))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(between("polling", "polled"), Vec::<String>::new());
    let signalled = between("signals", "signalled");
    let count = |name: &str| signalled.iter().filter(|line| line.contains(name)).count();
    // What the first signal of a process would make came with the listener.
    assert_eq!((count("io_setup("), count("io_submit(")), (0, 2 * (1 + 2 + 16)), "{signalled:#?}");
    assert_eq!(count("preadv2(") + count("read("), 6, "{signalled:#?}");
    let trips = between("trips", "tripped");
    let mut calls = std::collections::BTreeMap::new();
    for line in &trips {
        // The thread, then the call.
        let call = line.split_whitespace().nth(1).unwrap().split('(').next().unwrap();
        *calls.entry(call.to_owned()).or_insert(0) += 1;
    }
    let mut of = |name: &str| calls.remove(name).unwrap_or(0);
    // The signal; a sleep, and the signal taken before the next one. There is room for 126 signals at a time, at least:
    // after those one is tried in vain, and room is made for as many.
    let (signals, collections) = (of("io_submit"), of("io_getevents"));
    let in_vain = signals - 200;
    assert!(in_vain <= 3 && collections <= 4 * in_vain, "{trips:#?}");
    assert!((199..=200).contains(&of("preadv2")), "{trips:#?}");
    // Once a millisecond at most the driver looks whether signals are to be repeated.
    let looks = of("timerfd_settime") + 1;
    let (sleeps, timers, polls) = (of("epoll_pwait"), of("read"), of("ppoll") + of("poll"));
    assert!((200..=200 + looks).contains(&sleeps), "{sleeps} sleeps and {looks} looks");
    assert!(timers <= looks && polls <= 2 * looks, "{timers} and {polls} for {looks} looks");
    assert!(calls.is_empty(), "{calls:?}");
}
