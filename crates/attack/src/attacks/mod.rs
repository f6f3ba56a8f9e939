//! The attacks, one per file.

mod adv_prefix;
mod aos;
pub mod avatar;
mod crescendo;
pub mod dia;
mod direct;
mod ept;
mod native;
mod nesting;
mod pair;
mod pal;
mod renellm;
mod speak_easy;
mod tap;

pub use adv_prefix::{AdvPrefix, Opener, PrefixMode, Surrogate};
pub use aos::{Aos, Optimiser};
pub use avatar::Avatar;
pub use crescendo::Crescendo;
pub use dia::Dia;
pub use direct::Direct;
pub use ept::{Ept, PathUnit};
pub use native::{
    Anchoring, CanvasAttack, Dija, DijaForm, MaskForge, Pad, PostContext, Prefill, Reference, Schema, SuffixSearch,
    TrajHijack,
};
pub use nesting::{Nesting, Structure};
pub use pair::Pair;
pub use pal::{Pal, TokenLoss};
pub use renellm::{ReNeLlm, Rewriting, Scenario};
pub use speak_easy::{Decomposer, SpeakEasy};
pub use tap::Tap;
