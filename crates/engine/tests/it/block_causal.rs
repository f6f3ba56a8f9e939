//! A family that mosa does not have, with block-causal attention: all that adding one takes is in this file.

use crate::{ask, decode, decode_in, ends, one, prompt};
use mosa_core::{DefaultSampler, Family};
use mosa_engine::{Answer, Batching, CacheMode, Options, Request, Schedule};
use mosa_model::{
    Attention, AttentionConfig, AttentionNames, Call, DenoisingModel, DenseConfig, DenseNames, FamilyReader,
    FeedForwardConfig, HeadConfig, Keys, ModelConfig, ModelError, Names, RopeConfig, RopePrecision, Transformer,
};
use serde_json::{Value, json};
use tch::{Device, Kind};

const READER: FamilyReader = FamilyReader {
    architectures: &["ChunkModelLM"],
    models: "Chunk",
    // The length of a block. Other families do not compute with it.
    computes: &["attention_chunk_size"],
    read,
};

const FAMILY: Family = Family { name: "Chunk", turn_ends: &["<|turn|>"], sampler: DefaultSampler::Blocks };

const NAMES: Names = Names {
    embed: "chunk.words",
    blocks: "chunk.stack",
    attention_norm: "first_norm",
    feed_forward_norm: "second_norm",
    norm: "chunk.last_norm",
    head: "chunk.scores",
};

const ATTENTION_NAMES: AttentionNames = AttentionNames { q: "ask", k: "offer", v: "tell", o: "mix" };

const DENSE_NAMES: DenseNames = DenseNames { gate: "open", up: "widen", down: "narrow" };

fn read(keys: &Keys<'_>) -> Result<ModelConfig, ModelError> {
    let (mask, eos, pad) = keys.special_ids()?;
    let (width, heads) = (keys.size("width")?, keys.size("heads")?);
    let dense = DenseConfig { width: keys.size("inner_width")?, bias: false, names: DENSE_NAMES };
    Ok(ModelConfig {
        family: FAMILY,
        architecture: keys.architecture()?.to_owned(),
        width,
        vocab: keys.size("words")?,
        norm_eps: 1e-6,
        attention: AttentionConfig {
            heads,
            kv_heads: keys.size("shared_heads")?,
            head_dim: width / heads,
            qkv_bias: false,
            output_bias: false,
            rope: RopeConfig::read(keys, &[RopeConfig::DEFAULT], RopePrecision::Full)?,
            rule: Attention::BlockCausal { block: keys.size("attention_chunk_size")? },
            names: ATTENTION_NAMES,
            head_norms: None,
        },
        feed_forward: vec![FeedForwardConfig::Dense(dense); keys.layers("depth")?],
        head: HeadConfig::default(),
        positions_skip_padding: false,
        max_length: keys.size("context")?,
        mask,
        eos,
        pad,
        names: NAMES,
    })
}

/// Positions per block, of the attention and of the schedule.
pub(crate) const BLOCK: usize = 8;

fn config_json() -> Value {
    json!({
        "architectures": ["ChunkModelLM"],
        "width": 32,
        "depth": 2,
        "heads": 4,
        "shared_heads": 2,
        "inner_width": 48,
        "words": 256,
        "context": 96,
        "rope_theta": 10000.0,
        "attention_chunk_size": BLOCK,
        "mask_token_id": 250,
        "eos_token_id": 251,
    })
}

/// What becomes of a config.json with these keys changed; null removes one.
fn read_json(changes: &[(&str, Value)], families: &[FamilyReader]) -> Result<ModelConfig, String> {
    let mut config = config_json();
    changes.iter().for_each(|(key, value)| config[*key] = value.clone());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    ModelConfig::read_with(&path, families).map_err(|e| e.to_string())
}

pub(crate) fn model() -> Transformer {
    let config = read_json(&[], &[READER]).unwrap();
    Transformer::fresh(&config, 3, Kind::Float, Device::Cpu).unwrap()
}

fn options(model: &Transformer, gen_length: usize, cache: CacheMode) -> Options {
    let schedule = Schedule::Blocks { steps: gen_length / 2, block_length: BLOCK };
    Options { gen_length, schedule, cache, ..Options::llada(ends(model)) }
}

/// Prompts of one, two and three whole blocks.
fn requests() -> Vec<Request> {
    (1..4).map(|n| ask(&format!("p{n}"), prompt(n, n * BLOCK))).collect()
}

fn ids(answers: &[Answer]) -> Vec<&[u32]> {
    answers.iter().map(|answer| answer.ids.as_slice()).collect()
}

