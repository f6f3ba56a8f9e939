//! The recipe of a reproduction: what is measured, on which files, and who helps.

use crate::args::{Compute, ProfileName, ReproduceArgs};
use crate::settings::{SettingsFile, finite, overlay};
use anyhow::{Context, Result, anyhow, ensure};
use mosa_client::EndpointSettings;
use mosa_model::{DeviceChoice, DtypeChoice};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The recipe that comes with mosa.
const OWN: &str = include_str!("../../../../../recipes/reproduce.toml");
/// What alignments without a file of their own are trained with, by objective.
const RECIPES: [(&str, &str); 2] = [
    ("initial", include_str!("../../../../../recipes/initial-llada-8b.toml")),
    ("mosa", include_str!("../../../../../recipes/mosa-llada-8b.toml")),
];
/// What of an endpoint is part of a run; the rest is how it is reached.
const OF_ENDPOINTS: [&str; 4] = ["base", "model", "omit", "system_role"];

/// A recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Checkpoint folder or hub id.
    pub model: String,
    #[serde(default = "auto")]
    pub device: String,
    #[serde(default = "auto")]
    pub dtype: String,
    /// Seeds of the alignments: every one is a model of its own.
    #[serde(default = "one_seed")]
    pub seeds: Vec<u64>,
    /// How much each attack may take.
    #[serde(default)]
    pub profile: ProfileName,
    pub data: Files,
    #[serde(default)]
    pub sizes: Sizes,
    #[serde(default)]
    pub decoding: Decoding,
    #[serde(default)]
    pub probes: Probes,
    /// As in a file of helpers.
    #[serde(default)]
    pub helper: Vec<toml::Table>,
    #[serde(default)]
    pub judge: Vec<JudgeEntry>,
    #[serde(default = "of_the_paper")]
    pub align: Vec<AlignEntry>,
    #[serde(default)]
    pub utility: Vec<UtilityEntry>,
}

/// The files that are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    /// Prompts of the alignments.
    pub sorry_bench: PathBuf,
    pub advbench: PathBuf,
    pub harmbench: PathBuf,
    /// Harmless prompts, for the order of writing.
    pub benign: PathBuf,
    /// Those that come with mosa, if absent; likewise below.
    pub safe_sentences: Option<PathBuf>,
    pub harmful_sentences: Option<PathBuf>,
    pub affirmative: Option<PathBuf>,
    pub procedural: Option<PathBuf>,
}

/// How many prompts of a file, drawn with seed 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sizes {
    /// Prompts of an alignment.
    pub train: usize,
    pub prefill: usize,
    pub search: usize,
    /// Of each of both kinds.
    pub order: usize,
    pub steer: usize,
    pub landscape: usize,
    /// Behaviours of each benchmark.
    pub attack: usize,
}

/// How answers are written, in probes and under attacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Decoding {
    /// Response positions.
    pub gen_length: usize,
    /// Denoising steps; one position each if absent.
    pub steps: Option<usize>,
    pub block_length: usize,
    /// Answers decoded together.
    pub batch_size: usize,
}

/// Settings of the probes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Probes {
    /// Where words are forced.
    pub offsets: Vec<usize>,
    /// Iterations and candidates of the suffix search.
    pub iterations: usize,
    pub candidates: usize,
    /// Positions and steps of the probe of order.
    pub order_length: usize,
    pub order_steps: usize,
    /// Words at which a prompt orders a phrase.
    pub steer: Vec<usize>,
}

/// A judge, with the tables of a judge's settings file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JudgeEntry {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<toml::Table>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<toml::Table>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<toml::Table>,
}

/// A model that is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlignEntry {
    /// What it is called; `initial` and `mosa` are held against the paper.
    pub name: String,
    pub objective: String,
    /// Settings file; the recipe of the objective that comes with mosa, if absent.
    #[serde(default)]
    pub config: Option<PathBuf>,
    #[serde(default)]
    pub set: Vec<String>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UtilityEntry {
    pub task: String,
    pub data: PathBuf,
    #[serde(default)]
    pub protocol: Option<String>,
    /// Items; all if absent.
    #[serde(default)]
    pub sample: Option<usize>,
    #[serde(default)]
    pub shots: Option<usize>,
    /// Response positions, and positions per block with them; the protocol's if absent.
    #[serde(default)]
    pub gen_length: Option<usize>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { train: 3000, prefill: 100, search: 100, order: 50, steer: 50, landscape: 50, attack: 100 }
    }
}

impl Default for Decoding {
    fn default() -> Self {
        Self { gen_length: 256, steps: None, block_length: 32, batch_size: 16 }
    }
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            offsets: vec![0, 40, 80, 120, 160],
            iterations: 100,
            candidates: 512,
            order_length: 128,
            order_steps: 32,
            steer: vec![1, 10, 20, 40, 80],
        }
    }
}

