//! The arms of the comparison: the model as it is, aligned in several ways, and behind defences that need no training.

/// One of the models that are compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Arm {
    /// Its folder and its name in records.
    pub name: &'static str,
    /// Its name in words.
    pub title: &'static str,
    pub how: How,
    /// What it has that the paper's text has not, in words; empty for arms that are not the paper's.
    pub beyond: &'static str,
    /// Whether the small run has it too.
    pub is_small: bool,
}

/// How an arm comes about.
#[derive(Debug, PartialEq)]
pub(crate) enum How {
    AsItIs,
    Aligned(Alignment),
    Defended(Guarded),
}

/// A training of an adapter.
#[derive(Debug, PartialEq)]
pub(crate) struct Alignment {
    pub objective: &'static str,
    /// One of [`RECIPES`], by name.
    pub recipe: &'static str,
    /// Settings on top of the recipe.
    pub set: &'static [&'static str],
    /// The file of the data it learns from.
    pub data: &'static str,
    /// Which sentences it is given.
    pub sentences: Sentences,
    /// Whether it sees harmless prompts.
    pub retains: bool,
    /// The judge that rewards answers.
    pub judge: Option<&'static str>,
}

/// Sentences of an alignment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sentences {
    Neither,
    Safe,
    Both,
}

/// A defence around another arm.
#[derive(Debug, PartialEq)]
pub(crate) struct Guarded {
    /// The arm behind it.
    pub arm: &'static str,
    pub defence: &'static str,
    /// Whether it needs a file that `mosa defence fit` makes.
    pub is_fitted: bool,
}

/// The recipes, as they are unpacked beside the run.
pub(crate) const RECIPES: [(&str, &str); 6] = [
    ("world-paper.toml", include_str!("../../../../../recipes/world-paper.toml")),
    ("world.toml", include_str!("../../../../../recipes/world.toml")),
    ("world-mosa-plus.toml", include_str!("../../../../../recipes/world-mosa-plus.toml")),
    ("world-sft.toml", include_str!("../../../../../recipes/world-sft.toml")),
    ("world-a2d-eos.toml", include_str!("../../../../../recipes/world-a2d-eos.toml")),
    ("world-recovery.toml", include_str!("../../../../../recipes/world-recovery.toml")),
];

/// Prompts nobody should get an answer to, for alignment.
const PROMPTS: &str = "sorry_bench/question.jsonl";

/// The reward of the paper's terms alone, on fully masked canvases.
const PAPER: Alignment = Alignment {
    objective: "mosa",
    recipe: "world-paper.toml",
    set: &[],
    data: PROMPTS,
    sentences: Sentences::Both,
    retains: false,
    judge: None,
};

/// The arm that others are aligned from.
pub(crate) const ORIGINAL: &str = "original";
/// The arm that stands for the paper where there is one for all.
pub(crate) const MOSA: &str = "mosa-sum";

/// All arms, in the order of the argument.
pub(crate) static ARMS: [Arm; 13] = [
    Arm { name: ORIGINAL, title: "original", how: How::AsItIs, beyond: "", is_small: true },
    Arm {
        name: "sft",
        title: "SFT refusal",
        how: How::Aligned(Alignment {
            objective: "sft",
            recipe: "world-sft.toml",
            data: "sft/train.jsonl",
            sentences: Sentences::Neither,
            ..PAPER
        }),
        beyond: "",
        is_small: false,
    },
    Arm {
        name: "initial",
        title: "Initial",
        how: How::Aligned(Alignment { objective: "initial", ..PAPER }),
        beyond: "nothing",
        is_small: true,
    },
    Arm { name: "mosa-sum", title: "MOSA, R summed", how: How::Aligned(PAPER), beyond: "nothing", is_small: true },
    Arm {
        name: "mosa-mean",
        title: "MOSA, R averaged",
        how: How::Aligned(Alignment { set: &["reduction=mean", "lr=5e-5"], ..PAPER }),
        beyond: "nothing",
        is_small: true,
    },
    Arm {
        name: "mosa-world",
        title: "MOSA + canvases + retain",
        how: How::Aligned(Alignment { recipe: "world.toml", retains: true, ..PAPER }),
        beyond: "partly written canvases, a KL on harmless prompts",
        is_small: false,
    },
    Arm {
        name: "a2d",
        title: "A2D",
        how: How::Aligned(Alignment {
            objective: "a2d-eos",
            recipe: "world-a2d-eos.toml",
            sentences: Sentences::Safe,
            retains: true,
            ..PAPER
        }),
        beyond: "",
        is_small: false,
    },
    Arm {
        name: "recovery",
        title: "RA",
        how: How::Aligned(Alignment {
            objective: "recovery",
            recipe: "world-recovery.toml",
            sentences: Sentences::Safe,
            retains: true,
            judge: Some("exact"),
            ..PAPER
        }),
        beyond: "",
        is_small: false,
    },
    Arm {
        name: "mosa-plus",
        title: "mosa+",
        how: How::Aligned(Alignment { recipe: "world-mosa-plus.toml", retains: true, ..PAPER }),
        beyond: "no window reward; refusals learned word by word on canvases in any state, a KL on harmless prompts",
        is_small: true,
    },
    defended("original-diffuguard", "original, DiffuGuard", "original", ("diffuguard", false)),
    defended("original-steering", "original, steering", "original", ("activation-steering", true)),
    defended("mosa-diffuguard", "MOSA, DiffuGuard", MOSA, ("diffuguard", false)),
    defended("mosa-steering", "MOSA, steering", MOSA, ("activation-steering", true)),
];

