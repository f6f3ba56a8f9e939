//! The page's one script, what it is given, and the policy that lets it and nothing else run.

use crate::{Played, Viewer};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The script that plays answers, as the page holds it. Browsers hash it with line feeds, whatever the file has.
pub(crate) fn text() -> String {
    include_str!("viewer.js").replace("\r\n", "\n")
}

/// The content security policy of a page, with the script or without any.
pub(crate) fn policy(scripted: bool) -> String {
    let base = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'";
    if !scripted {
        return base.into();
    }
    format!("{base}; script-src 'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text())))
}

/// An answer as the script reads it; tokens by column, since there may be many.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    group: &'a str,
    title: &'a str,
    prompt: &'a str,
    texts: Vec<&'a str>,
    steps: Vec<Option<usize>>,
    confidences: Vec<Option<f64>>,
    /// Offsets of forced tokens.
    forced: Vec<usize>,
    window: Option<(usize, usize)>,
    judged: Option<usize>,
    verdicts: &'a [(String, String)],
    harmful: bool,
    last: usize,
}

/// The answers of a viewer as the script reads them.
pub(crate) fn records(viewer: &Viewer) -> Vec<Record<'_>> {
    viewer.answers.iter().map(Record::from).collect()
}

impl<'a> From<&'a Played> for Record<'a> {
    fn from(played: &'a Played) -> Self {
        let tokens = &played.tokens;
        Self {
            group: &played.group,
            title: &played.title,
            prompt: &played.prompt,
            texts: tokens.iter().map(|t| t.text.as_str()).collect(),
            steps: tokens.iter().map(|t| t.step).collect(),
            confidences: tokens.iter().map(|t| t.confidence.filter(|c| c.is_finite())).collect(),
            forced: (0..tokens.len()).filter(|i| tokens[*i].forced).collect(),
            window: played.window,
            judged: played.judged,
            verdicts: &played.verdicts,
            harmful: played.harmful,
            last: played.steps,
        }
    }
}