fn auto() -> String {
    "auto".into()
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

fn of_the_paper() -> Vec<AlignEntry> {
    let entry = |name: &str| AlignEntry { name: name.into(), objective: name.into(), config: None, set: Vec::new() };
    RECIPES.map(|(name, _)| entry(name)).into()
}

impl Recipe {
    /// The recipe that is named, or the one that comes with mosa, with the keys given by hand.
    ///
    /// # Errors
    /// What cannot be read or used, with the file and the line where it stands in one.
    pub(super) fn read(args: &ReproduceArgs) -> Result<Self> {
        let mut table: toml::Table = match &args.config {
            Some(path) => {
                let file = SettingsFile::open(path)?;
                // For its errors, which know lines. What a key by hand gives may be absent in the file.
                if args.set.is_empty() {
                    file.read::<Self>("a recipe of a reproduction")?;
                }
                file.read("a recipe of a reproduction")?
            }
            None => toml::from_str(OWN)?,
        };
        overlay(&mut table, &args.set)?;
        finite(&table).context("--set")?;
        let named = args.config.as_ref().map_or_else(|| "the recipe".to_owned(), |path| path.display().to_string());
        let said = |error: toml::de::Error| {
            anyhow!("{named}: {}", error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let recipe: Self = table.try_into().map_err(said)?;
        recipe.check().with_context(|| named.clone())?;
        Ok(recipe)
    }

    /// The recipe as a manifest has it.
    pub(super) fn from_manifest(settings: &Value) -> Result<Self> {
        serde_json::from_value(settings.clone()).context("manifest.json: settings are no recipe of a reproduction")
    }

    fn check(&self) -> Result<()> {
        self.device()?;
        self.dtype()?;
        ensure!(!self.seeds.is_empty(), "`seeds` is empty; name one");
        ensure!(!self.judge.is_empty(), "no `[[judge]]`; the paper's are `rubric` and `strongreject`");
        let mut names = BTreeSet::from(["original"]);
        for AlignEntry { name, objective, config, .. } in &self.align {
            let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            ensure!(plain, "`align`: the name {name:?} has to be of letters, digits and hyphens");
            ensure!(names.insert(name), "`align`: two are called {name:?}; \"original\" is the model itself");
            ensure!(
                config.is_some() || RECIPES.iter().any(|(own, _)| own == objective),
                "`align` {name:?}: no recipe for {objective:?} comes with mosa; name one with `config`"
            );
        }
        let mut judges = BTreeSet::new();
        ensure!(self.judge.iter().all(|j| judges.insert(&j.name)), "`judge`: a judge is named twice");
        for (key, size) in self.sizes.all() {
            ensure!(size > 0, "`sizes.{key}` is 0; give at least 1");
        }
        let mut tasks = BTreeSet::new();
        ensure!(self.utility.iter().all(|u| tasks.insert(&u.task)), "`utility`: a task is named twice");
        Ok(())
    }

    fn device(&self) -> Result<DeviceChoice> {
        self.device.parse().map_err(|what: String| anyhow!("`device`: {what}"))
    }

    fn dtype(&self) -> Result<DtypeChoice> {
        self.dtype.parse().map_err(|what: String| anyhow!("`dtype`: {what}"))
    }

    /// Where and in what it is computed: as the flags say, else as the recipe says.
    pub(super) fn compute(&self, flags: &Compute) -> Result<Compute> {
        let mut compute = flags.clone();
        if compute.device == DeviceChoice::Auto {
            compute.device = self.device()?;
        }
        if compute.dtype == DtypeChoice::Auto {
            compute.dtype = self.dtype()?;
        }
        Ok(compute)
    }

    /// What a manifest says of it: all that changes a number. How endpoints are reached, and where and in what it is computed, is
    /// in the manifests of the stages or nowhere.
    pub(super) fn said(&self) -> Result<Value> {
        let mut said = serde_json::to_value(self)?;
        for list in ["helper", "judge"] {
            for entry in said[list].as_array_mut().into_iter().flatten() {
                if let Some(endpoint) = entry.get_mut("endpoint").and_then(Value::as_object_mut) {
                    endpoint.retain(|key, _| OF_ENDPOINTS.contains(&key.as_str()));
                }
            }
        }
        Ok(said)
    }

    /// The endpoints that are asked, and what for.
    pub(super) fn endpoints(&self) -> Vec<(String, Result<EndpointSettings>)> {
        let read = |table: &toml::Table| table.clone().try_into().map_err(anyhow::Error::from);
        let helpers = self.helper.iter().filter_map(|entry| {
            let roles = entry.get("roles").and_then(toml::Value::as_str).unwrap_or("?");
            Some((format!("helper for \"{roles}\""), read(entry.get("endpoint")?.as_table()?)))
        });
        let judges = self.judge.iter().filter_map(|j| Some((format!("judge {}", j.name), read(j.endpoint.as_ref()?))));
        helpers.chain(judges).collect()
    }

    /// The file of helpers.
    pub(super) fn helpers(&self) -> Result<String> {
        let entries = self.helper.iter().cloned().map(toml::Value::Table).collect();
        Ok(toml::to_string(&toml::Table::from_iter([("helper".to_owned(), toml::Value::Array(entries))]))?)
    }
}

impl JudgeEntry {
    /// Its settings file.
    pub(super) fn file(&self) -> Result<String> {
        let tables = [("settings", &self.settings), ("gate", &self.gate), ("endpoint", &self.endpoint)];
        let given = tables.into_iter().filter_map(|(key, table)| Some((key.to_owned(), table.clone()?.into())));
        Ok(toml::to_string(&toml::Table::from_iter(given))?)
    }
}

impl AlignEntry {
    /// The text of the recipe that comes with mosa; none where a file is named.
    pub(super) fn own_recipe(&self) -> Option<&'static str> {
        let own = RECIPES.iter().find(|(objective, _)| *objective == self.objective);
        own.filter(|_| self.config.is_none()).map(|(_, text)| *text)
    }
}

impl Sizes {
    pub(super) fn all(&self) -> [(&'static str, usize); 7] {
        [
            ("train", self.train),
            ("prefill", self.prefill),
            ("search", self.search),
            ("order", self.order),
            ("steer", self.steer),
            ("landscape", self.landscape),
            ("attack", self.attack),
        ]
    }
}
