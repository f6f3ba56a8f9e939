//! The table of all attacks. Adding one is its file in `attacks/` and its row here.

use crate::entry::{Entry, Method, Rules};
use crate::{
    AdvPrefix, Anchor, Anchoring, Aos, Attack, Avatar, Crescendo, Dia, Dija, Direct, Ept, MaskForge, Nesting, Pad,
    Pair, Pal, PostContext, Prefill, PrefixMode, Profile, ReNeLlm, SpeakEasy, SuffixSearch, Tap, TrajHijack, dia,
    rules,
};
use serde_json::{Map, Value};
use std::convert::identity;
use std::sync::LazyLock;

const MOSA: &str = "arXiv 2508.12398";
const RECOVERY: &str = "arXiv 2510.00565";

const AVATAR: Method = helped("avatar", "arXiv 2412.12145, 2503.00038", rules::avatar::reply);
const TAP: Method = helped("tap", "arXiv 2312.02119", rules::tap::reply);
const SPEAK_EASY: Method = helped("speak-easy", "arXiv 2502.04322", rules::speak_easy::reply);
const AOS: Method = helped("aos", "arXiv 2408.11313", rules::aos::reply);
const PAL: Method = plain("pal", Some("arXiv 2402.09674"), false);
const EPT: Method = helped("ept", "arXiv 2502.13527", rules::ept::reply);
const DIA: Method = helped("dia", "arXiv 2503.08195", rules::dia::reply);
const ADV_PREFIX: Method = helped("adv-prefix", "arXiv 2412.10321", rules::adv_prefix::reply);
const DIJA: Method = Method { native: true, ..helped("dija", "arXiv 2507.11097", rules::dija::reply) };

const MASKFORGE: Method = Method { native: true, ..helped("maskforge", "arXiv 2606.04027", rules::maskforge::reply) };

/// A method whose helpers have rules in the toy language.
const fn helped(name: &'static str, paper: &'static str, rules: Rules) -> Method {
    Method { rules: Some(rules), ..plain(name, Some(paper), false) }
}

/// A method without helpers.
const fn plain(name: &'static str, paper: Option<&'static str>, native: bool) -> Method {
    Method { name, paper, native, rules: None }
}

/// Where the adaptive variants put the weight (MOSA does not say; its suffix search aims at token 30).
const MIDDLE: Anchor = Anchor::Middle(30);

