//! Probes on a model that writes in blocks, none of which sees a later one.

use crate::{fixture, goal, load, plain as subject};
use mosa_core::{Canvas, Interrupt};
use mosa_engine::{Batching, BlockQuota, Commit, Editing, Ends, Estimator, Options, Schedule, Scoring};
use mosa_model::{Attention, Call, DenoisingModel, ModelConfig, Row, Slot, TrainableModel, Transformer, WhiteBoxModel};
use mosa_probe::gcg::{Goal, TargetLikelihood, TargetLoss};
use mosa_probe::{Case, Landscape, Sentences, order, plain};
use mosa_runtime::{Model, Runtime, Settings};
use mosa_text::{Prompt, PromptRecord, TextModel};
use serde_json::json;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

const BLOCK: usize = 4;

/// A small SDAR that speaks the tokens of a fixture.
fn block_model() -> Transformer {
    let spec = load("llada").spec().clone();
    let config = json!({
        "architectures": ["SDARForCausalLM"],
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": spec.vocab, "max_position_embeddings": 128,
        "rope_theta": 1e4, "block_size": BLOCK,
        "mask_token_id": spec.mask, "eos_token_id": spec.eos, "pad_token_id": spec.pad,
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    Transformer::random(&ModelConfig::read(&path).unwrap(), 5, Kind::Float, Device::Cpu).unwrap()
}

/// Decodes blocks of this length, whatever the model was trained with.
fn options(model: &Transformer, gen_length: usize, block: usize) -> Options {
    let ends = Ends { eos: model.spec().eos, eot: None };
    Options { gen_length, block_stops: Vec::new(), ..Options::block_diffusion(ends, block) }
}

/// The mean cross-entropy of a target on the canvas a decode begins with, with `shift` added to the suffix's embeddings.
fn loss_at(model: &Transformer, goal: &Goal, block: usize, shift: &Tensor) -> f64 {
    let _no_grad = tch::no_grad_guard();
    let mut canvas = goal.prompt.clone();
    canvas.resize((goal.prompt.len() + goal.gen_length).next_multiple_of(block), model.spec().mask);
    let want: Vec<Slot> = (0..goal.target.len()).map(|j| (0, goal.prompt.len() + goal.offset + j)).collect();
    let at: Vec<Slot> = goal.suffix.clone().map(|p| (0, p)).collect();
    let row = Row { attention: Some(Attention::BlockCausal { block }), ..Row::new(&canvas) };
    let hidden = model.hidden_shifted(Call::of(vec![row], &want), &at, shift).unwrap();
    let targets = Tensor::from_slice(&goal.target.iter().map(|&t| i64::from(t)).collect::<Vec<_>>());
    let log_p = model.score(&hidden, None).unwrap().log_softmax(-1, Kind::Double);
    -log_p.gather(-1, &targets.unsqueeze(-1), false).mean(Kind::Double).double_value(&[])
}

#[test]
fn a_suffix_search_has_the_loss_and_gradient_of_the_blocks_that_are_decoded() {
    let (model, goal) = (block_model(), goal("blocks"));
    let table = model.embedding_table();
    let none = Tensor::zeros([goal.suffix.len() as i64, table.size()[1]], (Kind::Float, table.device()));
    let mut values = Vec::new();
    for block in [BLOCK, 8, 32] {
        let options = options(&model, goal.gen_length, block);
        let loss = TargetLoss::new(subject(&model), &goal, TargetLikelihood::FirstStep, 0, 16).unwrap();
        let loss = loss.decoded_by(&options);
        let found = loss.gradient(goal.first_suffix()).unwrap();
        assert!((found.loss - loss_at(&model, &goal, block, &none)).abs() < 1e-4, "{block}");
        assert!((loss.losses(&[goal.first_suffix().to_vec()]).unwrap()[0] - found.loss).abs() < 1e-4, "{block}");
        for (row, token) in [(0i64, 3i64), (2, 100), (4, 249)] {
            let moved = |by: f64| {
                let shift = none.copy();
                shift.get(row).copy_(&(table.get(token) * by));
                loss_at(&model, &goal, block, &shift)
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            let ours = found.one_hot.double_value(&[row, token]);
            assert!((slope - ours).abs() < 2e-3 + 1e-2 * ours.abs(), "{block} {row} {token}: {ours}, not {slope}");
        }
        let canvas = Canvas::new(&goal.prompt, options.response_on_canvas(goal.prompt.len()), model.spec().mask);
        let tokens: Vec<_> = (goal.prompt.len() + goal.offset..).zip(goal.target.iter().copied()).collect();
        let scoring = Scoring::new(model.spec(), &canvas, &tokens).unwrap().decoded_by(&options);
        let views = Estimator::MeanField.views(tokens.len()).unwrap();
        let (mut total, black_box) = (0.0, subject(&model).black_box());
        let mut add = |scores: mosa_engine::Scores| {
            total += scores.of_tokens(black_box)?.iter().sum::<f64>();
            Ok(())
        };
        scoring.passes(black_box, &views, &mut add).unwrap();
        assert!((found.loss + total / tokens.len() as f64).abs() < 1e-4, "scored words are those of the search");
        values.push(found.loss);
    }
    assert!(values.windows(2).all(|v| (v[0] - v[1]).abs() > 1e-3), "blocks matter: {values:?}");
}

fn asked(text: &TextModel) -> Case {
    let prompt = Prompt::Raw("name the bridge that stands there".into());
    plain(text, &PromptRecord::new("q", prompt), "group").unwrap()
}

fn start(model: Transformer) -> Runtime {
    let spec = model.spec();
    let text = TextModel::load(&fixture("llada"), spec.family, [spec.mask, spec.eos, spec.pad]).unwrap();
    let settings = Settings { batching: Batching::Rows, batch_size: 2, stop: Interrupt::new() };
    Runtime::start(Model::new(model, None, text), settings).unwrap()
}

/// Options of a plain decode, and of one that goes back over what it revealed. The last block reaches beyond the response.
fn both(model: &Transformer, length: usize) -> [Options; 2] {
    let plain = options(model, length, BLOCK);
    let editing = Some(Editing { threshold: 0.02, max_post_steps: 3 });
    let schedule = Schedule::BlockDiffusion { block_length: BLOCK, quota: BlockQuota::PerStep(1), editing };
    [plain.clone(), Options { schedule, commit: Commit::Dynamic(0.05), ..plain }]
}

#[test]
fn a_landscape_shows_the_masks_of_the_response_alone() {
    let length = 10;
    for options in both(&block_model(), length) {
        let runtime = start(block_model());
        let case = asked(runtime.text());
        assert!(options.response_on_canvas(case.prompt.len()) > length, "the last block reaches beyond");
        let sentences = Sentences { safe: vec![vec![7, 9]], harmful: vec![vec![4, 5]] };
        let plan = Landscape { options, sentences: Arc::new(sentences), adapted: false };
        let record = plan.of(&runtime, &case).unwrap();
        assert_eq!((record.refusal.len(), record.refusal_by_step.len()), (length, record.end_by_step.len()));
        // The masked canvas is what the first step of a block sees, as long as nothing is written before it.
        let first = &record.refusal_by_step[0];
        assert!(!first.is_empty() && first.iter().all(|(at, p)| (record.refusal[*at] - p).abs() < 2e-4), "{first:?}");
        let mut masked = vec![true; length];
        for step in &record.refusal_by_step {
            assert!(!step.is_empty() && step.iter().all(|(at, _)| masked[*at]), "what was revealed is no mask");
            let block: Vec<usize> = step.iter().map(|(at, _)| (case.prompt.len() + at) / BLOCK).collect();
            assert!(block.iter().all(|b| *b == block[0]));
            (0..step[0].0).for_each(|at| masked[at] = false);
        }
    }
}

#[test]
fn the_order_of_writing_holds_every_position_of_the_response_once() {
    let length = 10;
    for options in both(&block_model(), length) {
        let runtime = start(block_model());
        let case = asked(runtime.text());
        let record = order(&runtime, &options, std::slice::from_ref(&case)).unwrap().remove(0);
        let mut all: Vec<usize> = record.words.iter().chain(&record.ends).flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..length).collect::<Vec<_>>());
        let steps = record.words.iter().zip(&record.ends).map(|(words, ends)| words.iter().chain(ends));
        let blocks: Vec<usize> = steps.flatten().map(|at| (case.prompt.len() + at) / BLOCK).collect();
        assert!(blocks.is_sorted(), "block after block: {blocks:?}");
    }
}
