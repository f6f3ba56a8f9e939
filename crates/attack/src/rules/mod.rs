//! What helpers say in the toy language, by rule: one file per attack.

pub(crate) mod adv_prefix;
pub(crate) mod aos;
pub(crate) mod avatar;
pub(crate) mod dia;
pub(crate) mod dija;
pub(crate) mod ept;
pub(crate) mod speak_easy;
pub(crate) mod tap;

use crate::{Talk, read};
use serde_json::{Map, Value};

/// The fields of a request that is a JSON object.
fn fields(talk: &Talk) -> Option<Map<String, Value>> {
    read::object(&talk.messages.last()?.content)
}
