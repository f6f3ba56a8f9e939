//! Which behaviours of a file a command works on.

use crate::{Benchmark, DataError, sample};

/// A choice among the rows of a file: of some styles, and of these the first ones or a sample. Of the same file the same
/// choice is the same rows, whatever the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these styles (SORRY-Bench's `prompt_style`).
    pub styles: Option<Vec<String>>,
    /// Only the first rows.
    pub limit: Option<usize>,
    /// Only a sample of so many rows (see [`sample`]).
    pub sample: Option<usize>,
    /// The sample's seed.
    pub seed: u64,
}

impl Selection {
    /// The behaviours that are chosen; what was left out is said in the notes.
    ///
    /// # Errors
    /// [`DataError::Setting`] if nothing can be left.
    pub fn of(&self, mut all: Benchmark) -> Result<Benchmark, DataError> {
        if self.limit == Some(0) || self.sample == Some(0) {
            return Err(DataError::Setting("--limit and --sample must be positive".into()));
        }
        if let Some(styles) = &self.styles {
            let (of, names) = (all.behaviours.len(), styles.join(","));
            all.behaviours.retain(|b| b.style.as_ref().is_some_and(|s| styles.contains(s)));
            let n = all.behaviours.len();
            if n == 0 {
                return Err(DataError::Setting(format!("--styles {names}: no row of the file has such a style")));
            }
            if n < of {
                all.notes.push(format!("styles {names}: {n} of {of} behaviours"));
            }
        }
        all.behaviours.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(match self.sample {
            Some(n) => sample(&all, n, self.seed).benchmark,
            None => all,
        })
    }
}
