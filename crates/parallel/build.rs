//! Build script: the path to libtorch, as `rpath.rs` sets it for other crates, and the shim on c10d where the libtorch in use can
//! carry it. Where it cannot, the crate builds without it and says at run time what was missing. Nothing is downloaded.

// Cargo reads build scripts from stdout.
#![allow(clippy::print_stdout)]

use std::env;
use std::path::{Path, PathBuf};

/// What the shim includes; its presence tells whether there are headers at all.
const HEADER: &str = "include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(c10d)");
    println!("cargo::rerun-if-changed=shim");
    for name in ["LIBTORCH", "LIBTORCH_CXX11_ABI", "CXX", "CXXFLAGS"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let lacks = match env::var_os("LIBTORCH").map(PathBuf::from) {
        Some(libtorch) => {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{}/lib", libtorch.display());
            shim(&libtorch).err()
        }
        None => Some("LIBTORCH was not set when it was built".into()),
    };
    match lacks {
        None => println!("cargo::rustc-cfg=c10d"),
        Some(lacks) => {
            println!("cargo::warning=built without c10d, so `mosa align` runs in one process: {lacks}");
            println!("cargo::rustc-env=MOSA_C10D_LACKS={}", lacks.replace('\n', " "));
        }
    }
}

/// Compiles the shim and links it once by itself, so that what this libtorch lacks shows here and not in every program.
fn shim(libtorch: &Path) -> Result<(), String> {
    let header = libtorch.join(HEADER);
    if !header.exists() {
        return Err(format!(
            "there is no {}; libtorch's headers come with its wheel and its zip file",
            header.display()
        ));
    }
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os != "linux" && os != "macos" {
        return Err(format!("the shim is made for Linux and macOS, not for {os}"));
    }
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    let mut build = cc::Build::new();
    build.cpp(true).pic(true).warnings(false).std("c++17").define("_GLIBCXX_USE_CXX11_ABI", abi.as_str());
    build.include("shim").include(libtorch.join("include")).include(libtorch.join("include/torch/csrc/api/include"));
    build.file("shim/c10d.cpp").cargo_metadata(false).cargo_warnings(false);
    build.try_compile("mosa_c10d").map_err(|error| format!("shim/c10d.cpp does not compile: {error}"))?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    links(&build, &out, &libtorch.join("lib"), os == "macos")?;
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-search=native={}", libtorch.join("lib").display());
    println!("cargo::rustc-link-lib=static=mosa_c10d");
    for library in ["torch_cpu", "c10", if os == "macos" { "c++" } else { "stdc++" }] {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
    Ok(())
}

/// Whether everything the shim asks for is in libtorch_cpu.
fn links(build: &cc::Build, out: &Path, lib: &Path, mac: bool) -> Result<(), String> {
    let mut command = build.get_compiler().to_command();
    let archive = out.join("libmosa_c10d.a");
    if mac {
        command.arg("-dynamiclib").arg(format!("-Wl,-force_load,{}", archive.display()));
    } else {
        command.args(["-shared", "-Wl,-z,defs", "-Wl,--whole-archive"]).arg(&archive).arg("-Wl,--no-whole-archive");
    }
    command.arg("-L").arg(lib).args(["-ltorch_cpu", "-lc10", "-o"]).arg(out.join("shim_check"));
    let done = command.output().map_err(|error| format!("the shim cannot be linked: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&done.stderr);
            let first = said.lines().find(|line| line.contains("undefined")).or(said.lines().next()).unwrap_or("");
            Err(format!("this libtorch_cpu carries no c10d with Gloo ({first})"))
        }
    }
}