#[test]
fn a_family_outside_the_table_is_read_as_those_in_it_are() {
    let config = read_json(&[], &[READER]).unwrap();
    assert_eq!((config.family.to_string().as_str(), config.layers()), ("Chunk", 2));
    let error = read_json(&[], &mosa_model::FAMILIES).unwrap_err();
    assert!(error.contains("\"ChunkModelLM\"") && error.contains("DreamModel (Dream, DiffuCoder)"), "{error}");
    for (key, value) in [
        ("depth", Value::Null),
        ("attention_chunk_size", json!(0)),
        ("shared_heads", json!(3)),
        ("mask_token_id", json!(256)),
        // What no part of the model computes is refused here as well.
        ("clip_qkv", json!(8.0)),
        ("rope_scaling", json!({"rope_type": "yarn", "factor": 4.0})),
    ] {
        let error = read_json(&[(key, value)], &[READER]).unwrap_err();
        assert!(error.contains("config.json") && (error.contains(key) || key == "shared_heads"), "{key}: {error}");
    }
}

#[test]
fn its_model_has_its_names_its_rule_and_its_layers() {
    let model = model();
    let spec = model.spec();
    assert_eq!(spec.attention, Attention::BlockCausal { block: BLOCK });
    assert_eq!(spec.block_linears, r"chunk\.stack\.\d+\.(ask|offer|tell|mix|open|widen|narrow)");
    assert_eq!(spec.linears.last().unwrap().name, "chunk.scores");
    let weights: Vec<String> = model.parameters().into_iter().map(|(name, _)| name).collect();
    assert!(weights.contains(&"chunk.stack.1.second_norm.weight".to_owned()), "{weights:?}");
    let counted: usize = model.parameters().iter().map(|(_, t)| t.numel()).sum();
    assert_eq!(counted, spec.parameters);
}

/// Keys and values of a block that is over depend on nothing that comes later, so caches lose nothing.
#[test]
fn caches_are_exact_for_it() {
    let model = model();
    let plain = decode(&model, &options(&model, 24, CacheMode::None), requests()).unwrap();
    for cache in [CacheMode::Prefix, CacheMode::Dual] {
        let cached = decode(&model, &options(&model, 24, cache), requests()).unwrap();
        assert_eq!(ids(&cached), ids(&plain), "{cache:?}");
        assert!(cached.iter().any(|answer| answer.trace.steps.iter().any(|step| !step.full)), "no pass read a cache");
    }
    // The same weights without the rule answer otherwise, or this would show nothing.
    let mut config = model.config().clone();
    config.attention.rule = Attention::Full;
    let full = Transformer::fresh(&config, 3, Kind::Float, Device::Cpu).unwrap();
    let bidirectional = decode(&full, &options(&full, 24, CacheMode::None), requests()).unwrap();
    assert_ne!(ids(&bidirectional), ids(&plain));
    let approximate = decode(&full, &options(&full, 24, CacheMode::Dual), requests()).unwrap();
    assert_ne!(ids(&approximate), ids(&bidirectional));
}

#[test]
fn a_later_block_never_changes_an_earlier_one() {
    let model = model();
    for cache in [CacheMode::None, CacheMode::Prefix] {
        let short = decode(&model, &options(&model, 16, cache), requests()).unwrap();
        let long = decode(&model, &options(&model, 32, cache), requests()).unwrap();
        let forced = requests().into_iter().map(|r| r.with_forced([(20, 7), (27, 9)])).collect();
        let forced = decode(&model, &options(&model, 32, cache), forced).unwrap();
        for ((short, long), forced) in short.iter().zip(&long).zip(&forced) {
            assert_eq!(short.ids[..], long.ids[..16], "{cache:?}");
            assert_eq!(forced.ids[..16], long.ids[..16], "{cache:?}");
            assert_ne!(forced.ids[16..], long.ids[16..], "{cache:?}");
        }
    }
}

#[test]
fn its_rows_share_passes_with_caches_of_different_lengths() {
    let model = model();
    for cache in [CacheMode::None, CacheMode::Prefix] {
        let options = options(&model, 24, cache);
        let alone = decode(&model, &options, requests()).unwrap();
        let shared = decode_in(Batching::SHARED, &model, &options, requests()).unwrap();
        assert_eq!(ids(&shared), ids(&alone), "{cache:?}");
    }
}

#[test]
fn a_row_may_be_computed_with_another_rule_than_the_family_has() {
    let model = model();
    let request = ask("p", prompt(2, 11));
    // A prompt that is no whole number of blocks decodes as well: a block of the schedule then lies in two of attention.
    assert_eq!(one(&model, &options(&model, 16, CacheMode::None), request).ids.len(), 16);
    let row = prompt(1, 20);
    let scored = |attention| {
        let row = mosa_model::Row { attention, ..mosa_model::Row::new(&row) };
        tch::no_grad(|| model.forward(Call::of(vec![row], &[(0, 2)]))).unwrap()
    };
    let of_family = scored(None);
    assert_eq!(of_family, scored(Some(Attention::BlockCausal { block: BLOCK })));
    assert_ne!(of_family, scored(Some(Attention::Full)));
}