/// Every attack: the published eight first, then their adaptive and other variants, then others that talk, then those
/// that need a canvas or its gradient.
pub static ATTACKS: &[Entry] = &[
    Entry {
        name: "avatar",
        method: AVATAR,
        about: "a metaphor stands for the goal, and a conversation about it is led back to the goal",
        in_mosa: true,
        make: |asked| asked.boxed(Avatar::profile(asked.profile), Avatar::world),
    },
    Entry {
        name: "tap",
        method: TAP,
        about: "a tree of prompts, branched by an attacker model and pruned by an evaluator",
        in_mosa: true,
        make: |asked| asked.boxed(Tap::profile(asked.profile), Tap::world),
    },
    Entry {
        name: "speak-easy",
        method: SPEAK_EASY,
        about: "the request in pieces and in several languages, the best replies put together",
        in_mosa: true,
        make: |asked| asked.boxed(SpeakEasy::profile(asked.profile), SpeakEasy::world),
    },
    Entry {
        name: "aos",
        method: AOS,
        about: "a helper model proposes suffixes and learns from how earlier ones were scored",
        in_mosa: true,
        make: |asked| asked.boxed(Aos::profile(asked.profile), Aos::world),
    },
    Entry {
        name: "pal",
        method: PAL,
        about: "a suffix, proposed by a proxy model's gradient and chosen by the target's probabilities",
        in_mosa: true,
        make: |asked| asked.boxed(Pal::profile(asked.profile), Pal::world),
    },
    Entry {
        name: "ept",
        method: EPT,
        about: "a tree of answers: sentences that decline are forbidden, those that comply are continued",
        in_mosa: true,
        make: |asked| asked.boxed(Ept::profile(asked.profile), Ept::world),
    },
    Entry {
        name: "dia",
        method: DIA,
        about: "a fabricated dialogue ends in the request; both forms, in turns",
        in_mosa: true,
        make: |asked| asked.boxed(Dia::profile(asked.profile), Dia::world),
    },
    Entry {
        name: "adv-prefix",
        method: ADV_PREFIX,
        about: "forces the beginning of an answer that the target finds likely and that brings what was asked",
        in_mosa: true,
        make: |asked| asked.boxed(AdvPrefix::profile(asked.profile), AdvPrefix::world),
    },
    Entry {
        name: "tap-adaptive",
        method: TAP,
        about: "tap, which asks for the words in the middle of the answer",
        in_mosa: true,
        make: |asked| asked.boxed(Tap::profile(asked.profile).adaptive(), Tap::world),
    },
    Entry {
        name: "ept-adaptive",
        method: EPT,
        about: "ept, whose tree begins in the middle of the answer",
        in_mosa: true,
        make: |asked| asked.boxed(Ept::profile(asked.profile).adaptive(), Ept::world),
    },
    Entry {
        name: "adv-prefix-adaptive",
        method: ADV_PREFIX,
        about: "adv-prefix with words forced in the middle of the answer",
        in_mosa: true,
        make: |asked| asked.boxed(AdvPrefix { anchor: MIDDLE, ..AdvPrefix::profile(asked.profile) }, AdvPrefix::world),
    },
    Entry {
        name: "pal-adaptive",
        method: PAL,
        about: "pal, which aims at words in the middle of the answer",
        in_mosa: false,
        make: |asked| asked.boxed(Pal { anchor: MIDDLE, ..Pal::profile(asked.profile) }, Pal::world),
    },
    Entry {
        name: "avatar-single",
        method: AVATAR,
        about: "avatar with one question and no conversation",
        in_mosa: false,
        make: |asked| asked.boxed(Avatar { single_turn: true, ..Avatar::profile(asked.profile) }, Avatar::world),
    },
    Entry {
        name: "adv-prefix-prompt",
        method: ADV_PREFIX,
        about: "adv-prefix, which asks for the beginning instead of forcing it",
        in_mosa: false,
        make: |asked| {
            asked.boxed(AdvPrefix { mode: PrefixMode::Prompt, ..AdvPrefix::profile(asked.profile) }, AdvPrefix::world)
        },
    },
    Entry {
        name: "adv-prefix-optimised",
        method: ADV_PREFIX,
        about: "adv-prefix as the target of a suffix search",
        in_mosa: false,
        make: |asked| {
            asked
                .boxed(AdvPrefix { mode: PrefixMode::Optimised, ..AdvPrefix::profile(asked.profile) }, AdvPrefix::world)
        },
    },
    Entry {
        name: "ral",
        method: PAL,
        about: "pal with suffixes drawn without a gradient",
        in_mosa: false,
        make: |asked| asked.boxed(Pal::profile(asked.profile).ral(), Pal::world),
    },
    Entry {
        name: "dia-1",
        method: DIA,
        about: "dia, in whose dialogue the answer has begun",
        in_mosa: false,
        make: |asked| asked.boxed(Dia { variant: dia::Variant::Continue, ..Dia::profile(asked.profile) }, Dia::world),
    },
    Entry {
        name: "dia-2",
        method: DIA,
        about: "dia, in whose dialogue the request hides in a puzzle of replaced words",
        in_mosa: false,
        make: |asked| asked.boxed(Dia { variant: dia::Variant::Deferred, ..Dia::profile(asked.profile) }, Dia::world),
    },
    Entry {
        name: "direct",
        method: plain("direct", None, false),
        about: "the request as it stands, once: what attacks are compared with",
        in_mosa: false,
        make: |asked| asked.boxed(Direct::default(), identity),
    },
    Entry {
        name: "pair",
        method: helped("pair", "arXiv 2310.08419", rules::pair::reply),
        about: "an attacker model improves one prompt by its rated answers, in several conversations",
        in_mosa: false,
        make: |asked| asked.boxed(Pair::profile(asked.profile), Pair::world),
    },
    Entry {
        name: "renellm",
        method: helped("renellm", "arXiv 2311.08268", rules::renellm::reply),
        about: "the request rewritten by several functions and nested into a harmless task",
        in_mosa: false,
        make: |asked| asked.boxed(ReNeLlm::profile(asked.profile), ReNeLlm::world),
    },
    Entry {
        name: "crescendo",
        method: helped("crescendo", "arXiv 2404.01833", rules::crescendo::reply),
        about: "a conversation that asks for a little more in every turn",
        in_mosa: false,
        make: |asked| asked.boxed(Crescendo::profile(asked.profile), Crescendo::world),
    },
    Entry {
        name: "nesting",
        method: plain("nesting", Some("arXiv 2602.00388"), false),
        about: "the request inside a harmless structure, once per structure",
        in_mosa: false,
        make: |asked| asked.boxed(Nesting::profile(asked.profile), Nesting::world),
    },
    Entry {
        name: "prefill",
        method: plain("prefill", Some(MOSA), true),
        about: "words of compliance forced at an offset of the answer",
        in_mosa: false,
        make: |asked| asked.boxed(Prefill::profile(asked.profile), Prefill::world),
    },
    Entry {
        name: "gcg",
        method: plain("gcg", Some("arXiv 2307.15043"), false),
        about: "a suffix of the prompt, searched with the target's own gradient",
        in_mosa: false,
        make: |asked| asked.boxed(SuffixSearch::profile(asked.profile), SuffixSearch::world),
    },
    Entry {
        name: "first-step-gcg",
        method: plain("first-step-gcg", Some(RECOVERY), true),
        about: "gcg for a whole harmful answer, by its likelihood on the fully masked canvas",
        in_mosa: false,
        make: |asked| asked.boxed(SuffixSearch::profile(asked.profile).first_step(), SuffixSearch::world),
    },
    Entry {
        name: "pad",
        method: plain("pad", Some("arXiv 2507.19227"), true),
        about: "step labels spread over the canvas before the first step",
        in_mosa: false,
        make: |asked| asked.boxed(Pad::profile(asked.profile), Pad::world),
    },
    Entry {
        name: "dija-user-turn",
        method: DIJA,
        about: "the request as a text with gaps in the user's turn, which the model fills in",
        in_mosa: false,
        make: |asked| asked.boxed(Dija::profile(asked.profile), Dija::world),
    },
    Entry {
        name: "dija-with-canvas",
        method: DIJA,
        about: "dija-user-turn with an answer's canvas behind it",
        in_mosa: false,
        make: |asked| asked.boxed(Dija::profile(asked.profile).with_canvas(), Dija::world),
    },
    Entry {
        name: "anchoring",
        method: plain("anchoring", Some(RECOVERY), true),
        about: "what is revealed until a step is overwritten with a harmful answer's tokens",
        in_mosa: false,
        make: |asked| asked.boxed(Anchoring::profile(asked.profile), Anchoring::world),
    },
    Entry {
        name: "traj-hijack",
        method: plain("traj-hijack", Some("arXiv 2604.08557"), true),
        about: "a refusal is taken back, and the answer begun with words of compliance",
        in_mosa: false,
        make: |asked| asked.boxed(TrajHijack::profile(asked.profile), TrajHijack::world),
    },
    Entry {
        name: "maskforge",
        method: MASKFORGE,
        about: "texts with gaps after schemas that a bandit chooses and successes add to",
        in_mosa: false,
        make: |asked| asked.boxed(MaskForge::profile(asked.profile), MaskForge::world),
    },
    Entry {
        name: "post-context",
        method: plain("post-context", Some("arXiv 2606.00023"), true),
        about: "words that stand behind the answer from the beginning",
        in_mosa: false,
        make: |asked| asked.boxed(PostContext::profile(asked.profile), PostContext::world),
    },
];

/// The names of the attacks of the MOSA paper: the eight (Tables 1 and 2) and the adaptive variants of three (Table 4).
pub static OF_THE_PAPER: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ATTACKS.iter().filter(|row| row.in_mosa).map(|row| row.name).collect());

/// Makes an attack: its profile, perhaps in words of the toy world, and then the settings given by hand.
///
/// # Errors
/// A sentence that names the attacks there are, or the setting that cannot be used.
pub fn attack(name: &str, profile: Profile, world: bool, set: &Map<String, Value>) -> Result<Box<dyn Attack>, String> {
    match ATTACKS.iter().find(|row| row.name == name) {
        Some(row) => row.make(profile, world, set),
        None => {
            let names: Vec<&str> = ATTACKS.iter().map(|row| row.name).collect();
            Err(format!("there is no attack {name:?}; there are {}", names.join(", ")))
        }
    }
}
