//! The objective `a2d-eos`.

use crate::{data, ids, load, made, record, settings};
use mosa_align::{A2d, AlignConfig, AlignError, Data, Normalise, Part, Policy, Sft, objective};
use mosa_model::{Call, DenoisingModel};
use std::collections::BTreeSet;
use tch::Kind;

fn config(eps: f64) -> AlignConfig {
    AlignConfig { a2d: A2d { eps, ..A2d::default() }, batch_size: 4, ..settings() }
}

#[test]
fn the_masked_share_goes_from_eps_to_all() {
    let a2d = A2d { eps: 0.2, refusals: true };
    for (t, share) in [(0.0, 0.2), (0.5, 0.6), (1.0, 1.0)] {
        assert!((a2d.masked_share(t) - share).abs() < 1e-12);
    }
}

#[test]
fn every_masked_position_of_a_harmful_answer_has_to_end_and_of_any_other_stay_what_it_is() {
    let model = load("llada");
    let (mask, eos, data) = (model.spec().mask, model.spec().eos, data(&model));
    let (mut ends, mut keeps, mut hidden) = (0, 0, 0);
    for e in (0..30).flat_map(|step| made("a2d-eos", &config(0.3), &model).examples(step).unwrap()) {
        let response = &e.canvas[e.prompt..];
        let masked: Vec<usize> = (0..18).filter(|&i| response[i] == mask).collect();
        assert_eq!(e.linear.iter().map(|l| l.offset).collect::<Vec<_>>(), masked);
        assert!(e.kl.is_empty() && e.reward.is_none() && e.share == 0.25);
        hidden += masked.len();
        let answer = match (e.part, e.record) {
            (Part::Aligned, n) => &data.records[n].response,
            (Part::Retained, n) if n < 2 => &data.retain[n].response,
            (Part::Retained, n) => {
                assert_eq!(e.canvas[..e.prompt], data.records[n - 2].prompt, "a safe answer to a harmful prompt");
                let token = |s: &[u32], i: usize| *s.get(i).unwrap_or(&eos);
                let stands = |s: &[u32]| (0..18).all(|i| response[i] == mask || response[i] == token(s, i));
                let asked = |s: &[u32]| e.linear.iter().all(|l| l.token == token(s, l.offset));
                let safe = data.safe.iter().find(|s| stands(s) && asked(s));
                safe.unwrap_or_else(|| panic!("{:?} is no safe sentence", e.linear))
            }
        };
        let word = |i: usize| *answer.get(i).unwrap_or(&eos);
        assert!((0..18).all(|i| response[i] == mask || response[i] == word(i)), "what is not masked stands there");
        if e.part == Part::Aligned {
            assert!(e.linear.iter().all(|l| l.token == eos));
            ends += 1;
        } else {
            assert!(e.linear.iter().all(|l| l.token == word(l.offset)));
            keeps += 1;
        }
    }
    assert!(ends > 30 && keeps > 30, "{ends} {keeps}");
    // lambda is uniform in [0.3, 1]: 0.65 on average.
    let share = hidden as f64 / (120.0 * 18.0);
    assert!((0.58..0.72).contains(&share), "{share}");
}

#[test]
fn an_epoch_has_each_harmful_prompt_twice_and_each_harmless_one_once() {
    let model = load("mmada");
    let objective = made("a2d-eos", &config(0.5), &model);
    assert_eq!(objective.prompts(), 7 + 7 + 2);
    let all = (0..4).flat_map(|step| objective.examples(step).unwrap());
    let visited: BTreeSet<(bool, usize)> = all.map(|e| (e.part == Part::Aligned, e.record)).collect();
    assert_eq!(visited.len(), 16);
    let alone = AlignConfig { a2d: A2d { refusals: false, ..A2d::default() }, ..settings() };
    assert_eq!(made("a2d-eos", &alone, &model).prompts(), 9);
}

#[test]
fn the_loss_is_the_mean_cross_entropy_where_all_is_masked() {
    let model = load("llada");
    for normalise in [Normalise::Likelihood, Normalise::Document] {
        let config = AlignConfig { sft: Sft { normalise, ..Sft::default() }, ..config(1.0) };
        let examples = made("a2d-eos", &config, &model).examples(0).unwrap();
        let terms = Policy::new(&model, None).evaluate(&examples).unwrap();
        for (e, terms) in examples.iter().zip(terms) {
            assert_eq!(e.linear.len(), 18);
            let want: Vec<(usize, usize)> = (e.prompt..e.canvas.len()).map(|at| (0, at)).collect();
            let logits = tch::no_grad(|| model.forward(Call::new(&[&e.canvas], &want)).unwrap());
            let targets = e.linear.iter().map(|l| i64::from(l.token)).collect::<Vec<_>>();
            let mean = logits.to_kind(Kind::Float).cross_entropy_for_logits(&tch::Tensor::from_slice(&targets));
            assert!((mean.double_value(&[]) - terms.loss).abs() < 1e-5);
        }
    }
}

#[test]
fn a_safe_answer_of_its_own_goes_before_a_sentence() {
    let model = load("llada");
    let own = |mut data: Data| {
        data.records.iter_mut().for_each(|r| r.safe = vec![77, 78]);
        data
    };
    let objective = objective("a2d-eos", &config(1.0), ids(&model), own(data(&model))).unwrap().unwrap();
    let all = (0..4).flat_map(|step| objective.examples(step).unwrap());
    let refusals: Vec<_> = all.filter(|e| e.part == Part::Retained && e.record >= 2).collect();
    assert_eq!(refusals.len(), 7);
    assert!(refusals.iter().all(|e| e.linear[..2].iter().map(|l| l.token).eq([77, 78])));
}

#[test]
fn harmful_answers_alone_are_refused() {
    let model = load("llada");
    let key = |data: Data| match objective("a2d-eos", &settings(), ids(&model), data) {
        Err(AlignError::Setting { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(Data { retain: vec![], ..data(&model) }), "retain.data");
    assert_eq!(key(Data { retain: vec![record(0, vec![1], vec![])], ..data(&model) }), "retain.data");
    assert_eq!(key(Data { records: vec![record(0, vec![1], vec![])], ..data(&model) }), "data");
    assert_eq!(key(Data { safe: vec![], ..data(&model) }), "a2d.refusals");
}
