//! `mosa merge`: write a checkpoint that includes an adapter.

use crate::args::MergeArgs;
use crate::failure::Failure;
use crate::load::load_adapter;
use crate::{hub, output};
use mosa_model::{Checkpoint, DenoisingModel, ModelConfig, Transformer, merge_checkpoint};
use tch::Device;

pub(crate) fn run(args: &MergeArgs) -> Result<(), Failure> {
    let dir = hub::resolve(&args.model)?;
    let config = ModelConfig::read(&dir.join("config.json"))?;
    let checkpoint = Checkpoint::open(&dir)?;
    let kind = checkpoint.weights_kind()?;
    // Loading checks every tensor against the config; nothing is copied.
    let model = Transformer::load(&config, &checkpoint, kind, Device::Cpu)?;
    let adapter = load_adapter(&args.adapter, model.spec(), Device::Cpu, false)?;
    merge_checkpoint(&dir, model.spec(), &adapter, &args.out)?;
    output::say(&format!("{} layers merged into {}", adapter.pairs().count(), args.out.display()));
    Ok(())
}
