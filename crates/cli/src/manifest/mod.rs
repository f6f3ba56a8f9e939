//! What a run is, as its folder says it. Every manifest is made here, from what its command says of its inputs and settings.

mod debug;
mod earlier;
mod place;

pub(crate) use place::{Place, libtorch_version};

use crate::digest;
use anyhow::Result;
use mosa_engine::{Batching, Options, Schedule};
use mosa_model::WeightsChoice;
use mosa_records::{CHUNKS, Identity, Part};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A manifest, and what is needed to compare it with one that was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    said: Value,
    defaults: Value,
    fingerprints: Fingerprints,
}

impl Manifest {
    /// The manifest of a run that is what `said` says, an object.
    pub(crate) fn new(said: Value) -> Self {
        let mut whole = json!({"mosa": env!("CARGO_PKG_VERSION")});
        if let (Value::Object(whole), Value::Object(said)) = (&mut whole, said) {
            whole.extend(said);
        }
        Self { said: whole, defaults: Value::Object(Map::new()), fingerprints: Fingerprints::default() }
    }

    /// What a key means in manifests of versions that did not have it, or not all of it.
    pub(crate) fn with_defaults(mut self, key: &str, defaults: &impl Serialize) -> Result<Self> {
        self.defaults[key] = serde_json::to_value(defaults)?;
        Ok(self)
    }

    /// The folders whose fingerprints it holds.
    pub(crate) fn with_fingerprints(mut self, fingerprints: Fingerprints) -> Self {
        self.fingerprints.0.extend(fingerprints.0);
        self
    }

    /// Says how answers are decoded.
    pub(crate) fn sampled(mut self, options: &Options, batching: Batching) -> Result<Self> {
        self.said["sampler"] = serde_json::to_value(options)?;
        self.said["batching"] = serde_json::to_value(batching)?;
        let defaults = match options.schedule {
            Schedule::Blocks { .. } => Options::llada(options.ends),
            Schedule::Timesteps { .. } => Options::dream(options.ends),
            Schedule::BlockDiffusion { block_length, .. } => Options::block_diffusion(options.ends, block_length),
        };
        self.with_defaults("sampler", &defaults)
    }

    /// Says what the model was behind, a list; in manifests of versions that had no defences there was none.
    pub(crate) fn defended(mut self, defences: Value) -> Self {
        self.said["defences"] = defences;
        self.defaults["defences"] = Value::Array(Vec::new());
        self
    }

    /// Says how what is not decoded shares passes.
    pub(crate) fn with_batching(mut self, batching: Batching) -> Result<Self> {
        self.said["batching"] = serde_json::to_value(batching)?;
        Ok(self)
    }

    /// The manifest of a part of the run.
    pub(crate) fn of_part(mut self, part: &Part) -> Self {
        part.say(&mut self.said);
        self
    }

    /// The manifest of the run in a folder that several processes share, with what they must have in common beside it.
    pub(crate) fn in_chunks(mut self, chunks: Value) -> Self {
        self.said[CHUNKS] = chunks;
        self
    }

    /// Says where and in what it is computed, and what of that was asked for.
    pub(crate) fn computed(mut self, place: Place) -> Self {
        place.say(&mut self.said);
        // Of versions that held weights in one way.
        self.defaults["weights"] = WeightsChoice::Stored.name().into();
        self
    }
}

impl Identity for Manifest {
    fn manifest(&self) -> &Value {
        &self.said
    }

    fn defaults(&self) -> &Value {
        &self.defaults
    }

    fn read_earlier(&self, recorded: Value, notes: &mut Vec<String>) -> Value {
        earlier::read(recorded, self, notes)
    }

    fn fix(&self, key: &str, recorded: &Value) -> Option<String> {
        match key {
            "shard" if recorded["part"].is_u64() => {
                return Some(format!("--shard {}/{}", recorded["part"], recorded["of"]));
            }
            "chunks" if recorded.is_object() => return Some(format!("--join --chunk {}", recorded["size"])),
            "chunks.size" => return Some(format!("--chunk {recorded}")),
            _ => {}
        }
        let recorded = recorded.as_str()?;
        match key {
            "device.kind" => Some(format!("--device {recorded}")),
            "dtype" => Some(format!("--dtype {recorded}")),
            "weights" => Some(format!("--weights {recorded}")),
            "batching" if recorded == "rows" => Some("--batching rows".into()),
            _ => None,
        }
    }
}

/// The fingerprints of model and adapter folders, with the folders they are of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fingerprints(BTreeMap<String, PathBuf>);

impl Fingerprints {
    /// The fingerprint of a folder, read once.
    pub(crate) fn of(&mut self, dir: &Path) -> Result<String> {
        if let Some((fingerprint, _)) = self.0.iter().find(|(_, known)| known.as_path() == dir) {
            return Ok(fingerprint.clone());
        }
        let fingerprint = digest::of_model(dir)?;
        self.0.insert(fingerprint.clone(), dir.to_owned());
        Ok(fingerprint)
    }

    /// The same for a folder that may not be given.
    pub(crate) fn of_any(&mut self, dir: Option<&Path>) -> Result<Option<String>> {
        dir.map(|dir| self.of(dir)).transpose()
    }
}
