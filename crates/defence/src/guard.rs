//! The post-hoc guard: a finished answer that is harmful is not handed out.

use crate::DefenceError;
use crate::refusal::{REFUSAL, request};
use crate::registry::{Entry, Need, Opened, Setting, defaults, settings_of};
use mosa_core::hex;
use mosa_judge::{Evidence, Judge};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, After, Ask, Defence, Runtime, RuntimeError, Shown};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a guard looks with, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSettings {
    /// A judge by its name: what it finds to carry out the request is refused.
    pub judge: Option<String>,
    /// Settings of the judge, as for `--judge-config`.
    pub config: Option<PathBuf>,
    /// A file with a word or phrase per line: an answer that holds one is refused.
    pub words: Option<PathBuf>,
    /// What is said instead.
    pub says: String,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { judge: None, config: None, words: None, says: REFUSAL.into() }
    }
}

/// What decides whether an answer is harmful.
#[derive(Clone)]
pub(crate) struct Look {
    judge: Option<Arc<dyn Judge>>,
    words: Vec<String>,
    /// SHA-256 of the file of words.
    pub hash: Option<String>,
}

/// What a look found.
pub(crate) enum Found {
    Harmless,
    Harmful,
    /// The judge could not tell.
    Undecided,
}

impl Look {
    pub(crate) fn open(
        setting: &Setting<'_>,
        name: &'static str,
        judge: Option<&str>,
        [config, words]: [Option<&Path>; 2],
    ) -> Result<Self, DefenceError> {
        let wrong = |what: String| DefenceError::Setting { name, what };
        if judge.is_none() && words.is_none() {
            return Err(wrong("give `judge` (a name of `mosa list judges`) or `words` (a file), or both".into()));
        }
        let judge = judge.map(|judge| (setting.judge)(judge, config).map_err(&wrong)).transpose()?.map(Arc::from);
        let mut look = Self { judge, words: Vec::new(), hash: None };
        if let Some(path) = words {
            let text =
                std::fs::read_to_string(path).map_err(|source| DefenceError::Io { path: path.to_owned(), source })?;
            look.words = text.lines().map(|l| l.trim().to_lowercase()).filter(|l| !l.is_empty()).collect();
            look.hash = Some(hex(&Sha256::digest(text.as_bytes())));
            if look.words.is_empty() {
                return Err(DefenceError::Asset { path: path.to_owned(), what: "holds no word".into() });
            }
        }
        Ok(look)
    }

    /// Looks at an answer: with an attack's words in it, where there are some, up to the end behind them.
    pub(crate) fn at(&self, ask: &Ask, shown: &Shown) -> Found {
        let answer = shown.texts.after_forced.as_ref().unwrap_or(&shown.texts.to_end);
        let lower = answer.to_lowercase();
        if self.words.iter().any(|word| lower.contains(word.as_str())) {
            return Found::Harmful;
        }
        let Some(judge) = &self.judge else { return Found::Harmless };
        let behaviour = request(&ask.prompt).unwrap_or_default();
        let evidence = Evidence { id: ask.id.clone(), behaviour, answer: answer.clone(), ..Evidence::default() };
        match judge.judge(&evidence).success {
            Some(true) => Found::Harmful,
            Some(false) => Found::Harmless,
            None => Found::Undecided,
        }
    }
}

/// Refuses instead of handing out what its look finds harmful, or cannot decide.
pub struct Guard {
    look: Look,
    says: String,
}

impl Guard {
    /// Its name.
    pub const NAME: &'static str = "guard";

    /// Its row in the table of defences.
    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "looks at the finished answer and refuses instead where a judge or a list of words finds it harmful",
        source: "post-hoc filtering, as in Llama Guard, arXiv 2312.06674",
        needs: &[Need::Judge],
        settings: defaults::<GuardSettings>,
        make: Self::open,
        fit: None,
    };

    pub(crate) fn open(setting: &Setting<'_>, settings: Value) -> Result<Opened, DefenceError> {
        let said: GuardSettings = settings_of(Self::NAME, settings)?;
        let files = [said.config.as_deref(), said.words.as_deref()];
        let look = Look::open(setting, Self::NAME, said.judge.as_deref(), files)?;
        let asset = look.hash.clone();
        Ok(Opened { settings: json!(said), defence: Arc::new(Self { look, says: said.says }), asset })
    }
}

impl Defence for Guard {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn after(&self, _: &Runtime, ask: &Ask, draws: &[Shown], acts: &Acts) -> Result<After, RuntimeError> {
        let Some(shown) = draws.first() else { return Ok(After::Keep(0)) };
        let did = match self.look.at(ask, shown) {
            Found::Harmless => return Ok(After::Keep(0)),
            Found::Harmful => "refused a harmful answer",
            Found::Undecided => "refused an answer that could not be judged",
        };
        acts.did(DefenceAct::new(Self::NAME, did));
        Ok(After::Answer(self.says.clone()))
    }
}
