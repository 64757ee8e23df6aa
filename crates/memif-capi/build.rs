//! Names the shared library: programs that link it ask for `libmemif.so`, whatever the file that cargo makes is called.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmemif.so");
    // A handler for SIGBUS may point into the library, and handles into its tables: it stays for good once it is
    // loaded.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
