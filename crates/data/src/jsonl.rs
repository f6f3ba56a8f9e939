//! Submissions as JSONL: one a line, nothing lost.

use crate::{DataError, Submission};

/// One JSON object a line, with the fields of [`Submission`].
///
/// # Errors
/// [`DataError::Format`] if serialisation fails.
pub fn to_jsonl(submissions: &[Submission]) -> Result<String, DataError> {
    let mut text = String::new();
    for submission in submissions {
        text += &serde_json::to_string(submission).map_err(|e| DataError::format("JSONL", e))?;
        text.push('\n');
    }
    Ok(text)
}

/// The submissions of a JSONL text; empty lines are passed over.
///
/// # Errors
/// [`DataError::Format`] with the line that cannot be read.
pub fn from_jsonl(text: &str) -> Result<Vec<Submission>, DataError> {
    let lines = (1..).zip(text.lines()).filter(|(_, l)| !l.trim().is_empty());
    lines
        .map(|(line, content)| {
            serde_json::from_str(content)
                .map_err(|e| DataError::format("a JSONL file of submissions", format!("line {line}: {e}")))
        })
        .collect()
}
