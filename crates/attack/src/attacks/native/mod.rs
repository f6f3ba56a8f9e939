//! Attacks that only a model with a canvas can be the target of: words in the middle, at the end or at a later step,
//! masks inside the prompt, and the suffix search (methods.md 1.3).

mod anchoring;
mod dija;
mod hijack;
mod pad;
mod post_context;
mod prefill;
mod suffix;

pub use anchoring::Anchoring;
pub use dija::{Dija, DijaForm};
pub use hijack::TrajHijack;
pub use pad::Pad;
pub use post_context::PostContext;
pub use prefill::Prefill;
pub use suffix::SuffixSearch;

use crate::{Candidate, Cx, Finished, Generate, Reason, Stop};

/// Asks every request and hands every answer in; the first is the one submitted.
fn asked(cx: &Cx<'_>, requests: Vec<(String, Generate)>) -> Result<Finished, Stop> {
    let answers = cx.generate_all(requests.clone())?;
    for ((call, request), answer) in requests.into_iter().zip(answers) {
        cx.candidate(Candidate::new(request, answer).tagged("at", call));
    }
    Ok(Finished { selected: Some(0), reason: Reason::Exhausted })
}
