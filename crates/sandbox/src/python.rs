//! `Python`: the interpreter, and the files it needs.

use crate::SandboxError;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROBE: &str = include_str!("probe.py");
const HARNESS: &str = include_str!("harness.py");

/// The loader's index of libraries.
const LOADER_CACHE: &str = "/etc/ld.so.cache";

/// The interpreter, and the files it needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Python {
    /// The real file, behind shims, links and virtual environments.
    pub(crate) executable: PathBuf,
    implementation: String,
    /// Major, minor, micro.
    pub(crate) version: String,
    /// Folders of the standard library.
    pub(crate) stdlib: Vec<PathBuf>,
    /// Shared libraries of the interpreter and of the standard library, the loader among them.
    pub(crate) libraries: Vec<PathBuf>,
}

impl Python {
    /// Asks the `python3` on PATH.
    pub(crate) fn find() -> Result<Self, SandboxError> {
        let error = |what: String| SandboxError::Python(what);
        let output = Command::new("python3")
            .args(["-I", "-S", "-B", "-c", PROBE])
            .stdin(Stdio::null())
            .current_dir("/")
            .output()
            .map_err(|e| error(format!("cannot be started ({e})")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(error(format!("fails ({})", said.lines().last().unwrap_or("without a word"))));
        }
        let python: Self =
            serde_json::from_slice(&output.stdout).map_err(|e| error(format!("its answer cannot be read ({e})")))?;
        if python.implementation != "cpython" || !python.recent() {
            return Err(error(format!("is {} {}", python.implementation, python.version)));
        }
        Ok(python)
    }

    /// Audit hooks tell code that is loaded from code that is made since 3.9.
    fn recent(&self) -> bool {
        let mut parts = self.version.split('.').map(|p| p.parse().unwrap_or(0));
        (parts.next().unwrap_or(0u32), parts.next().unwrap_or(0u32)) >= (3, 9)
    }

    /// Arguments after the interpreter's name. `-I` would ignore the environment, and with it the hash seed.
    pub(crate) fn arguments(input: i32, verdict: i32) -> [String; 7] {
        let [no_user, no_site, no_bytecode, code, harness] = ["-s", "-S", "-B", "-c", HARNESS].map(String::from);
        [no_user, no_site, no_bytecode, code, harness, input.to_string(), verdict.to_string()]
    }

    /// The whole environment of a program.
    pub(crate) fn environment() -> [(&'static str, &'static str); 5] {
        [
            ("PYTHONHASHSEED", "0"),
            ("PYTHONSAFEPATH", "1"),
            ("PYTHONUTF8", "1"),
            ("PYTHONCOERCECLOCALE", "0"),
            // Digits of numbers in text: as before 3.11, so that all versions agree.
            ("PYTHONINTMAXSTRDIGITS", "0"),
        ]
    }

    /// Files that are mapped or read, besides the standard library.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let cache = Path::new(LOADER_CACHE);
        self.libraries.iter().map(PathBuf::as_path).chain(cache.exists().then_some(cache))
    }

    /// The file the kernel starts before the interpreter.
    pub(crate) fn loaders(&self) -> impl Iterator<Item = &Path> {
        let is_loader = |p: &&Path| {
            p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("ld-") || n.starts_with("ld.so"))
        };
        self.libraries.iter().map(PathBuf::as_path).filter(is_loader)
    }
}
