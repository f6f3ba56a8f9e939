//! Opening what the arguments name: model, tokeniser, adapter.

use crate::args::{Compute, ModelArgs};
use crate::{hub, output};
use anyhow::{Context, Result, bail};
use mosa_engine::Ends;
use mosa_model::{
    Adapted, Adapter, Checkpoint, CudaProblem, DenoisingModel, DeviceChoice, DtypeChoice, Footprint, ModelConfig,
    ModelError, ModelSpec, Precision, Transformer, WeightsChoice, cuda_status, set_threads, stored_size,
};
use mosa_runtime::{Model, Runtime, Settings};
use mosa_text::TextModel;
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

/// A model ready to run.
pub(crate) struct Loaded {
    pub dir: PathBuf,
    pub model: Transformer,
    pub text: TextModel,
    pub adapter: Option<Adapter>,
}

impl Loaded {
    pub(crate) fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    /// Model and adapter as the engine takes them.
    pub(crate) fn subject(&self) -> Adapted<'_> {
        Adapted { model: &self.model, adapter: self.adapter.as_ref() }
    }

    /// The same on a thread of its own, for whoever asks it.
    pub(crate) fn started(self, settings: Settings) -> Result<Runtime> {
        Ok(Runtime::start(Model::new(self.model, self.adapter, self.text), settings)?)
    }

    /// The tokens that end an answer.
    pub(crate) fn ends(&self) -> Ends {
        Ends { eos: self.text.special.eos, eot: self.text.special.eot }
    }
}

/// Threads and device; must run before the first tensor is made.
pub(crate) fn prepare(compute: &Compute) -> Result<Device> {
    if let Some(threads) = compute.threads {
        set_threads(i32::try_from(threads).context("--threads is too large")?);
    }
    let device = compute.device.resolve()?;
    if compute.device == DeviceChoice::Auto
        && !compute.quiet
        && let Err(problem @ (CudaProblem::NoLibrary(_) | CudaProblem::NoDevice)) = cuda_status()
    {
        output::say(&format!("note: computing on the CPU: {problem}"));
    }
    Ok(device)
}

/// Opens model, tokeniser and adapter.
pub(crate) fn load(args: &ModelArgs, compute: &Compute) -> Result<Loaded> {
    let device = prepare(compute)?;
    let dir = hub::resolve(&args.model)?;
    let (model, text) = load_model(&dir, compute, device)?;
    if !compute.quiet && !model.unused_tensors().is_empty() {
        let unused = model.unused_tensors();
        output::say(&format!(
            "note: {} tensors of the checkpoint are not part of the model, for example {}",
            unused.len(),
            unused[0]
        ));
    }
    let adapter = match &args.adapter {
        Some(folder) => Some(load_adapter(folder, model.spec(), device, compute.quiet)?),
        None => None,
    };
    Ok(Loaded { dir, model, text, adapter })
}

/// Opens an adapter folder and says what its user should know.
pub(crate) fn load_adapter(folder: &Path, spec: &ModelSpec, device: Device, quiet: bool) -> Result<Adapter> {
    let adapter = Adapter::load(folder, spec, device)?;
    for note in adapter.notes().iter().filter(|_| !quiet) {
        output::say(&format!("note: {}: {note}", folder.display()));
    }
    Ok(adapter)
}

fn load_model(dir: &Path, compute: &Compute, device: Device) -> Result<(Transformer, TextModel)> {
    let config = ModelConfig::read(&dir.join("config.json"))?;
    let mut text = TextModel::load(dir, config.family, [config.mask, config.eos, config.pad])?;
    if let Some(told) = &compute.chat_template_kwargs {
        let Some(template) = text.chat.take() else {
            bail!("--chat-template-kwargs: {} has no chat template", dir.display());
        };
        text.chat = Some(template.with_arguments(told.0.clone()).context("--chat-template-kwargs")?);
    }
    text.fits(config.vocab)?;
    let checkpoint = Checkpoint::open(dir)?;
    let precision = Precision::resolve(compute.dtype, compute.weights, stored_kind(&checkpoint, compute)?, device)?;
    check_memory(&config, stored_size(&checkpoint), precision, device)?;
    Ok((Transformer::load(&config, &checkpoint, precision, device)?, text))
}

/// A canvas that any use of a model has.
const SHORT_CANVAS: usize = 32;

/// Refuses a model whose numbers take `stored` bytes each and that cannot fit into the memory of this machine, before anything of
/// it is read.
pub(crate) fn check_memory(
    config: &ModelConfig,
    stored: f64,
    precision: Precision,
    device: Device,
) -> Result<(), ModelError> {
    if device != Device::Cpu {
        return Ok(());
    }
    Footprint::new(config, stored, precision, SHORT_CANVAS).check(|available| {
        let int8 = Precision { compute: Kind::Float, weights: WeightsChoice::Int8 };
        let bytes = Footprint::new(config, stored, int8, SHORT_CANVAS).peak();
        let size = format!("{:.1} GB", bytes as f64 / 1e9);
        match precision.weights {
            WeightsChoice::Stored if bytes <= available => format!(": --weights int8 takes {size}"),
            WeightsChoice::Stored => format!(", nor do the {size} fit that --weights int8 takes: use another machine"),
            WeightsChoice::Int8 => ": use another machine, or end what else runs on this one".into(),
        }
    })
}

/// How the weights are stored; only asked where it decides the compute type.
fn stored_kind(checkpoint: &Checkpoint, compute: &Compute) -> Result<Kind> {
    match compute.dtype {
        DtypeChoice::Auto => Ok(checkpoint.weights_kind()?),
        _ => Ok(Kind::Float),
    }
}
