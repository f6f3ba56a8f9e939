//! `mosa inspect`: what a checkpoint is.

use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::{hub, output};
use mosa_core::DefaultSampler;
use mosa_model::{
    Attention, Checkpoint, DenoisingModel, DeviceChoice, FeedForwardConfig, Footprint, Memory, ModelConfig, Precision,
    Targets, Transformer, WeightsChoice, stored_size,
};
use mosa_text::TextModel;
use serde_json::{Value, json};
use tch::{Device, Kind};

pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    DeviceChoice::Cpu.resolve()?;
    let dir = hub::resolve(&args.model)?;
    let config = ModelConfig::read(&dir.join("config.json"))?;
    let checkpoint = Checkpoint::open(&dir)?;
    let kind = checkpoint.weights_kind()?;
    let model = Transformer::load(&config, &checkpoint, kind, Device::Cpu)?;
    let text = TextModel::load(&dir, config.family, [config.mask, config.eos, config.pad])?;
    text.fits(config.vocab)?;
    let mut facts = facts(&config, &model, &text, &checkpoint)?;
    add_memory(&mut facts, &config, &checkpoint, args.canvas.min(config.max_length));
    hub::record(&mut facts, &dir);
    if args.json {
        output::json(&facts)?;
    } else {
        let said = facts.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null());
        let rows: Vec<Vec<String>> = said.map(|(k, v)| vec![k.replace('_', " "), plain(v)]).collect();
        output::line(&output::table(&rows))?;
    }
    Ok(())
}

fn facts(
    config: &ModelConfig,
    model: &Transformer,
    text: &TextModel,
    checkpoint: &Checkpoint,
) -> anyhow::Result<Value> {
    let spec = model.spec();
    let targets = Targets::Pattern(spec.block_linears.clone());
    let matched = targets.select(&spec.linears, None)?;
    let name = |id| text.tokenizer.token(id).unwrap_or_default();
    let bytes: u64 = checkpoint.tensors().values().map(|t| checkpoint.bytes(t).len() as u64).sum();
    Ok(json!({
        "family": spec.family.to_string(),
        "architecture": spec.architecture,
        "parameters": spec.parameters,
        "layers": config.layers(),
        "width": config.width,
        "heads": config.attention.heads,
        "kv_heads": config.attention.kv_heads,
        "head_dim": config.attention.head_dim,
        "attention": attention(config),
        "sampler": sampler(config),
        "experts": experts(config),
        "mlp_width": config.feed_forward.first().map(FeedForwardConfig::width),
        "vocabulary": spec.vocab,
        "tokenizer_size": text.tokenizer.size(),
        "context": spec.max_length,
        "rope_theta": config.attention.rope.theta,
        "rope_factor": config.attention.rope.factor,
        "norm_eps": config.norm_eps,
        "tied_head": config.head.tied,
        "scores_next_position": config.head.shifted,
        "mask": format!("{} {}", spec.mask, name(spec.mask)),
        "eos": format!("{} {}", spec.eos, name(spec.eos)),
        "pad": format!("{} {}", spec.pad, name(spec.pad)),
        "end_of_turn": text.special.eot.map_or("none".into(), |id| format!("{id} {}", name(id))),
        "ends": text.special.ends().iter().map(|id| format!("{id} {}", name(*id))).collect::<Vec<_>>().join(", "),
        "chat_template": match (&text.chat, text.special.eot) {
            (Some(_), _) => "yes",
            (None, Some(_)) => "no (an instruct model needs its own)",
            (None, None) => "no (use --raw)",
        },
        "stored_as": format!("{:?}", model.kind()),
        "shards": checkpoint.shards().len(),
        "bytes": bytes,
        "unused_tensors": model.unused_tensors().len(),
        "lora_targets": spec.block_linears,
        "lora_modules": matched.len(),
        "lora_weights_at_rank_32": matched.iter().map(|&i| 32 * (spec.linears[i].inputs + spec.linears[i].outputs)).sum::<usize>(),
    }))
}

/// Whom a token sees.
fn attention(config: &ModelConfig) -> String {
    match config.attention.rule {
        Attention::BlockCausal { block } => format!("blocks of {block}: a token sees its own and those before it"),
        _ => "every token sees all".into(),
    }
}

/// What `--sampler auto` takes.
fn sampler(config: &ModelConfig) -> &'static str {
    match config.family.sampler {
        DefaultSampler::Blocks => "blocks",
        DefaultSampler::Timesteps => "timesteps",
        DefaultSampler::BlockDiffusion { .. } => "block-diffusion",
    }
}

/// How many experts a layer has, where it has any.
fn experts(config: &ModelConfig) -> Option<String> {
    config.feed_forward.iter().find_map(|part| match part {
        FeedForwardConfig::Experts(experts) => {
            Some(format!("{}, of which a position goes through {}", experts.router.experts, experts.router.chosen))
        }
        FeedForwardConfig::Dense(_) => None,
    })
}

/// What the model takes on this machine's CPU, and in what it would compute.
fn add_memory(facts: &mut Value, config: &ModelConfig, checkpoint: &Checkpoint, canvas: usize) {
    let stored = stored_size(checkpoint);
    let of = |precision: Precision| Footprint::new(config, stored, precision, canvas).peak();
    facts["memory_for_positions"] = json!(canvas);
    facts["peak_bytes_f32"] = json!(of(Kind::Float.into()));
    facts["peak_bytes_bf16"] = json!(of(Kind::BFloat16.into()));
    facts["peak_bytes_int8"] = json!(of(Precision { compute: Kind::Float, weights: WeightsChoice::Int8 }));
    facts["available_bytes"] = json!(Memory::available());
    facts["bf16_on_cpu"] = json!(super::doctor::bf16());
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
