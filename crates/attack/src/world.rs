//! The embedded world's helper: rules in the toy language that fill every role a helper model fills elsewhere, so that
//! all attacks run offline against the embedded model. One file per attack; a role is named `attack/role`.

mod adv_prefix;
mod aos;
mod avatar;
mod dia;
mod dija;
mod ept;
mod speak_easy;
mod tap;

use crate::{Helper, Said, Talk, Unanswered, read};
use serde_json::{Map, Value};

/// What fills the roles of an attack: (role without the attack's name, seed of the call, what was asked).
type Roles = fn(&str, u64, &Talk) -> Option<String>;

/// The attacks whose roles are known.
const ATTACKS: [(&str, Roles); 8] = [
    ("adv-prefix", adv_prefix::reply),
    ("aos", aos::reply),
    ("avatar", avatar::reply),
    ("dia", dia::reply),
    ("dija", dija::reply),
    ("ept", ept::reply),
    ("speak-easy", speak_easy::reply),
    ("tap", tap::reply),
];

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

/// The fields of a request that is a JSON object.
fn fields(talk: &Talk) -> Option<Map<String, Value>> {
    read::object(&talk.messages.last()?.content)
}
