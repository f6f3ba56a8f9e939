//! Where and in what a run is computed.

use crate::args::Compute;
use crate::load::Loaded;
use mosa_model::{WeightsChoice, libtorch_folder};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tch::{Device, Kind};

/// Where and in what a run is computed, and what of that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    device: Device,
    dtype: String,
    weights: WeightsChoice,
    asked: Value,
    /// What the chat template is told, if anything.
    template: Option<Value>,
}

impl Place {
    /// Where a model is.
    pub(crate) fn of(loaded: &Loaded, compute: &Compute) -> Self {
        Self { weights: loaded.model.weights(), ..Self::new(loaded.model.device(), loaded.model.kind(), compute) }
    }

    /// A device and a type.
    pub(crate) fn new(device: Device, kind: Kind, compute: &Compute) -> Self {
        Self { dtype: dtype_name(kind), ..Self::asked(device, compute) }
    }

    /// A device, where several models may be loaded in different types: the type is what was asked for.
    pub(crate) fn asked(device: Device, compute: &Compute) -> Self {
        let dtype = compute.dtype.to_string();
        let template = compute.chat_template_kwargs.as_ref().map(|told| json!(told));
        let asked = json!({"dtype": dtype, "device": compute.device.to_string()});
        Self { device, asked, dtype, weights: compute.weights, template }
    }

    /// Adds it to a manifest.
    pub(super) fn say(self, manifest: &mut Value) {
        manifest["libtorch"] = json!(libtorch_version());
        manifest["dtype"] = json!(self.dtype);
        manifest["weights"] = json!(self.weights.name());
        manifest["device"] = match self.device {
            Device::Cpu => json!({"kind": "cpu"}),
            Device::Cuda(number) => json!({"kind": "cuda", "number": number, "card": card()}),
            Device::Mps => json!({"kind": "mps"}),
            Device::Vulkan => json!({"kind": "vulkan"}),
        };
        manifest["asked"] = self.asked;
        if let Some(told) = self.template {
            manifest["chat_template_kwargs"] = told;
        }
    }
}

/// The version of the libtorch this process runs on, from the version file of its distribution (`build-version`, or a
/// wheel's version.py); none where the system does not tell.
pub(crate) fn libtorch_version() -> Option<String> {
    let folder = libtorch_folder()?;
    if let Ok(text) = std::fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let python = std::fs::read_to_string(folder.join("version.py")).ok()?;
    let version = python.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(version.trim_matches(['\'', '"']).to_owned())
}

/// As `--dtype` calls it.
pub(super) fn dtype_name(kind: Kind) -> String {
    match kind {
        Kind::Float => "f32".into(),
        Kind::BFloat16 => "bf16".into(),
        Kind::Half => "f16".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// What the driver calls the GPUs of this machine, where it calls all of them the same: which of them a number means is
/// not said outside CUDA.
fn card() -> Option<String> {
    let gpus = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?.flatten();
    let model = |text: String| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned());
    let named = |gpu: std::fs::DirEntry| model(std::fs::read_to_string(gpu.path().join("information")).ok()?);
    let names: BTreeSet<String> = gpus.filter_map(named).collect();
    names.first().filter(|_| names.len() == 1).cloned()
}
