//! What a reproduction needs, and what of it is missing: looked for before anything begins, all of it in one go.

use super::recipe::{AlignEntry, Recipe};
use super::stages::{Kind, Plan, Request, Stage};
use crate::args::{ReadArgs, UtilityArgs, phrases};
use crate::commands::judge::JudgeFile;
use crate::commands::utility::task;
use crate::load;
use anyhow::{Context, Result, bail, ensure};
use mosa_attack::{OF_THE_PAPER, attack};
use mosa_client::{Chat, Endpoint, EndpointError, EndpointSettings, Message};
use mosa_core::Interrupt;
use mosa_hub::{Hub, HubError, RepoId, Revision, Settings as HubSettings};
use mosa_model::{Checkpoint, ModelConfig, Precision, cuda_status, stored_size};
use mosa_sandbox::{Limits, Sandbox};
use mosa_task::Task;
use serde_json::Map;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::Device;

/// Seconds an endpoint gets to say a word.
const PATIENCE: f64 = 20.0;

/// Something that is needed.
#[derive(Debug)]
pub(super) struct Need {
    /// What it is called.
    pub what: String,
    /// What is there, or what is wrong and how it is mended.
    pub found: Result<String, String>,
}

/// What is there, as far as costs depend on it.
#[derive(Default)]
pub(super) struct Found {
    pub needs: Vec<Need>,
    /// Weights of the model.
    pub parameters: Option<usize>,
    /// The tasks that could be read, by name.
    pub tasks: BTreeMap<String, Box<dyn Task>>,
    /// Where it is computed.
    pub device: Option<Device>,
    /// Whether the rate of this machine is known.
    pub is_measured: bool,
}

impl Found {
    /// Looks for everything. Endpoints are asked for one word.
    pub(super) fn look(plan: &Plan<'_>, stages: &[Stage]) -> Self {
        let mut found = Self::default();
        let recipe = plan.recipe;
        found.add("device", device(plan));
        found.device = plan.compute.device.resolve().ok();
        let mut parameters = None;
        let weights = model(&recipe.model, plan, found.device, &mut parameters);
        found.add(format!("model {}", recipe.model), weights);
        found.parameters = parameters;
        for (what, path, n) in files(recipe) {
            found.add(what, rows(path, n));
        }
        for (what, path) in sentence_files(recipe) {
            let lines = phrases(Some(path), "");
            found.add(what, lines.map(|lines| format!("{} lines in {}", lines.len(), path.display())));
        }
        for entry in &recipe.align {
            found.add(format!("alignment {}", entry.name), alignment(entry));
        }
        found.add("helper roles", roles(recipe));
        found.endpoints(recipe);
        for judge in &recipe.judge {
            found.add(format!("judge {}", judge.name), judge.file().and_then(|text| known_judge(&judge.name, &text)));
        }
        found.tasks_of(stages);
        found
    }

    fn add(&mut self, what: impl Into<String>, found: Result<String>) {
        let found = found.map_err(|error| format!("{error:#}"));
        self.needs.push(Need { what: what.into(), found });
    }

    /// What is missing.
    pub(super) fn missing(&self) -> Vec<(&str, &str)> {
        let missing =
            self.needs.iter().filter_map(|need| Some((need.what.as_str(), need.found.as_ref().err()?.as_str())));
        missing.collect()
    }

    /// The endpoints, each once, whatever they are for.
    fn endpoints(&mut self, recipe: &Recipe) {
        let mut seen: Vec<(EndpointSettings, Vec<String>)> = Vec::new();
        for (role, settings) in recipe.endpoints() {
            match settings {
                Err(error) => self.add(role, Err(error)),
                Ok(settings) => {
                    let same = |known: &&mut (EndpointSettings, Vec<String>)| {
                        let key = |s: &EndpointSettings| (s.base.clone(), s.model.clone(), s.api_key_env.clone());
                        key(&known.0) == key(&settings)
                    };
                    match seen.iter_mut().find(same) {
                        Some((_, roles)) => roles.push(role),
                        None => seen.push((settings, vec![role])),
                    }
                }
            }
        }
        for (settings, roles) in seen {
            let what = format!("endpoint {}, model {} ({})", settings.base, settings.model, roles.join(", "));
            self.add(what, reachable(settings));
        }
    }

