//! The embedded world's helper: rules in the toy language that fill every role a helper model fills elsewhere, so that
//! all attacks run offline against the embedded model. One file per attack; a role is named `attack/role`.

mod aos;
mod ept;

use crate::{Helper, Said, Talk, Unanswered};

/// What fills the roles of an attack: (role without the attack's name, seed of the call, what was asked).
type Roles = fn(&str, u64, &Talk) -> Option<String>;

/// The attacks whose roles are known.
const ATTACKS: [(&str, Roles); 2] = [("aos", aos::reply), ("ept", ept::reply)];

/// The rule-based helper.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorldHelper;

impl Helper for WorldHelper {
    fn reply(&self, role: &str, seed: u64, talk: &Talk) -> Result<Said, Unanswered> {
        let (attack, part) = role.split_once('/').unwrap_or((role, ""));
        let said = ATTACKS.iter().find(|(name, _)| *name == attack).and_then(|(_, reply)| reply(part, seed, talk));
        said.map(Said::Text).ok_or_else(|| Unanswered::Failed(format!("the world's helper has no role {role}")))
    }
}
