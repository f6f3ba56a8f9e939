//! The embedded world's helper: rules in the toy language that fill every role a helper model fills elsewhere, so that
//! all attacks run offline against the embedded model.

use crate::{ATTACKS, Helper, Said, Talk, Unanswered};

/// The rule-based helper.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorldHelper;

impl Helper for WorldHelper {
    fn reply(&self, role: &str, seed: u64, talk: &Talk) -> Result<Said, Unanswered> {
        let (method, part) = role.split_once('/').unwrap_or((role, ""));
        let rules = ATTACKS.iter().filter(|row| row.method.name == method).find_map(|row| row.method.rules);
        let said = rules.and_then(|reply| reply(part, seed, talk));
        said.map(Said::Text).ok_or_else(|| Unanswered::Failed(format!("the world's helper has no role {role}")))
    }
}
