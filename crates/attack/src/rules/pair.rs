//! The roles of PAIR in the toy language: those of TAP, whose attacker and judge are told the same.

use super::tap;
use crate::Talk;

pub(crate) fn reply(role: &str, seed: u64, talk: &Talk) -> Option<String> {
    (role != "on-topic").then(|| tap::reply(role, seed, talk))?
}