    /// The tasks, and the sandbox if one of them runs programs.
    fn tasks_of(&mut self, stages: &[Stage]) {
        let mut programs = false;
        for args in stages.iter().filter_map(asked) {
            if self.tasks.contains_key(&args.task) || self.needs.iter().any(|need| need.what == named(args)) {
                continue;
            }
            programs |= args.task == "humaneval";
            match task(args) {
                Ok(task) => {
                    programs |= task.runs_programs();
                    self.add(named(args), Ok(format!("{} items, protocol {}", task.items().len(), task.protocol())));
                    self.tasks.insert(args.task.clone(), task);
                }
                Err(error) => self.add(named(args), Err(error)),
            }
        }
        if programs {
            let sandbox = Sandbox::open(None, Limits::default()).map_err(anyhow::Error::from);
            let said = sandbox.map(|sandbox| sandbox.describe());
            self.add("sandbox for programs of answers", said.map(|s| format!("{}, Python {}", s.backend, s.python)));
        }
    }
}

fn named(args: &UtilityArgs) -> String {
    format!("task {}", args.task)
}

/// The request of a stage that measures a task.
fn asked(stage: &Stage) -> Option<&UtilityArgs> {
    match (&stage.kind, &stage.request) {
        (Kind::Utility { .. }, Request::Utility(args)) => Some(args),
        _ => None,
    }
}

