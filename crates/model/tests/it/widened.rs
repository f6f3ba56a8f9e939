//! Weights that are held narrower than the model computes.

use crate::{canvas, copy, distance, fixture, load, logits, open, read_tensors, write_tensors};
use mosa_model::{
    Adapter, Call, Checkpoint, DenoisingModel, ModelConfig, Precision, Slot, TrainableModel, Transformer,
    WeightsChoice, WhiteBoxModel,
};
use safetensors::Dtype;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Two copies of a fixture with the same weights, rounded to bf16: as bf16, and widened to f32.
fn pair(name: &str) -> (tempfile::TempDir, [Transformer; 2]) {
    let dir = copy(name);
    let path = dir.path().join("model.safetensors");
    let mut tensors = read_tensors(&path);
    for (_, dtype, _, bytes) in &mut tensors {
        *bytes = bytes.chunks(4).flat_map(|f32| [f32[2], f32[3]]).collect();
        *dtype = Dtype::BF16;
    }
    write_tensors(&path, &tensors);
    let narrow = open(dir.path()).unwrap();
    for (_, dtype, _, bytes) in &mut tensors {
        *bytes = bytes.chunks(2).flat_map(|bf16| [0, 0, bf16[0], bf16[1]]).collect();
        *dtype = Dtype::F32;
    }
    let other = copy(name);
    write_tensors(&other.path().join("model.safetensors"), &tensors);
    let wide = open(other.path()).unwrap();
    (dir, [narrow, wide])
}

fn in_int8(dir: &Path) -> Transformer {
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    let precision = Precision { compute: Kind::Float, weights: WeightsChoice::Int8 };
    Transformer::load(&config, &Checkpoint::open(dir).unwrap(), precision, Device::Cpu).unwrap()
}

#[test]
fn logits_are_those_of_the_weights_in_f32() {
    for name in ["llada", "mmada"] {
        let (_dir, [narrow, wide]) = pair(name);
        assert!(narrow.widens() && !wide.widens());
        assert_eq!((narrow.kind(), wide.kind()), (Kind::Float, Kind::Float));
        for (prompt, masks) in [(2, 3), (9, 30)] {
            let row = canvas(&narrow, prompt, masks);
            let [a, b] = [&narrow, &wide].map(|model| logits(model, &row));
            assert!(distance(&a, &b) < 1e-4, "{name} {}", distance(&a, &b));
            assert_eq!(a.argmax(-1, false), b.argmax(-1, false));
        }
    }
}

/// The gradients of an adapter's tensors for some d loss / d logits, and the hidden states they go through.
fn gradients(model: &Transformer, row: &[u32], blockwise: bool) -> Vec<Tensor> {
    let mut adapter = Adapter::load(&fixture("llada").join("adapter"), model.spec(), Device::Cpu).unwrap();
    adapter.set_trainable(true);
    let want: Vec<Slot> = (4..row.len()).map(|p| (0, p)).collect();
    let call = || Call::new(&[row], &want).with_adapter(Some(&adapter));
    let wave =
        |like: &Tensor| (Tensor::arange(like.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7).sin().view_as(like);
    let mut inputs = Vec::new();
    let hidden = match blockwise {
        true => model.hidden_keeping_inputs(call(), &mut inputs).unwrap(),
        false => model.hidden(call()).unwrap(),
    };
    let scored = tch::no_grad(|| model.score(&hidden, Some(&adapter))).unwrap();
    let upstream = model.score_back(&hidden, Some(&adapter), &wave(&scored)).unwrap();
    match blockwise {
        true => model.backward(call(), inputs, upstream.copy()).unwrap(),
        false => (hidden * &upstream).sum(Kind::Float).backward(),
    }
    std::iter::once(upstream).chain(adapter.tensors().into_iter().map(|(_, t)| t.grad())).collect()
}

#[test]
fn gradients_are_those_of_the_weights_in_f32_whether_autograd_makes_them_or_the_tape() {
    let (_dir, [narrow, wide]) = pair("llada");
    let row = canvas(&narrow, 9, 14);
    let expected = gradients(&wide, &row, false);
    for (model, blockwise) in [(&narrow, true), (&narrow, false), (&wide, true)] {
        let found = gradients(model, &row, blockwise);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let size = expected.abs().max().double_value(&[]);
            assert!(size > 0.0 && distance(found, expected) < 1e-4 * size.max(1.0), "{}", distance(found, expected));
        }
    }
}

#[test]
fn the_gradient_of_embeddings_is_that_of_the_weights_in_f32() {
    let (_dir, [narrow, wide]) = pair("llada");
    let row = canvas(&narrow, 9, 14);
    let (at, want): (Vec<Slot>, Vec<Slot>) = ((2..7).map(|p| (0, p)).collect(), (9..23).map(|p| (0, p)).collect());
    let call = || Call::new(&[&row], &want);
    let shift = Tensor::zeros([5, wide.config().width as i64], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let hidden = wide.hidden_shifted(call(), &at, &shift).unwrap();
    let upstream = (Tensor::arange(hidden.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7).sin().view_as(&hidden);
    (hidden * &upstream).sum(Kind::Float).backward();
    let mut inputs = Vec::new();
    let _ = narrow.hidden_keeping_inputs(call(), &mut inputs).unwrap();
    let found = narrow.embeddings_back(call(), &at, inputs, upstream).unwrap();
    assert!(distance(&found, &shift.grad()) < 1e-4, "{}", distance(&found, &shift.grad()));
}

#[test]
fn weights_of_whole_numbers_change_logits_a_little() {
    let (original, rounded) = (load("llada"), in_int8(&fixture("llada")));
    assert!(rounded.widens() && rounded.weights() == WeightsChoice::Int8);
    let row = canvas(&original, 9, 14);
    let (a, b) = (logits(&original, &row), logits(&rounded, &row));
    let off = (&a - &b).square().mean(Kind::Float).sqrt() / a.std(false);
    let off = off.double_value(&[]);
    assert!(off > 0.0 && off < 0.05, "{off}");
}

#[test]
fn training_and_merging_widen_the_weights_for_good() {
    let (dir, [mut narrow, mut wide]) = pair("llada");
    let row = canvas(&narrow, 9, 14);
    let adapter = Adapter::load(&fixture("llada").join("adapter"), narrow.spec(), Device::Cpu).unwrap();
    for model in [&mut narrow, &mut wide] {
        model.merge(&adapter).unwrap();
    }
    assert!(distance(&logits(&narrow, &row), &logits(&wide, &row)) < 1e-4);
    let mut all = in_int8(dir.path());
    let before = logits(&all, &row);
    let refused = all.save(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("int8"), "{refused}");
    all.set_trainable(true).unwrap();
    assert!(!all.widens() && all.parameters().iter().all(|(_, t)| t.kind() == Kind::Float && t.requires_grad()));
    assert!(distance(&logits(&all, &row).detach(), &before) < 1e-4);
    all.save(dir.path()).unwrap();
    assert!(distance(&logits(&open(dir.path()).unwrap(), &row), &before) < 1e-4);
}
