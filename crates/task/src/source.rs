//! The text of a task file, and what can be wrong with a place of it.

use crate::TaskError;
use crate::spec::Spec;
use regex::Regex;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// The text of a task file and where it is from.
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// An error about a place of the file.
    pub(crate) fn error(&self, span: Range<usize>, what: impl ToString) -> TaskError {
        let line = 1 + self.text[..span.start.min(self.text.len())].matches('\n').count();
        TaskError::file(self.path, format!("line {line}: {}", what.to_string()))
    }

    /// What the file says.
    pub(crate) fn read(&self) -> Result<Spec, TaskError> {
        toml::from_str(self.text).map_err(|e| self.error(e.span().unwrap_or(0..0), e.message().replace('\n', " ")))
    }

    pub(crate) fn regex(&self, key: &str, pattern: &Spanned<String>) -> Result<Regex, TaskError> {
        Regex::new(pattern.get_ref()).map_err(|e| self.error(pattern.span(), format!("`{key}`: {}", bad_regex(&e))))
    }

    pub(crate) fn regexes(&self, key: &str, patterns: &[Spanned<String>]) -> Result<Vec<Regex>, TaskError> {
        patterns.iter().map(|pattern| self.regex(key, pattern)).collect()
    }

    /// A regular expression whose group is what counts.
    pub(crate) fn regex_with_group(&self, key: &str, pattern: &Spanned<String>) -> Result<Regex, TaskError> {
        let regex = self.regex(key, pattern)?;
        match regex.captures_len() {
            1 => Err(self.error(
                pattern.span(),
                format!("`{key}` has no group, so nothing would be extracted; put what counts in parentheses"),
            )),
            _ => Ok(regex),
        }
    }
}

fn bad_regex(error: &regex::Error) -> String {
    let text = error.to_string();
    let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    match text.contains("look-around") || text.contains("backreferences") {
        true => format!("{why}; say it with a group around what counts, or in several steps"),
        false => format!("not a regular expression: {why}"),
    }
}