/// The files of prompts, and how many rows each has to have.
fn files(recipe: &Recipe) -> [(&'static str, &PathBuf, usize); 4] {
    let (data, sizes) = (&recipe.data, &recipe.sizes);
    let advbench = [sizes.prefill, sizes.search, sizes.order, sizes.steer, sizes.landscape, sizes.attack];
    [
        ("prompts of the alignments (SORRY-Bench)", &data.sorry_bench, sizes.train),
        ("AdvBench", &data.advbench, advbench.into_iter().max().unwrap_or(1)),
        ("HarmBench", &data.harmbench, sizes.attack),
        ("harmless prompts", &data.benign, sizes.order),
    ]
}

fn sentence_files(recipe: &Recipe) -> Vec<(&'static str, &Path)> {
    let data = &recipe.data;
    let all = [
        ("safe sentences", &data.safe_sentences),
        ("harmful sentences", &data.harmful_sentences),
        ("affirmative phrases", &data.affirmative),
        ("procedural phrases", &data.procedural),
    ];
    all.into_iter().filter_map(|(what, path)| Some((what, path.as_deref()?))).collect()
}

/// The rows of a file of prompts, at least `n`.
fn rows(path: &Path, n: usize) -> Result<String> {
    let there = ReadArgs::default().read(path, true)?.behaviours.len();
    ensure!(there >= n, "{}: has {there} usable rows, and {n} are asked for; lower `sizes`", path.display());
    Ok(format!("{there} rows in {}, {n} used", path.display()))
}

fn device(plan: &Plan<'_>) -> Result<String> {
    Ok(match plan.compute.device.resolve()? {
        Device::Cpu => match cuda_status() {
            Err(why) => format!("CPU ({why})"),
            Ok(_) => "CPU".into(),
        },
        device => format!("{device:?}"),
    })
}

/// The checkpoint: whole, of a known family, and small enough for this machine where that can be said.
fn model(name: &str, plan: &Plan<'_>, device: Option<Device>, parameters: &mut Option<usize>) -> Result<String> {
    let dir = here(name)?;
    let config = ModelConfig::read(&dir.join("config.json"))?;
    let checkpoint = Checkpoint::open(&dir)?;
    ensure!(
        dir.join("tokenizer.json").exists() || dir.join("vocab.json").exists(),
        "{}: has no tokenizer.json; copy it from where the weights are from",
        dir.display()
    );
    let longest = plan.recipe.decoding.gen_length.max(plan.recipe.probes.order_length);
    ensure!(
        longest < config.max_length,
        "its context is {} positions, and `decoding.gen_length` asks for {longest} beside the prompt",
        config.max_length
    );
    *parameters = Some(config.parameters());
    let stored = checkpoint.weights_kind()?;
    if let Some(device) = device {
        let precision = Precision::resolve(plan.compute.dtype, plan.compute.weights, stored, device)?;
        load::check_memory(&config, stored_size(&checkpoint), precision, device)?;
    }
    let (billions, shards) = (config.parameters() as f64 / 1e9, checkpoint.shards().len());
    Ok(format!("{billions:.3} billion weights in {shards} file(s), {stored:?}"))
}

/// The folder of a model that is on this machine: nothing is downloaded.
fn here(name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let (id, revision) = name.split_once('@').map_or((name, None), |(id, r)| (id, Some(r)));
    let Some(repo) = RepoId::parse(id) else { bail!("there is no such folder, and it is no hub id; set `model`") };
    let revision = match revision {
        None => Revision::default(),
        Some(text) => Revision::parse(text).context("no branch, tag or commit")?,
    };
    let settings = HubSettings { offline: true, ..HubSettings::from_env()? };
    match Hub::new(settings, Interrupt::new(), |_| {}).resolve(&repo, &revision) {
        Ok(snapshot) => Ok(snapshot.dir),
        Err(HubError::Offline { what, .. }) => bail!(
            "there is no such folder, and the hub's cache has not all of it ({what}): `mosa inspect {name}` fetches it, or name a \
             folder by `model`"
        ),
        Err(other) => Err(other.into()),
    }
}

fn alignment(entry: &AlignEntry) -> Result<String> {
    let config = super::config_of(entry)?;
    let from = entry.config.as_ref().map_or_else(|| "mosa's own recipe".into(), |path| path.display().to_string());
    Ok(format!("{}, {} epoch(s) in steps of {}, from {from}", entry.objective, config.epochs, config.batch_size))
}

/// Whether somebody fills every role of the attacks.
fn roles(recipe: &Recipe) -> Result<String> {
    let patterns: Vec<&str> = recipe.helper.iter().filter_map(|entry| entry.get("roles")?.as_str()).collect();
    let fits = |pattern: &str, role: &str| {
        pattern == "*" || pattern == role || pattern.strip_suffix('*').is_some_and(|start| role.starts_with(start))
    };
    let mut needed = BTreeSet::new();
    for name in OF_THE_PAPER.iter() {
        let attack =
            attack(name, super::profile(recipe.profile), false, &Map::new()).map_err(|e| anyhow::anyhow!(e))?;
        needed.extend(attack.needs().roles);
    }
    let open: Vec<&str> = needed.iter().copied().filter(|role| !patterns.iter().any(|p| fits(p, role))).collect();
    ensure!(open.is_empty(), "nobody fills {}; add a `[[helper]]` with roles = \"*\"", open.join(", "));
    Ok(format!("{} of {} filled", needed.len(), needed.len()))
}

/// Asks an endpoint for a word. That it says something is enough; what it says may be cut off or declined.
fn reachable(settings: EndpointSettings) -> Result<String> {
    let timeout_seconds = settings.timeout_seconds.min(PATIENCE);
    let endpoint = Endpoint::new(EndpointSettings { retries: 0, timeout_seconds, ..settings })?;
    let chat = Chat { max_tokens: 16, ..Chat::new(vec![Message::user("Say one word.")]) };
    match endpoint.stopped_by(crate::interrupt::stop()).chat(&chat) {
        Ok(_)
        | Err(EndpointError::Malformed { .. } | EndpointError::Filtered { .. } | EndpointError::Refused { .. }) => {
            Ok("answers".into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a judge can be made of its tables. That its endpoint cannot be used is said of the endpoint.
fn known_judge(name: &str, text: &str) -> Result<String> {
    let table: toml::Table = toml::from_str(text)?;
    let endpoint = table.get("endpoint").cloned().map(toml::Value::try_into::<EndpointSettings>).transpose()?;
    let mut file: JudgeFile = toml::from_str(text)?;
    if let Some(settings) = endpoint {
        let keyless = EndpointSettings { api_key_env: None, ..settings };
        file.settings.endpoint = Some(Arc::new(Endpoint::new(keyless)?));
    }
    Ok(format!("as {}", mosa_judge::judge(name, &file.settings)?.name()))
}
