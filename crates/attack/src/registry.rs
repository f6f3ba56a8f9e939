//! Attacks by name.

use crate::{
    AdvPrefix, Anchor, Anchoring, Aos, Attack, Avatar, Dia, Dija, Direct, Ept, Pad, Pal, PostContext, Prefill,
    PrefixMode, Profile, SpeakEasy, SuffixSearch, Tap, TrajHijack, dia,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Every attack: the published eight first, then their adaptive and other variants, then those that need a canvas.
pub const ATTACKS: [&str; 27] = [
    "avatar",
    "tap",
    "speak-easy",
    "aos",
    "pal",
    "ept",
    "dia",
    "adv-prefix",
    "tap-adaptive",
    "ept-adaptive",
    "adv-prefix-adaptive",
    "pal-adaptive",
    "avatar-single",
    "adv-prefix-prompt",
    "adv-prefix-optimised",
    "ral",
    "dia-1",
    "dia-2",
    "direct",
    "prefill",
    "gcg",
    "pad",
    "dija-user-turn",
    "dija-with-canvas",
    "anchoring",
    "traj-hijack",
    "post-context",
];

/// The attacks of the MOSA paper: the eight (Tables 1 and 2) and the adaptive variants of three (Table 4).
pub const OF_THE_PAPER: &[&str] = ATTACKS.split_at(11).0;

/// Where the adaptive variants put the weight (MOSA does not say; its suffix search aims at token 30).
const MIDDLE: Anchor = Anchor::Middle(30);

/// Makes an attack: its profile, perhaps in words of the toy world, and then the settings given by hand.
///
/// # Errors
/// A sentence that names the attacks there are, or the setting that cannot be used.
pub fn attack(name: &str, profile: Profile, world: bool, set: &Map<String, Value>) -> Result<Box<dyn Attack>, String> {
    macro_rules! make {
        ($made:expr) => {{
            let made = $made;
            boxed(if world { made.world() } else { made }, set)
        }};
    }
    match name {
        "avatar" => make!(Avatar::profile(profile)),
        "avatar-single" => make!(Avatar { single_turn: true, ..Avatar::profile(profile) }),
        "tap" => make!(Tap::profile(profile)),
        "tap-adaptive" => make!(Tap::profile(profile).adaptive()),
        "speak-easy" => make!(SpeakEasy::profile(profile)),
        "aos" => make!(Aos::profile(profile)),
        "pal" => make!(Pal::profile(profile)),
        "pal-adaptive" => make!(Pal { anchor: MIDDLE, ..Pal::profile(profile) }),
        "ral" => make!(Pal::profile(profile).ral()),
        "ept" => make!(Ept::profile(profile)),
        "ept-adaptive" => make!(Ept::profile(profile).adaptive()),
        "dia" => make!(Dia::profile(profile)),
        "dia-1" => make!(Dia { variant: dia::Variant::Continue, ..Dia::profile(profile) }),
        "dia-2" => make!(Dia { variant: dia::Variant::Deferred, ..Dia::profile(profile) }),
        "adv-prefix" => make!(AdvPrefix::profile(profile)),
        "adv-prefix-prompt" => make!(AdvPrefix { mode: PrefixMode::Prompt, ..AdvPrefix::profile(profile) }),
        "adv-prefix-optimised" => make!(AdvPrefix { mode: PrefixMode::Optimised, ..AdvPrefix::profile(profile) }),
        "adv-prefix-adaptive" => make!(AdvPrefix { anchor: MIDDLE, ..AdvPrefix::profile(profile) }),
        "direct" => boxed(Direct::default(), set),
        "prefill" => make!(Prefill::profile(profile)),
        "gcg" => make!(SuffixSearch::profile(profile)),
        "pad" => make!(Pad::profile(profile)),
        "dija-user-turn" => make!(Dija::profile(profile)),
        "dija-with-canvas" => make!(Dija::profile(profile).with_canvas()),
        "anchoring" => make!(Anchoring::profile(profile)),
        "traj-hijack" => make!(TrajHijack::profile(profile)),
        "post-context" => make!(PostContext::profile(profile)),
        _ => Err(format!("there is no attack {name:?}; there are {}", ATTACKS.join(", "))),
    }
}

/// The most of what an attack counts: rounds, candidates, attempts, places in a tree.
const MOST: f64 = 10_000.0;
/// The most of what it measures: tokens, positions, characters, queries and steps in all, nats.
const LARGEST: f64 = 1_000_000.0;
/// The last words of the keys that measure.
const MEASURES: [&str; 19] = [
    "length",
    "tokens",
    "context",
    "queries",
    "cap",
    "generations",
    "steps",
    "limit",
    "chars",
    "nll",
    "slack",
    "temperature",
    "margin",
    "tolerance",
    "above",
    "weight",
    "canvas",
    "offset",
    "depth",
];

/// Refuses a number that is larger than what could be meant, by its key.
fn check_bounds(key: &str, value: &Value) -> Result<(), String> {
    let most = if key.rsplit(['_', '.']).next().is_some_and(|last| MEASURES.contains(&last)) { LARGEST } else { MOST };
    match value {
        Value::Number(n) => match n.as_f64().filter(|n| n.abs() <= most) {
            Some(n) if n < 0.0 && key.ends_with("temperature") => Err(format!("{key} = {n} is below 0")),
            Some(_) => Ok(()),
            None => Err(format!("{key} = {n} is more than {most}")),
        },
        Value::Array(all) => all.iter().try_for_each(|value| check_bounds(key, value)),
        Value::Object(all) => all.iter().try_for_each(|(name, value)| check_bounds(&format!("{key}.{name}"), value)),
        _ => Ok(()),
    }
}

/// The attack with settings replaced by those given.
fn boxed<A>(attack: A, set: &Map<String, Value>) -> Result<Box<dyn Attack>, String>
where
    A: Attack + Serialize + DeserializeOwned + 'static,
{
    let mut settings = serde_json::to_value(&attack).map_err(|e| e.to_string())?;
    if let Value::Object(all) = &mut settings {
        all.extend(set.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    for (key, value) in set {
        check_bounds(key, value).map_err(|e| format!("{}: --set: {e}", attack.name()))?;
    }
    let made: A = serde_json::from_value(settings).map_err(|e| format!("{}: --set: {e}", attack.name()))?;
    Ok(Box::new(made))
}
