use crate::devices::{devices, models, rounding};
use crate::{canvas, copy, distance, edit, load, logits, open, open_on};
use mosa_model::{Call, DenoisingModel, HiddenTap, KvCache, ModelError, Row, Slot};
use serde_json::json;
use tch::{Kind, Tensor};

const FAMILIES: [&str; 3] = ["llada", "dream", "mmada"];

#[test]
fn only_the_wanted_positions_come_back_and_in_the_wanted_order() {
    for (name, model) in models(&FAMILIES) {
        let row = canvas(&model, 11, 9);
        let all = logits(&model, &row);
        assert_eq!(all.size(), [20, model.spec().vocab as i64]);
        let picked = tch::no_grad(|| model.forward(Call::new(&[&row], &[(0, 15), (0, 0), (0, 7)]))).unwrap();
        for (i, p) in [15i64, 0, 7].into_iter().enumerate() {
            assert!(distance(&picked.get(i as i64), &all.get(p)) < 0.1 * rounding(&model), "{name} {p}");
        }
    }
}

#[test]
fn rows_of_a_padded_batch_score_as_they_do_alone() {
    for (name, model) in models(&FAMILIES) {
        let rows = [canvas(&model, 5, 7), canvas(&model, 17, 7), canvas(&model, 9, 4)];
        let views: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        let want: Vec<Slot> =
            rows.iter().enumerate().flat_map(|(r, row)| (0..row.len()).map(move |p| (r, p))).collect();
        let together = tch::no_grad(|| model.forward(Call::new(&views, &want))).unwrap();
        let alone = Tensor::cat(&rows.iter().map(|r| logits(&model, r)).collect::<Vec<_>>(), 0);
        assert!(distance(&together, &alone) < rounding(&model), "{name}: {}", distance(&together, &alone));
    }
}

#[test]
fn a_shifted_model_scores_a_position_from_the_row_before_it() {
    for (_, model) in models(&["dream"]) {
        assert_eq!(model.spec().lookback, 1);
        let scored = logits(&model, &canvas(&model, 6, 4));
        // Row 0 is used for positions 0 and 1, as in the published sampler.
        assert_eq!(distance(&scored.get(0), &scored.get(1)), 0.0);
        assert!(distance(&scored.get(1), &scored.get(2)) > 1e-3);
    }
    assert_eq!(load("llada").spec().lookback, 0);
}

#[test]
fn a_window_over_an_unchanged_canvas_scores_as_the_whole_pass_did() {
    for (name, model) in models(&FAMILIES) {
        let row = canvas(&model, 10, 12);
        let want: Vec<Slot> = (14..18).map(|p| (0, p)).collect();
        let mut cache = KvCache::new();
        let full = tch::no_grad(|| model.forward(Call::of(vec![Row::cached(&row, 0, &mut cache)], &want))).unwrap();
        assert_eq!(cache.positions(), 22);
        for end in [18, 22] {
            let read = vec![Row::cached(&row[13..end], 13, &mut cache)];
            let window = tch::no_grad(|| model.forward(Call::of(read, &want))).unwrap();
            assert!(distance(&full, &window) < rounding(&model), "{name}: {}", distance(&full, &window));
        }
    }
}

#[test]
fn a_window_sees_changes_inside_it_at_once() {
    for (_, model) in models(&["llada"]) {
        let mut row = canvas(&model, 10, 12);
        let mut cache = KvCache::new();
        let want = [(0, 16)];
        let _ = tch::no_grad(|| model.forward(Call::of(vec![Row::cached(&row, 0, &mut cache)], &want))).unwrap();
        row[14] = 9;
        let read = vec![Row::cached(&row[10..], 10, &mut cache)];
        // A window over the whole response misses only what changed before it, and nothing did.
        let window = tch::no_grad(|| model.forward(Call::of(read, &want))).unwrap();
        let fresh = logits(&model, &row).get(16);
        assert!(distance(&window.get(0), &fresh) > rounding(&model), "prompt keys are stale by design");
        let read = vec![Row::cached(&row, 0, &mut cache)];
        let whole = tch::no_grad(|| model.forward(Call::of(read, &want))).unwrap();
        assert!(distance(&whole.get(0), &fresh) < rounding(&model));
    }
}

