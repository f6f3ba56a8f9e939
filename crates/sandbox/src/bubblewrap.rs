//! Arguments of the bubblewrap backend.

use crate::python::Python;
use crate::{Backend, SandboxError};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the loader looks besides its index; links on most systems.
const LOADER_FOLDERS: [&str; 3] = ["/lib", "/lib32", "/lib64"];

/// `bwrap`, and what a program sees of the machine.
#[derive(Debug)]
pub(crate) struct Bubblewrap {
    /// Its file, as an absolute path.
    file: PathBuf,
    /// What `--version` says.
    pub(crate) version: String,
    arguments: Vec<OsString>,
}

impl Bubblewrap {
    /// Finds `bwrap` on PATH.
    ///
    /// # Errors
    ///
    /// It is not there, or does not start.
    pub(crate) fn find(python: &Python) -> Result<Self, SandboxError> {
        let unusable = |why: String| SandboxError::Unusable { backend: Backend::Bubblewrap, why };
        let file = std::env::var_os("PATH")
            .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join("bwrap")).find(|f| f.is_file()))
            .and_then(|file| file.canonicalize().ok())
            .ok_or_else(|| unusable("`bwrap` is not on PATH (install the package bubblewrap)".into()))?;
        let output = Command::new(&file).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|e| unusable(format!("{} cannot be started ({e})", file.display())))?;
        let version = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("bubblewrap ").to_owned();
        Ok(Self { file, version, arguments: arguments(python) })
    }

    /// Its file and its arguments, up to the program it runs. The filter is read from descriptor `filter`.
    pub(crate) fn words(&self, filter: i32) -> Vec<OsString> {
        let mut words = vec![self.file.clone().into()];
        words.extend(self.arguments.iter().cloned());
        words.extend(["--seccomp".into(), filter.to_string().into(), "--".into()]);
        words
    }
}

/// Namespaces of everything; Python's files read-only, nothing else: no /proc, no /dev, no place to write.
fn arguments(python: &Python) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"].map(OsString::from).into();
    for folder in LOADER_FOLDERS {
        if let Ok(target) = std::fs::read_link(folder) {
            arguments.extend(["--symlink".into(), target.into(), folder.into()]);
        }
    }
    let visible = visible(python);
    for (file, name) in loader_names(python, &visible) {
        arguments.extend(["--ro-bind".into(), file.into(), name.into()]);
    }
    for path in visible {
        arguments.extend(["--ro-bind".into(), path.clone().into(), path.into()]);
    }
    arguments.extend(["--remount-ro", "/", "--chdir", "/"].map(OsString::from));
    arguments
}

/// The loader's file, and the names programs know it by that are not visible anyway.
fn loader_names(python: &Python, visible: &BTreeSet<PathBuf>) -> Vec<(PathBuf, PathBuf)> {
    let mut names = Vec::new();
    for file in python.loaders() {
        let known = LOADER_FOLDERS.iter().filter_map(|folder| std::fs::canonicalize(folder).ok());
        let known = known.filter_map(|folder| Some(folder.join(file.file_name()?)));
        let hidden = known.filter(|name| name.exists() && !name.ancestors().any(|outer| visible.contains(outer)));
        names.extend(hidden.map(|name| (file.to_path_buf(), name)));
    }
    names
}

/// What is bound, outer folders first. Libraries come with their folder: the loader asks for them by the names of
/// links.
fn visible(python: &Python) -> BTreeSet<PathBuf> {
    let folders = python.libraries.iter().filter_map(|l| l.parent()).map(Path::to_path_buf);
    let files = python.files().map(Path::to_path_buf);
    let all: BTreeSet<PathBuf> =
        folders.chain(files).chain(python.stdlib.iter().cloned()).chain([python.executable.clone()]).collect();
    let inside = |path: &PathBuf| path.ancestors().skip(1).any(|outer| all.contains(outer));
    all.iter().filter(|path| !inside(path)).cloned().collect()
}
