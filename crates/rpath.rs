//! Build script of every crate that links libtorch: its binaries find the library they were built with by themselves.

// Cargo reads build scripts from stdout.
#![allow(clippy::print_stdout)]

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}/lib");
    }
}
