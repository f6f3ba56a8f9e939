//! What the quickstart tells.

use super::Findings;
use mosa_report::Report;

pub(super) fn summary(f: &Findings) -> String {
    format!("{} models, {} attacks", f.models.len(), f.attacks.len())
}

pub(super) fn report(f: &Findings) -> Report {
    Report { title: "MOSA on the embedded world".into(), digest: Some(f.digest.clone()), ..Report::default() }
}