#[test]
fn inconsistent_calls_are_errors_and_never_panics() {
    let model = load("llada");
    let row = canvas(&model, 4, 4);
    let vocab = model.spec().vocab as u32;
    let long = vec![1; model.spec().max_length + 1];
    let mut cache = KvCache::new();
    let mut filled = KvCache::new();
    let _ = tch::no_grad(|| model.forward(Call::of(vec![Row::cached(&row, 0, &mut filled)], &[(0, 1)]))).unwrap();
    let (one, head, tail, all) = ([vocab], [row.as_slice()], [&row[2..]], [long.as_slice()]);
    let (none, empty): ([&[u32]; 0], [&[u32]; 1]) = ([], [&[]]);
    let unknown = [one.as_slice()];
    let cases: Vec<(&str, Call)> = vec![
        ("no row", Call::new(&none, &[])),
        ("empty row", Call::new(&empty, &[])),
        ("unknown token", Call::new(&unknown, &[(0, 0)])),
        ("past the context", Call::new(&all, &[(0, 0)])),
        ("position outside", Call::new(&head, &[(0, 8)])),
        ("row outside", Call::new(&head, &[(1, 0)])),
        ("empty cache", Call::of(vec![Row::cached(tail[0], 2, &mut cache)], &[(0, 3)])),
        ("window past the cache", Call::of(vec![Row::cached(tail[0], 9, &mut filled)], &[(0, 9)])),
    ];
    for (what, call) in cases {
        assert!(matches!(model.forward(call), Err(ModelError::Call(_))), "{what}");
    }
}

/// Adds 1 to everything after one block, and remembers what it saw.
struct Lift {
    at: usize,
    seen: Vec<(usize, Vec<i64>)>,
}

impl HiddenTap for Lift {
    fn tap(&mut self, layer: usize, hidden: Tensor) -> Result<Tensor, ModelError> {
        self.seen.push((layer, hidden.size()));
        Ok(if layer == self.at { hidden + 1.0 } else { hidden })
    }
}

#[test]
fn a_tap_sees_every_block_and_what_it_returns_is_what_the_next_block_gets() {
    for (_, model) in models(&["llada"]) {
        let row = canvas(&model, 6, 6);
        let plain = logits(&model, &row);
        let want: Vec<Slot> = (0..row.len()).map(|p| (0, p)).collect();
        let run = |at: usize| {
            let mut tap = Lift { at, seen: Vec::new() };
            let y = tch::no_grad(|| model.forward(Call { tap: Some(&mut tap), ..Call::new(&[&row], &want) })).unwrap();
            (y, tap.seen)
        };
        let (untouched, seen) = run(99);
        assert_eq!(seen, [(0, vec![1, 12, 48]), (1, vec![1, 12, 48])]);
        assert!(distance(&untouched, &plain) < 0.1 * rounding(&model));
        let (first, last) = (run(0).0, run(1).0);
        assert!(distance(&first, &plain) > 1e-3 && distance(&last, &plain) > 1e-3 && distance(&first, &last) > 1e-3);
    }
}

#[test]
fn every_number_of_the_config_that_shapes_the_computation_changes_the_logits() {
    for (name, key, value) in [
        ("llada", "rope_theta", json!(10000.0)),
        ("llada", "rms_norm_eps", json!(1e-2)),
        ("llada", "scale_logits", json!(true)),
        ("dream", "rope_theta", json!(10000.0)),
        ("dream", "rms_norm_eps", json!(1e-2)),
    ] {
        let dir = copy(name);
        let before = open(dir.path()).unwrap();
        let row = canvas(&before, 8, 8);
        edit(&dir.path().join("config.json"), key, Some(value));
        let after = open(dir.path()).unwrap();
        assert!(distance(&logits(&before, &row), &logits(&after, &row)) > 1e-3, "{name} {key}");
    }
}

#[test]
fn bf16_stays_close_to_f32() {
    for device in devices() {
        for name in FAMILIES {
            let dir = crate::fixture(name);
            let config = mosa_model::ModelConfig::read(&dir.join("config.json")).unwrap();
            let checkpoint = mosa_model::Checkpoint::open(&dir).unwrap();
            let half = mosa_model::Transformer::load(&config, &checkpoint, Kind::BFloat16, device).unwrap();
            let model = open_on(&dir, device).unwrap();
            let row = canvas(&model, 12, 8);
            let difference = (logits(&half, &row).to_kind(Kind::Float) - logits(&model, &row)).abs();
            assert!(difference.mean(Kind::Float).double_value(&[]) < 0.1, "{name}");
        }
    }
}
