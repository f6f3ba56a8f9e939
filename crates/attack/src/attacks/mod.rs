//! The attacks, one per file.

mod adv_prefix;
mod aos;
pub mod avatar;
pub mod dia;
mod direct;
mod ept;
mod native;
mod pal;
mod speak_easy;
mod tap;

pub use adv_prefix::{AdvPrefix, Opener, PrefixMode, Surrogate};
pub use aos::{Aos, Optimiser};
pub use avatar::Avatar;
pub use dia::Dia;
pub use direct::Direct;
pub use ept::{Ept, PathUnit};
pub use native::{Anchoring, CanvasAttack, Dija, DijaForm, Pad, PostContext, Prefill, SuffixSearch, TrajHijack};
pub use pal::{Pal, TokenLoss};
pub use speak_easy::{Decomposer, SpeakEasy};
pub use tap::Tap;
