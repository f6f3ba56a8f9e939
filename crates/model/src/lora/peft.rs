//! Adapter folders as the `peft` package writes them: adapter_config.json and adapter_model.safetensors.

use super::adapter::{Adapter, LoraPair};
use super::config::AdapterConfig;
use super::factors::{Factors, Side};
use super::target::{Selection, Targets};
use crate::save::{save_tensors, write_whole};
use crate::shards::PICKLE;
use crate::{Checkpoint, ModelError, ModelSpec};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const CONFIG: &str = "adapter_config.json";
/// Far above any adapter; keeps a damaged config from asking for memory.
const MOST_RANK: u64 = 1 << 20;
const WEIGHTS: &str = "adapter_model.safetensors";

/// Keys that say nothing about how the adapter is applied.
const HARMLESS: [&str; 17] = [
    "auto_mapping",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "task_type",
    "peft_version",
    "lora_dropout",
    "qalora_group_size",
    "megatron_core",
    "megatron_config",
    "eva_config",
    "loftq_config",
    "corda_config",
    "lora_ga_config",
    "runtime_config",
    "velora_config",
    "monteclora_config",
];

/// `init_lora_weights` values after which the base weights are unchanged (PiSSA, OLoRA, CorDA, LoftQ rewrite them).
const PLAIN_INITS: [&str; 4] = ["gaussian", "eva", "orthogonal", "mica"];

impl AdapterConfig {
    /// Reads adapter_config.json. Keys that would change how the adapter is applied and are not supported are refused.
    ///
    /// # Errors
    /// [`ModelError::Key`] naming the key.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|e| ModelError::io(path, e))?;
        let map: Map<String, Value> =
            serde_json::from_str(&text).map_err(|e| ModelError::file(path, format!("not a JSON object: {e}")))?;
        let reader = Reader { path, map };
        reader.refuse_unsupported()?;
        Ok(Self {
            rank: reader.rank("r", reader.map.get("r"))?,
            alpha: reader.alpha("lora_alpha", reader.map.get("lora_alpha"))?,
            targets: reader.targets("target_modules")?.ok_or_else(|| reader.error("target_modules", "is missing"))?,
            exclude: reader.targets("exclude_modules")?,
            rank_pattern: reader.pattern("rank_pattern", Reader::rank)?,
            alpha_pattern: reader.pattern("alpha_pattern", Reader::alpha)?,
            rank_stabilised: reader.map.get("use_rslora") == Some(&Value::Bool(true)),
            base_model: reader.map.get("base_model_name_or_path").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// The JSON peft reads; every key has been understood for years.
    fn to_json(&self, architecture: &str) -> Value {
        let targets = |t: &Targets| match t {
            Targets::Names(names) => json!(names),
            Targets::Pattern(pattern) => json!(pattern),
            Targets::AllLinear => json!("all-linear"),
        };
        json!({
            "peft_type": "LORA",
            "task_type": null,
            "auto_mapping": {"base_model_class": architecture, "parent_library": "transformers"},
            "base_model_name_or_path": self.base_model,
            "revision": null,
            "inference_mode": true,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": targets(&self.targets),
            "exclude_modules": self.exclude.as_ref().map(targets),
            "modules_to_save": null,
            "fan_in_fan_out": false,
            "init_lora_weights": true,
            "layers_to_transform": null,
            "layers_pattern": null,
            "rank_pattern": self.rank_pattern,
            "alpha_pattern": self.alpha_pattern,
            "use_rslora": self.rank_stabilised,
            "use_dora": false,
        })
    }
}

struct Reader<'a> {
    path: &'a Path,
    map: Map<String, Value>,
}

impl Reader<'_> {
    fn error(&self, key: &str, what: impl ToString) -> ModelError {
        ModelError::key(self.path, key, what)
    }

    fn refuse_unsupported(&self) -> Result<(), ModelError> {
        const READ: [&str; 7] =
            ["r", "lora_alpha", "target_modules", "exclude_modules", "rank_pattern", "alpha_pattern", "use_rslora"];
        for (key, value) in &self.map {
            let ok = match key.as_str() {
                k if READ.contains(&k) || HARMLESS.contains(&k) => true,
                "peft_type" => value == "LORA",
                "bias" => value == "none",
                "init_lora_weights" => value.is_boolean() || value.as_str().is_some_and(|s| PLAIN_INITS.contains(&s)),
                _ => is_off(value),
            };
            if !ok {
                return Err(self.error(
                    key,
                    format!("= {value} is not supported: merge the adapter with peft and load the merged model"),
                ));
            }
        }
        Ok(())
    }

    fn rank(&self, key: &str, value: Option<&Value>) -> Result<usize, ModelError> {
        let rank = value.and_then(Value::as_u64).filter(|r| (1..=MOST_RANK).contains(r));
        let shown = value.unwrap_or(&Value::Null);
        rank.map(|r| r as usize)
            .ok_or_else(|| self.error(key, format!("= {shown} must be a whole number from 1 to {MOST_RANK}")))
    }

    fn alpha(&self, key: &str, value: Option<&Value>) -> Result<f64, ModelError> {
        value.and_then(Value::as_f64).ok_or_else(|| self.error(key, "must be a number"))
    }

    fn pattern<T>(
        &self,
        key: &str,
        read: fn(&Self, &str, Option<&Value>) -> Result<T, ModelError>,
    ) -> Result<BTreeMap<String, T>, ModelError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(map)) => map.iter().map(|(k, v)| Ok((k.clone(), read(self, key, Some(v))?))).collect(),
            Some(other) => Err(self.error(key, format!("= {other} is not an object"))),
        }
    }

    fn targets(&self, key: &str) -> Result<Option<Targets>, ModelError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(s)) if s.eq_ignore_ascii_case("all-linear") => Ok(Some(Targets::AllLinear)),
            Some(Value::String(s)) => Ok(Some(Targets::Pattern(s.clone()))),
            Some(list) => serde_json::from_value(list.clone())
                .map(|names| Some(Targets::Names(names)))
                .map_err(|_| self.error(key, "is neither a list of names nor a regular expression")),
        }
    }
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        _ => false,
    }
}

