//! `mosa world train`: the embedded model, from nothing.

use super::documents::Documents;
use crate::args::WorldTrainArgs;
use crate::failure::Failure;
use crate::load::prepare;
use crate::manifest::{Fingerprints, Manifest, Place};
use crate::training::Session;
use crate::{folder, interrupt, output, settings};
use anyhow::Result;
use mosa_align::{AlignConfig, Policy, RunFolder, Trainer};
use mosa_model::{Checkpoint, ModelConfig, Transformer};
use mosa_text::TextModel;
use mosa_world::files::{Shape, write_model_files};
use serde_json::json;
use std::path::Path;
use tch::{Device, Kind};

/// The size of the embedded model: 0.9 million weights.
const SHAPE: Shape = Shape { d_model: 128, layers: 4, heads: 4, mlp: 352 };

/// The most documents of a training.
const MOST_DOCUMENTS: usize = 10_000_000;

pub(crate) fn run(args: &WorldTrainArgs) -> Result<(), Failure> {
    let config = settings::read(args.config.as_deref(), &args.settings(), AlignConfig::check)?;
    let documents = documents(&config)?;
    let device = prepare(&args.compute)?;
    let shape = SHAPE;
    let mut fingerprints = Fingerprints::default();
    let init = fingerprints.of_any(args.init.as_deref())?;
    let manifest = Manifest::new(json!({"objective": "sft", "settings": config, "shape": shape, "init": init}))
        .with_fingerprints(fingerprints)
        .with_defaults("settings", &AlignConfig::default())?
        .computed(Place::new(device, Kind::Float, &args.compute));
    let folder = RunFolder::open(&args.out, &manifest)?;
    let model_dir = folder.path("model");
    folder::tell(folder.records());
    write_model_files(&model_dir, shape)?;
    let from = folder.latest(|what| folder::warn(Some(&what)))?;
    let weights = from.as_ref().map(|saved| saved.dir.as_path()).or(args.init.as_deref());
    let mut model = start(&model_dir, config.seed, device, weights)?;
    model.set_trainable(true)?;
    let objective = Documents::new(&config, documents)?;
    objective.check(&text(&model_dir, &model)?)?;
    if !args.compute.quiet {
        output::say(&format!("{documents} documents, {} weights", model.config().parameters()));
    }
    let policy = Policy { recompute: config.gradient_checkpointing, ..Policy::new(&model, None) };
    let mut trainer = Trainer::new(policy, model.parameters(), &objective, config.clone())?;
    let session = Session {
        folder: Some(&folder),
        from: from.as_ref(),
        device,
        save_every: config.save_every,
        keep_last: config.keep_last,
        compute: &args.compute,
        json: args.json,
        save: &|dir| model.save(dir),
    };
    if !session.run(&mut trainer)? {
        return Err(Failure::Interrupted("interrupted; the same command goes on from the last step".into()));
    }
    let _finishing = interrupt::finishing();
    model.save(&model_dir)?;
    if !args.compute.quiet {
        output::say(&format!("model written to {}", model_dir.display()));
    }
    Ok(())
}

/// Documents of all steps.
fn documents(config: &AlignConfig) -> Result<usize> {
    let documents = config.total_steps(0).saturating_mul(config.batch_size);
    anyhow::ensure!(documents > 0, "`steps` is missing: a corpus without end has no epochs");
    anyhow::ensure!(
        documents <= MOST_DOCUMENTS,
        "`steps` times `batch_size` = {documents} documents is more than {MOST_DOCUMENTS}"
    );
    Ok(documents)
}

/// First weights, or those in a folder.
fn start(dir: &Path, seed: u64, device: Device, weights: Option<&Path>) -> Result<Transformer> {
    let config = ModelConfig::read(&dir.join("config.json"))?;
    Ok(match weights {
        Some(folder) => {
            let weights = Checkpoint::open_file(&folder.join("model.safetensors"))?;
            Transformer::load(&config, &weights, Kind::Float, device)?
        }
        None => Transformer::fresh(&config, seed, Kind::Float, device)?,
    })
}

fn text(dir: &Path, model: &Transformer) -> Result<TextModel> {
    let config = model.config();
    Ok(TextModel::load(dir, config.family, [config.mask, config.eos, config.pad])?)
}