const fn defended(
    name: &'static str,
    title: &'static str,
    arm: &'static str,
    (defence, is_fitted): (&'static str, bool),
) -> Arm {
    Arm { name, title, how: How::Defended(Guarded { arm, defence, is_fitted }), beyond: "", is_small: false }
}

impl Arm {
    /// The arm of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ARMS.iter().find(|arm| arm.name == name)
    }

    /// The arm whose weights it has: its own, or those of the arm behind a defence.
    pub(crate) fn weights(&'static self) -> &'static Self {
        match &self.how {
            How::Defended(guarded) => Self::named(guarded.arm).unwrap_or(self),
            _ => self,
        }
    }

    /// A model for each seed where it is trained; a defence, which has no seeds of its own, stands before the first.
    pub(crate) fn seeds(&'static self, seeds: &[u64]) -> Vec<Option<u64>> {
        match (&self.how, &self.weights().how) {
            (How::Aligned(_), _) => seeds.iter().copied().map(Some).collect(),
            (_, How::Aligned(_)) => vec![seeds.first().copied()],
            _ => vec![None],
        }
    }
}

/// Who an attack is told in, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// One of the paper's eight.
    Published,
    /// One of the paper's three that aim at the middle.
    Adaptive,
    /// Words in prompts, measured by the replication.
    Prompts,
    /// Writes on the canvas.
    Canvas,
}

/// A row of the matrix: an attack and its settings.
#[derive(Debug, PartialEq)]
pub(crate) struct Assault {
    /// Its folder and its name on the page.
    pub name: &'static str,
    /// The attack, as `mosa attack` calls it.
    pub attack: &'static str,
    pub set: &'static [&'static str],
    pub family: Family,
    /// Whether the small run has it too.
    pub is_small: bool,
}

const fn assault(name: &'static str, family: Family, is_small: bool) -> Assault {
    Assault { name, attack: name, set: &[], family, is_small }
}

const fn anchoring(name: &'static str, set: &'static [&'static str], is_small: bool) -> Assault {
    Assault { name, attack: "anchoring", set, family: Family::Canvas, is_small }
}

/// All attacks, in the order of the page.
pub(crate) static ASSAULTS: [Assault; 24] = [
    assault("avatar", Family::Published, true),
    assault("tap", Family::Published, true),
    assault("speak-easy", Family::Published, true),
    assault("aos", Family::Published, true),
    assault("pal", Family::Published, true),
    assault("ept", Family::Published, true),
    assault("dia", Family::Published, true),
    assault("adv-prefix", Family::Published, true),
    assault("tap-adaptive", Family::Adaptive, true),
    assault("ept-adaptive", Family::Adaptive, true),
    assault("adv-prefix-adaptive", Family::Adaptive, true),
    assault("pair", Family::Prompts, false),
    assault("renellm", Family::Prompts, false),
    assault("crescendo", Family::Prompts, false),
    anchoring("anchoring-1", &["steps=[1]"], false),
    anchoring("anchoring-4", &["steps=[4]"], false),
    anchoring("anchoring-8", &["steps=[8]"], true),
    anchoring("anchoring-16", &["steps=[16]"], false),
    anchoring("anchoring-32", &["steps=[32]"], false),
    assault("pad", Family::Canvas, true),
    assault("dija-user-turn", Family::Canvas, true),
    assault("dija-with-canvas", Family::Canvas, true),
    assault("traj-hijack", Family::Canvas, true),
    assault("post-context", Family::Canvas, true),
];

#[cfg(test)]
mod tests {
    use super::*;
    use mosa_attack::OF_THE_PAPER;

    #[test]
    fn every_attack_of_the_paper_is_in_the_matrix() {
        let of = |families: &[Family]| -> Vec<&str> {
            ASSAULTS.iter().filter(|a| families.contains(&a.family)).map(|a| a.attack).collect()
        };
        let paper = of(&[Family::Published, Family::Adaptive]);
        assert_eq!(paper, **OF_THE_PAPER);
    }

    #[test]
    fn every_arm_has_a_recipe_and_every_defence_an_arm_behind_it() {
        for arm in &ARMS {
            match &arm.how {
                How::AsItIs => {}
                How::Aligned(a) => assert!(RECIPES.iter().any(|(name, _)| *name == a.recipe), "{}", arm.name),
                How::Defended(guarded) => assert!(Arm::named(guarded.arm).is_some(), "{}", arm.name),
            }
        }
    }
}