impl Adapter {
    /// Reads an adapter folder for the model `spec` describes. Factors are kept in f32. Every tensor of the file has to find
    /// its layer; names in `target_modules` that match no layer are what [`Adapter::notes`] says then.
    ///
    /// # Errors
    /// [`ModelError`] if a file is malformed, the config asks for something unsupported, or the tensors do not fit the
    /// model or the config.
    pub fn load(dir: &Path, spec: &ModelSpec, device: Device) -> Result<Self, ModelError> {
        let config_path = dir.join(CONFIG);
        if !config_path.exists() && dir.join("config.json").exists() {
            let what = format!("is a checkpoint and not an adapter: it has no {CONFIG}");
            return Err(ModelError::file(dir, what));
        }
        let config = AdapterConfig::read(&config_path)?;
        let file = Checkpoint::open_file(&weights_of(dir)?)?;
        let factors = Factors::find(&file, spec)?;
        let in_config = |e: ModelError| ModelError::file(&config_path, e);
        let mut notes = Vec::new();
        let wanted = wanted(&config, spec, &factors, &mut notes).map_err(in_config)?;
        if let Some((index, name)) = factors.layers().find(|(i, _)| !wanted.contains(i)) {
            let what = format!(
                "is for {}, which `target_modules` of {CONFIG} does not ask for in this {} model",
                spec.linears[index].name, spec.family
            );
            return Err(ModelError::stored(file.source(), name, what));
        }
        let mut pairs: Vec<Option<LoraPair>> = spec.linears.iter().map(|_| None).collect();
        let sizes = config.sizes().map_err(in_config)?;
        for index in wanted {
            let linear = &spec.linears[index];
            let rank = sizes.rank(&linear.name);
            let factor = |side: Side, shape: [usize; 2]| -> Result<Tensor, ModelError> {
                let name = factors.name(index, side, spec);
                let tensor =
                    file.load(&name, Some(&shape), Some(Kind::Float), device).map_err(|e| another_model(e, spec))?;
                // A copy, because training writes to it and the file is mapped read-only.
                Ok(tensor.f_alias_copy()?)
            };
            let (a, b) = (factor(Side::A, [rank, linear.inputs])?, factor(Side::B, [linear.outputs, rank])?);
            pairs[index] = Some(LoraPair { a, b, scale: sizes.scale(&linear.name) });
        }
        drop(sizes);
        Ok(Self::from_pairs(config, spec, pairs, notes))
    }

    /// Writes an adapter folder peft can read. The folder is complete or absent: files are written under another name
    /// and renamed.
    ///
    /// # Errors
    /// [`ModelError::Io`] if the folder cannot be written.
    pub fn save(&self, dir: &Path, spec: &ModelSpec) -> Result<(), ModelError> {
        std::fs::create_dir_all(dir).map_err(|e| ModelError::io(dir, e))?;
        save_tensors(&dir.join(WEIGHTS), &self.tensors())?;
        let config = self.config.to_json(&spec.architecture);
        write_whole(&dir.join(CONFIG), format!("{config:#}\n").as_bytes())
    }
}

/// The file with the factors.
fn weights_of(dir: &Path) -> Result<PathBuf, ModelError> {
    let path = dir.join(WEIGHTS);
    let pickle = dir.join("adapter_model.bin");
    if !path.exists() && pickle.exists() {
        return Err(ModelError::file(&pickle, format!("is {PICKLE} as {WEIGHTS}")));
    }
    Ok(path)
}

/// The layers the adapter changes: those `target_modules` matches. Where that cannot be told here, those there are
/// factors for, as every factor was a match when it was trained.
fn wanted(
    config: &AdapterConfig,
    spec: &ModelSpec,
    factors: &Factors,
    notes: &mut Vec<String>,
) -> Result<BTreeSet<usize>, ModelError> {
    if config.targets.needs_backtracking() || config.exclude.as_ref().is_some_and(Targets::needs_backtracking) {
        let layers: BTreeSet<usize> = factors.layers().map(|(i, _)| i).collect();
        notes.push(format!(
            "`target_modules` of the adapter is an expression with look-around, which mosa does not evaluate; adapted are \
             the {} layers the file has factors for",
            layers.len()
        ));
        return Ok(layers);
    }
    let Selection { picked, unmatched } = config.targets.look_up(&spec.linears, config.exclude.as_ref())?;
    if picked.is_empty() {
        config.targets.select(&spec.linears, config.exclude.as_ref())?;
        return Err(ModelError::Adapter("`exclude_modules` leaves nothing of `target_modules`".into()));
    }
    if !unmatched.is_empty() {
        notes.push(format!(
            "of `target_modules` of the adapter, {} match no layer of this {} model; all tensors of the adapter found \
             theirs ({} layers)",
            unmatched.join(", "),
            spec.family,
            picked.len()
        ));
    }
    Ok(picked.into_iter().collect())
}

fn another_model(error: ModelError, spec: &ModelSpec) -> ModelError {
    match error {
        ModelError::Stored { path, name, what } => {
            let what = format!(
                "{}; the adapter does not fit this {} model of width {}",
                what.replace("config.json asks for", "the model has"),
                spec.family,
                spec.width
            );
            ModelError::Stored { path, name, what }
        }
        other => other,
    }
}
