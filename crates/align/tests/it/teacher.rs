//! Models that write in blocks: canvases of masks, and canvases on which the blocks before hold what is written there.

use crate::{data, ids, load, made, perturbed, settings};
use mosa_align::{
    AlignConfig, AlignError, CanvasState, Contaminate, Example, Pick, Policy, Reduction, Retain, Sft, Trainer, Windows,
    objective,
};
use mosa_model::{Adapter, Attention, Call, DenoisingModel, ModelConfig, Row, Transformer};
use serde_json::json;
use tch::{Device, Kind, Tensor};

const BLOCK: usize = 4;

/// A small SDAR.
fn block_model() -> Transformer {
    let config = json!({
        "architectures": ["SDARForCausalLM"],
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 300, "max_position_embeddings": 96, "rope_theta": 1e4,
        "block_size": BLOCK, "mask_token_id": 290, "eos_token_id": 291, "pad_token_id": 291,
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    Transformer::random(&ModelConfig::read(&path).unwrap(), 7, Kind::Float, Device::Cpu).unwrap()
}

fn taught() -> AlignConfig {
    AlignConfig { canvas: CanvasState::Teacher, pick: Pick::Random, ..settings() }
}

/// Every objective, and what changes its terms.
fn variants() -> Vec<(&'static str, AlignConfig)> {
    let retain = Retain { batch_size: 2, weight: 0.3, partly: 0.5, ..Retain::default() };
    vec![
        ("mosa", taught()),
        ("initial", AlignConfig { pick: Pick::Max, ..taught() }),
        ("mosa", AlignConfig { reduction: Reduction::Mean, harmful_weight: 0.5, retain, ..taught() }),
        ("mosa", AlignConfig { harmful_floor: Some(-3.0), beta: 0.5, ..taught() }),
        ("sft", taught()),
        ("sft", AlignConfig { sft: Sft { eos_weight: 0.1, ..Sft::default() }, ..taught() }),
        ("a2d-eos", taught()),
    ]
}

/// L of a sheet, one row per block: what is written before it, then the block as the canvas has it. [response, vocabulary]
fn by_block(model: &Transformer, adapter: Option<&Adapter>, e: &Example, sheet: usize, block: usize) -> Tensor {
    let len = e.canvas.len();
    let starts = (e.prompt / block * block..len).step_by(block);
    let rows = starts.map(|start| {
        let end = (start + block).min(len);
        let before = e.canvas[..e.prompt].iter().chain(&e.written[sheet]).take(start);
        let row: Vec<u32> = before.chain(&e.canvas[start..end]).copied().collect();
        let want: Vec<_> = (start.max(e.prompt)..end).map(|at| (0, at)).collect();
        let row = Row { attention: Some(Attention::BlockCausal { block }), ..Row::new(&row) };
        model.forward(Call::of(vec![row], &want).with_adapter(adapter)).unwrap()
    });
    Tensor::cat(&rows.collect::<Vec<_>>(), 0).log_softmax(-1, Kind::Float)
}

/// The loss of an example over the whole vocabulary, by autograd; its sentences start at these offsets.
fn by_hand(model: &Transformer, adapter: &Adapter, e: &Example, starts: Option<[usize; 2]>, block: usize) -> Tensor {
    let sheets = e.written.len();
    let mut loss = Tensor::from(0.0f32);
    for sheet in 0..sheets {
        let policy = by_block(model, Some(adapter), e, sheet, block);
        let reference = tch::no_grad(|| by_block(model, None, e, sheet, block));
        let kl = (policy.exp() * (&policy - reference)).sum_dim_intlist(-1, false, Kind::Float);
        for &(offset, weight) in &e.kl {
            loss += kl.get(offset as i64) * (weight / sheets as f64);
        }
        for l in &e.linear {
            loss += policy.get(l.offset as i64).get(i64::from(l.token)) * l.weight;
        }
        if let (Some(reward), Some(starts)) = (&e.reward, starts) {
            // The safe sentence stands on the first sheet, the harmful one on the second.
            let both = reward.tokens();
            let longest = |n: usize| both[..n] == e.written[0][starts[0]..starts[0] + n];
            let safe = (0..=both.len()).rev().find(|n| longest(*n)).unwrap();
            let (tokens, sign) = if sheet == 0 { (&both[..safe], -1.0) } else { (&both[safe..], 1.0) };
            for (j, &token) in tokens.iter().enumerate() {
                loss += policy.get((starts[sheet] + j) as i64).get(i64::from(token)) * sign;
            }
        }
    }
    loss
}

fn gradients(adapter: &Adapter) -> Tensor {
    let parts = adapter.tensors().into_iter().map(|(_, t)| {
        let gradient = t.grad().flatten(0, -1).copy();
        let _ = t.grad().zero_();
        gradient
    });
    Tensor::cat(&parts.collect::<Vec<_>>(), 0)
}

#[test]
fn a_taught_canvas_has_the_loss_and_gradient_of_a_row_per_block() {
    let model = block_model();
    let retain = Retain { batch_size: 2, weight: 0.3, partly: 0.5, ..Retain::default() };
    for (name, config) in [
        ("mosa", AlignConfig { retain, beta: 0.5, ..taught() }),
        ("initial", taught()),
        ("sft", AlignConfig { batch_size: 2, ..taught() }),
    ] {
        for block in [BLOCK, 6, 32] {
            let adapter = perturbed(&model);
            let examples = made(name, &config, &model).examples(1).unwrap();
            assert!(examples.iter().all(|e| e.canvas[e.prompt..].len() == 18 && !e.written.is_empty()));
            let attention = Some(Attention::BlockCausal { block });
            let policy = Policy { attention, ..Policy::new(&model, Some(&adapter)) };
            let terms = policy.backward(&examples).unwrap().unwrap();
            let ours = gradients(&adapter);
            for (e, t) in examples.iter().zip(&terms) {
                let starts = t.reward.as_ref().map(|r| [r.safe.start, r.harmful.start]);
                assert!(starts.is_none_or(|[safe, harmful]| safe == harmful), "both stand behind the same words");
                let loss = by_hand(&model, &adapter, e, starts, block);
                assert!((loss.double_value(&[]) - t.loss).abs() < 1e-3, "{name} {block}: {loss:?} {}", t.loss);
                (loss * e.share).backward();
            }
            let theirs = gradients(&adapter);
            let off = ((&ours - &theirs).norm() / theirs.norm()).double_value(&[]);
            assert!(off < 1e-4, "{name} {block}: {off}");
        }
    }
}

#[test]
fn the_gradient_of_every_taught_variant_agrees_with_finite_differences() {
    let model = block_model();
    for (i, (name, config)) in variants().into_iter().enumerate() {
        let adapter = perturbed(&model);
        let examples = made(name, &config, &model).examples(i).unwrap();
        let policy = Policy::new(&model, Some(&adapter));
        policy.backward(&examples).unwrap().unwrap();
        let loss = || {
            let terms = policy.evaluate(&examples).unwrap();
            examples.iter().zip(&terms).map(|(e, t)| e.share * t.loss).sum::<f64>()
        };
        for (tensor_name, t) in adapter.tensors().into_iter().step_by(5) {
            let gradient = t.grad().flatten(0, -1);
            let best = gradient.abs().argmax(-1, false).int64_value(&[]);
            let (flat, h) = (t.detach().view([-1]), 2e-3);
            let at = |shift: f64| {
                let _ = tch::no_grad(|| flat.narrow(0, best, 1).g_add_scalar_(shift));
                let value = loss();
                let _ = tch::no_grad(|| flat.narrow(0, best, 1).g_add_scalar_(-shift));
                value
            };
            let (numeric, exact) = ((at(h) - at(-h)) / (2.0 * h), gradient.double_value(&[best]));
            assert!(
                (numeric - exact).abs() < 3e-2 * exact.abs() + 5e-2,
                "variant {i} {tensor_name}: {numeric} {exact}"
            );
        }
    }
}

#[test]
fn the_gradient_of_masked_canvases_of_a_block_causal_model_agrees_with_a_row_per_block_of_masks() {
    let model = block_model();
    let adapter = perturbed(&model);
    let mut examples = made("mosa", &settings(), &model).examples(0).unwrap();
    let terms = Policy::new(&model, Some(&adapter)).backward(&examples).unwrap().unwrap();
    let ours = gradients(&adapter);
    for (e, t) in examples.iter_mut().zip(&terms) {
        // Masks stand in every block before: a row that ends with a block says the same of it as the whole canvas.
        e.written = vec![e.canvas[e.prompt..].to_vec()];
        let reward = t.reward.as_ref().unwrap();
        let policy = by_block(&model, Some(&adapter), e, 0, BLOCK);
        let reference = tch::no_grad(|| by_block(&model, None, e, 0, BLOCK));
        let kl = (policy.exp() * (&policy - reference)).sum(Kind::Float);
        let tokens = e.reward.as_ref().unwrap().tokens();
        let (safe, harmful) = tokens.split_at(reward.safe.tokens);
        let score = |start: usize, tokens: &[u32]| {
            let each = tokens.iter().enumerate();
            each.map(|(j, &t)| policy.get((start + j) as i64).get(i64::from(t)))
                .fold(Tensor::from(0.0f32), |a, b| a + b)
        };
        let r = score(reward.safe.start, safe) - score(reward.harmful.start, harmful);
        assert!((r.double_value(&[]) - reward.reward).abs() < 1e-3);
        assert!((kl.double_value(&[]) - t.kl).abs() < 1e-3);
        ((kl * 0.05 - r) * e.share).backward();
    }
    let theirs = gradients(&adapter);
    assert!(((&ours - &theirs).norm() / theirs.norm()).double_value(&[]) < 1e-4);
}

#[test]
fn a_taught_canvas_is_masked_and_its_sheets_hold_the_answer_and_then_the_sentence() {
    let (model, config) = (block_model(), taught());
    let (data, mask, eos) = (data(&model), model.spec().mask, model.spec().eos);
    for e in made("mosa", &config, &model).examples(2).unwrap() {
        assert!(e.canvas[e.prompt..].iter().all(|t| *t == mask));
        let answer = &data.records[e.record].response;
        let [safe, harmful] = e.written.as_slice() else { panic!("two sheets") };
        let start = e.reward.as_ref().unwrap().offsets_of_each()[0][0];
        assert!((4..=10).contains(&start), "inside the window and behind words of the answer: {start}");
        assert_eq!((safe.len(), harmful.len()), (18, 18));
        assert_eq!((&safe[..start], &harmful[..start]), (&answer[..start], &answer[..start]));
        let sentence = data.safe.iter().find(|s| safe[start..].starts_with(s)).unwrap();
        assert!(safe[start + sentence.len()..].iter().all(|t| *t == eos), "a refusal ends the answer");
        let sentence = data.harmful.iter().find(|s| harmful[start..].starts_with(s)).unwrap();
        let rest = start + sentence.len()..answer.len();
        assert_eq!(harmful.get(rest.clone()), answer.get(rest), "behind a harmful sentence the answer goes on");
    }
    for e in made("initial", &config, &model).examples(2).unwrap() {
        assert!(data.safe.iter().any(|s| e.written[0].starts_with(s)));
    }
    for e in made("sft", &config, &model).examples(2).unwrap() {
        let answer = &data.records[e.record].response;
        assert_eq!((e.written.len(), &e.written[0][..answer.len()]), (1, answer.as_slice()));
        let shown = e.canvas[e.prompt..].iter().zip(&e.written[0]);
        assert!(shown.clone().all(|(seen, written)| *seen == mask || seen == written));
        assert!(shown.clone().any(|(seen, _)| *seen == mask));
    }
}

#[test]
fn recomputed_activations_and_smaller_passes_give_the_same_gradient() {
    let model = block_model();
    let retain = Retain { batch_size: 1, ..Retain::default() };
    let examples = made("mosa", &AlignConfig { retain, ..taught() }, &model).examples(0).unwrap();
    let adapter = perturbed(&model);
    let policy = Policy::new(&model, Some(&adapter));
    policy.backward(&examples).unwrap().unwrap();
    let whole = gradients(&adapter);
    Policy { recompute: true, ..policy }.backward(&examples).unwrap().unwrap();
    let recomputed = gradients(&adapter);
    for e in &examples {
        policy.backward(std::slice::from_ref(e)).unwrap().unwrap();
    }
    for other in [recomputed, gradients(&adapter)] {
        assert!(((&whole - other).norm() / whole.norm()).double_value(&[]) < 1e-5);
    }
}

#[test]
fn a_few_steps_raise_the_reward_on_either_canvas() {
    let model = block_model();
    for config in [taught(), settings()] {
        let adapter = crate::fresh(&model, 4);
        let config = AlignConfig { steps: Some(12), lr: 2e-2, clip: 1.0, ..config };
        let objective = made("mosa", &config, &model);
        let policy = Policy::new(&model, Some(&adapter));
        let mut trainer = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config).unwrap();
        let steps: Vec<_> = (0..12).map(|_| trainer.step().unwrap().reward.unwrap()).collect();
        let gain = |at: usize| steps[at].value - steps[at].reference.unwrap();
        assert!(gain(0).abs() < 1e-4, "{}", gain(0));
        assert!(gain(11) > 2.0, "{}", gain(11));
    }
}

#[test]
fn a_taught_canvas_that_cannot_be_made_is_refused_by_key() {
    let model = block_model();
    let key = |name: &str, config: AlignConfig, change: &dyn Fn(&mut mosa_align::Data)| {
        let mut data = data(&model);
        change(&mut data);
        match objective(name, &config, ids(&model), data) {
            Err(AlignError::Setting { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    };
    let same = |_: &mut mosa_align::Data| {};
    assert_eq!(key("mosa", AlignConfig { pick: Pick::Max, ..taught() }, &same), "pick");
    let several = Windows::Several(vec![[1, 6], [7, 12]]);
    assert_eq!(key("mosa", AlignConfig { window: several, ..taught() }, &same), "window");
    let contaminate = Contaminate { share: 0.5, ..Contaminate::default() };
    assert_eq!(key("mosa", AlignConfig { contaminate, ..taught() }, &same), "contaminate.share");
    let short = |data: &mut mosa_align::Data| data.records[3].response.truncate(3);
    assert_eq!(key("mosa", taught(), &short), "canvas");
    let retain = Retain { batch_size: 1, ..Retain::default() };
    let silent = |data: &mut mosa_align::Data| data.retain[1].response.clear();
    assert_eq!(key("mosa", AlignConfig { retain, ..taught() }, &silent), "canvas");
    // At offset 0 nothing stands before the sentence.
    let mut answerless = data(&model);
    answerless.records.iter_mut().for_each(|r| r.response.clear());
    objective("initial", &taught(), ids(&model), answerless).unwrap().unwrap().examples(0).unwrap();
}

#[test]
fn blocks_are_refused_for_a_model_that_sees_its_whole_canvas() {
    let model = load("llada");
    let adapter = perturbed(&model);
    for (config, key) in [(taught(), "canvas"), (AlignConfig { block_length: Some(4), ..settings() }, "block_length")] {
        let objective = made("mosa", &config, &model);
        let policy = Policy::new(&model, Some(&adapter));
        let refused = Trainer::new(policy, adapter.tensors(), objective.as_ref(), config.clone()).err().unwrap();
        assert!(matches!(refused, AlignError::Setting { key: found, .. } if found == key), "{refused}");
        if key == "canvas" {
            let refused = policy.evaluate(&objective.examples(0).unwrap()).unwrap_err();
            assert!(matches!(refused, AlignError::Setting { key: "canvas", .. }), "{refused}");
        }
    }
    let config = AlignConfig { block_length: Some(0), ..settings() };
    assert!(matches!(config.check(), Err(AlignError::Setting { key: "block_length", .. })));
}
