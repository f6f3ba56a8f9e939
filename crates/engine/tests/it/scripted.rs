//! Answers a trained or random model gives too rarely: mask predictions, saturated confidences, broken numbers.

use crate::{blocks, on_devices, one};
use mosa_core::{DefaultSampler, Family};
use mosa_engine::{EngineError, Finish, MaskRule, Options};
use mosa_model::{Call, DenoisingModel, ModelError, ModelSpec};
use tch::{Device, Kind, Tensor};

const MASK: u32 = 6;
const VOCAB: usize = 8;

/// Logits are a function of the position in the response (the prompt has 3 tokens).
struct Script {
    device: Device,
    spec: ModelSpec,
    logits: fn(usize) -> [f32; VOCAB],
}

impl Script {
    fn new(device: Device, logits: fn(usize) -> [f32; VOCAB]) -> Self {
        let spec = ModelSpec {
            attention: mosa_model::Attention::Full,
            family: Family { name: "scripted", turn_ends: &["<|eot_id|>"], sampler: DefaultSampler::Blocks },
            architecture: "Script".into(),
            mask: MASK,
            eos: 7,
            pad: 7,
            vocab: VOCAB,
            layers: 0,
            width: 1,
            max_length: 64,
            lookback: 0,
            parameters: 0,
            block_linears: String::new(),
            linears: Vec::new(),
        };
        Self { device, spec, logits }
    }
}

impl DenoisingModel for Script {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let flat: Vec<f32> = call.want.iter().flat_map(|&(_, p)| (self.logits)(p - 3)).collect();
        Ok(Tensor::from_slice(&flat)
            .view([call.want.len() as i64, VOCAB as i64])
            .to_device(self.device)
            .to_kind(Kind::Float))
    }
}

fn options(model: &Script, n: usize) -> Options {
    blocks(model, n, n, n)
}

#[test]
fn the_mask_token_is_never_revealed_but_still_counts_in_the_confidence() {
    on_devices(|device| {
        // Mask is most likely everywhere; token 2 comes second.
        let model = Script::new(device, |_| [0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 5.0, 0.0]);
        let answer = one(&model, &options(&model, 4), crate::ask("p", vec![1, 2, 3]));
        assert_eq!(answer.ids, [2; 4]);
        let p = answer.trace.steps[0].edits[0].confidence.unwrap();
        let expected = 3f32.exp() / (3f32.exp() + 5f32.exp() + 6.0);
        assert!((p - expected).abs() < 1e-5, "{p} {expected}");
    });
}

#[test]
fn allowing_the_mask_wastes_its_place_in_the_schedule_as_published() {
    on_devices(|device| {
        let model = Script::new(device, |k| {
            if k == 1 { [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0] } else { [0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0] }
        });
        let answer =
            one(&model, &Options { mask_rule: MaskRule::Allow, ..options(&model, 4) }, crate::ask("p", vec![1, 2, 3]));
        // Position 1 is surest, so every step of the block spends its one reveal on a mask that stays a mask.
        let committed = |step: usize| answer.trace.steps[step].edits[0].token;
        assert_eq!([committed(0), committed(1), committed(2), committed(3)], [MASK; 4]);
        // The answer holds none: the steps behind the block never choose it.
        assert_eq!(answer.ids, [1, 0, 1, 1]);
        assert_eq!(answer.forwards, 8);
        assert_eq!(answer.finish, Finish::Length);
    });
}

#[test]
fn confidences_beyond_the_resolution_of_f32_still_order_the_commits() {
    on_devices(|device| {
        // 1 - p is about e^-25, e^-35, e^-30: all three probabilities are 1 in f32 and in f64.
        let model = Script::new(device, |k| {
            let mut l = [0.0; VOCAB];
            l[1] = [25.0, 35.0, 30.0][k];
            l
        });
        let answer = one(&model, &options(&model, 3), crate::ask("p", vec![1, 2, 3]));
        let order: Vec<usize> = answer.trace.steps.iter().map(|s| s.edits[0].position - 3).collect();
        assert_eq!(order, [1, 2, 0]);
        assert!(answer.trace.steps.iter().all(|s| s.edits[0].confidence == Some(1.0)));
    });
}

#[test]
fn a_token_far_below_the_best_has_a_finite_confidence() {
    on_devices(|device| {
        let model = Script::new(device, |_| [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 400.0, 0.0]);
        let answer = one(&model, &options(&model, 2), crate::ask("p", vec![1, 2, 3]));
        assert_eq!(answer.ids, [0; 2]);
        assert_eq!(answer.trace.steps[0].edits[0].confidence, Some(0.0));
    });
}

#[test]
fn a_model_that_returns_nan_is_an_error_with_position_and_step() {
    on_devices(|device| {
        let model = Script::new(device, |k| if k == 2 { [f32::NAN; VOCAB] } else { [0.0; VOCAB] });
        let error = crate::decode(&model, &options(&model, 4), vec![crate::ask("p", vec![1, 2, 3])]).unwrap_err();
        assert!(matches!(error, EngineError::NotANumber { position: 5, step: 0, .. }), "{error}");
        assert!(error.to_string().contains("--dtype f32"), "{error}");
    });
}

#[test]
fn nan_among_the_weights_is_named() {
    let mut model = crate::load("llada");
    model.set_trainable(true).unwrap();
    let name = {
        let all = model.parameters();
        let (name, tensor) = all.iter().find(|(name, _)| name.contains("blocks.1")).unwrap();
        let _ = tch::no_grad(|| tensor.view([-1]).get(3).fill_(f64::NAN));
        name.clone()
    };
    let error = crate::decode(&model, &blocks(&model, 4, 4, 4), vec![crate::request(0, 5)]).unwrap_err().to_string();
    assert!(error.contains(&name) && error.contains("NaN"), "{error}");
}

/// All logits 0 but that of the last token, behind 2^24.
struct Wide(ModelSpec, Device);

impl DenoisingModel for Wide {
    fn spec(&self) -> &ModelSpec {
        &self.0
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let logits = Tensor::zeros([call.want.len() as i64, self.0.vocab as i64], (Kind::Float, self.1));
        let _ = logits.narrow(1, self.0.vocab as i64 - 1, 1).fill_(3.0);
        Ok(logits)
    }
}

#[test]
fn ids_that_f32_cannot_hold_are_revealed_as_they_are() {
    on_devices(|device| {
        let vocab = (1 << 24) + 2;
        let model = Wide(ModelSpec { vocab, ..Script::new(device, |_| [0.0; VOCAB]).spec }, device);
        let answer = one(&model, &blocks(&model, 1, 1, 1), crate::ask("p", vec![1, 2, 3]));
        assert_eq!(answer.ids, [(1 << 24) + 1]);
    });
}
