//! Files beside the checkout that are not part of the project. A test that needs one says when it is skipped: on stderr
//! itself, since what a passing test prints is not shown. Where continuous integration has the folder, nothing is
//! skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// The folder of files that are not part of the project: `$MOSA_SHARED`, or `shared` beside the checkout.
fn shared() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("MOSA_SHARED").map_or_else(beside, PathBuf::from)
}

/// A file or folder of it, where it is there.
pub(crate) fn at_hand(name: &str) -> Option<PathBuf> {
    let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "0" && v != "false");
    match found(&shared(), name, ci) {
        Ok(path) => Some(path),
        Err(why) => {
            let n = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
            let _ = writeln!(std::io::stderr(), "skipped ({n} in {}): {why}", env!("CARGO_PKG_NAME"));
            None
        }
    }
}

/// The path, or why a test is skipped.
///
/// # Panics
/// Where continuous integration has the folder and not the file.
fn found(shared: &Path, name: &str, ci: bool) -> Result<PathBuf, String> {
    let path = shared.join(name);
    match () {
        () if path.exists() => Ok(path),
        () if shared.exists() => {
            assert!(!ci, "{} is missing in {}, which continuous integration cannot skip", name, shared.display());
            Err(format!("{} is not there", path.display()))
        }
        () if ci => {
            Err(format!("continuous integration without the folder {}: {name} is not checked", shared.display()))
        }
        () => Err(format!("no folder {}: {name} is not checked", shared.display())),
    }
}

#[test]
fn what_is_missing_is_skipped_aloud_and_in_ci_only_without_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("there"), "x").unwrap();
    let none = dir.path().join("none");
    for ci in [false, true] {
        assert_eq!(found(dir.path(), "there", ci).unwrap(), dir.path().join("there"));
        assert!(found(&none, "there", ci).unwrap_err().contains("there is not checked"));
    }
    assert!(found(dir.path(), "gone", false).unwrap_err().contains("gone is not there"));
    let skipped = std::panic::catch_unwind(|| found(dir.path(), "gone", true));
    assert!(skipped.is_err(), "where the folder is there, nothing is skipped in CI");
}
