//! The term of a monitor in the loss of a suffix search.

use crate::{FAMILIES, adapter, goal, load, suffixes};
use mosa_core::{Rng, Stream, Toll};
use mosa_defence::monitor::{FirstPass, Tokens};
use mosa_engine::{Ends, Options, Schedule};
use mosa_model::{Adapter, Call, DenoisingModel, Slot, TrainableModel, Transformer, WhiteBoxModel};
use mosa_probe::gcg::{Avoid, Filter, Goal, Proposal, Subject, TargetLikelihood, TargetLoss};
use tch::{Kind, Tensor};

const REFUSAL: [i64; 2] = [11, 70];
const COMPLIANCE: [i64; 3] = [5, 23, 140];

/// Every other token, so that the fixtures find them neither likely nor unlikely.
fn ends() -> Vec<i64> {
    (0..250).step_by(2).collect()
}

/// Blocks of four in a response of twelve.
fn options() -> Options {
    let schedule = Schedule::Blocks { steps: 12, block_length: 4 };
    Options { gen_length: 12, schedule, ..Options::llada(Ends { eos: 2, eot: None }) }
}

fn avoid(name: &str, goal: &Goal, toll: Toll) -> Avoid {
    let tokens = Tokens { refusal: REFUSAL.to_vec(), compliance: COMPLIANCE.to_vec(), ends: ends() };
    let monitor = FirstPass::new(name, tokens).unwrap();
    let positions = monitor.positions(goal.prompt.len(), &options());
    Avoid { monitor, positions, toll }
}

fn loss<'a>(
    model: &'a Transformer,
    adapter: Option<&'a Adapter>,
    goal: &'a Goal,
    avoid: Option<Avoid>,
) -> TargetLoss<'a> {
    let subject = Subject { model, adapter };
    TargetLoss::new(subject, goal, TargetLikelihood::FirstStep, 0, 16).unwrap().avoiding(avoid)
}

/// The monitor's value with `shift` [suffix length, width] added to the embeddings, in one plain expression.
fn suspicion(name: &str, model: &Transformer, adapter: Option<&Adapter>, goal: &Goal, shift: &Tensor) -> f64 {
    let _no_grad = tch::no_grad_guard();
    let mut canvas = goal.prompt.clone();
    canvas.resize(goal.prompt.len() + goal.gen_length, model.spec().mask);
    let count = if name == "p-eos" { 1 } else { 4 };
    let want: Vec<Slot> = (0..count).map(|j| (0, goal.prompt.len() + j)).collect();
    let at: Vec<Slot> = goal.suffix.clone().map(|p| (0, p)).collect();
    let rows: [&[u32]; 1] = [&canvas];
    let hidden = model.hidden_shifted(Call::new(&rows, &want).with_adapter(adapter), &at, shift).unwrap();
    let logits = model.score(&hidden, adapter).unwrap().to_kind(Kind::Double);
    let of = |ids: &[i64]| logits.index_select(1, &Tensor::from_slice(ids));
    match name {
        "p-eos" => logits.softmax(-1, Kind::Double).index_select(1, &Tensor::from_slice(&ends())).sum(Kind::Double),
        _ => (of(&REFUSAL).exp().sum_dim_intlist(1, false, Kind::Double).log()
            - of(&COMPLIANCE).exp().sum_dim_intlist(1, false, Kind::Double).log())
        .mean(Kind::Double),
    }
    .double_value(&[])
}

/// The derivative of the monitor's value in a direction of the embedding of one place, by central differences.
struct Moved<'a> {
    name: &'a str,
    model: &'a Transformer,
    adapter: Option<&'a Adapter>,
    goal: &'a Goal,
}

impl Moved<'_> {
    fn none(&self) -> Tensor {
        let table = self.model.embedding_table();
        Tensor::zeros([self.goal.suffix.len() as i64, table.size()[1]], (Kind::Float, table.device()))
    }

    fn slope(&self, row: i64, token: i64) -> f64 {
        let at = |by: f64| {
            let shift = self.none();
            shift.get(row).copy_(&(self.model.embedding_table().get(token) * by));
            suspicion(self.name, self.model, self.adapter, self.goal, &shift)
        };
        (at(0.01) - at(-0.01)) / 0.02
    }
}

#[test]
fn the_gradient_of_the_term_equals_finite_differences_of_the_monitor_in_every_family() {
    for family in FAMILIES {
        let (model, goal) = (load(family), goal(family));
        let trained = adapter(&model);
        for (name, adapter, weight) in
            [("p-eos", None, 30.0), ("refusal-mass", None, 3.0), ("refusal-mass", Some(&trained), 3.0)]
        {
            let moved = Moved { name, model: &model, adapter, goal: &goal };
            let value = suspicion(name, &model, adapter, &goal, &moved.none());
            let plain = loss(&model, adapter, &goal, None).gradient(goal.first_suffix()).unwrap();
            for limit in [None, Some(value - 0.25), Some(value + 0.25)] {
                let toll = Toll { weight, limit };
                let found = loss(&model, adapter, &goal, Some(avoid(name, &goal, toll)));
                let found = found.gradient(goal.first_suffix()).unwrap();
                let (near, slope) = (1e-3 * weight.max(1.0) * value.abs().max(1.0), toll.slope(value));
                assert!((found.loss - plain.loss - toll.of(value)).abs() < near, "{family} {name} {limit:?}");
                let added = &found.one_hot - &plain.one_hot;
                let mut steepest = 0f64;
                for (row, token) in [(0i64, 3i64), (2, 100), (4, 249)] {
                    let (ours, want) = (added.double_value(&[row, token]), slope * moved.slope(row, token));
                    let told = format!("{family} {name} {row} {token} {limit:?}: {ours}, not {want}");
                    assert!((ours - want).abs() < 5e-3 + 1e-2 * want.abs(), "{told}");
                    steepest = steepest.max(want.abs());
                }
                // The comparison would hold for nothing as well.
                assert!(slope == 0.0 || steepest > 2e-2, "{family} {name}: {steepest}");
            }
        }
    }
}

#[test]
fn losses_are_the_cross_entropy_and_what_the_toll_makes_of_the_monitors_value() {
    for family in FAMILIES {
        let (model, goal) = (load(family), goal(family));
        let all = suffixes(&goal, 7);
        let plain = loss(&model, None, &goal, None).losses(&all).unwrap();
        for name in FirstPass::NAMES {
            let none = Moved { name, model: &model, adapter: None, goal: &goal }.none();
            let value = |suffix: &Vec<u32>| {
                let prompt = goal.prompt_with(suffix);
                suspicion(name, &model, None, &Goal { prompt, ..goal.clone() }, &none)
            };
            let toll = Toll { weight: 2.0, limit: Some(value(&all[0])) };
            let found = loss(&model, None, &goal, Some(avoid(name, &goal, toll))).losses(&all).unwrap();
            // The first suffix is at the limit, where rounding decides.
            for ((suffix, plain), found) in all.iter().zip(&plain).zip(found).skip(1) {
                let want = plain + toll.of(value(suffix));
                assert!((found - want).abs() < 1e-4, "{family} {name}: {found}, not {want}");
            }
        }
    }
}

#[test]
fn a_term_of_weight_zero_changes_no_bit_of_losses_gradient_and_candidates() {
    let (model, goal) = (load("llada"), goal("zero"));
    let filter = Filter::any(model.spec());
    let proposal = Proposal { goal: &goal, filter: &filter, top_k: 8, count: 12, replace: 1 };
    let found = |avoid: Option<Avoid>| {
        let loss = loss(&model, None, &goal, avoid);
        let gradient = loss.gradient(goal.first_suffix()).unwrap();
        let mut rng = Rng::at(1, Stream::Gcg, 0, 0);
        let candidates = proposal.draw(&gradient.one_hot, goal.first_suffix(), &mut rng).unwrap();
        let losses = loss.losses(&candidates).unwrap();
        (gradient.loss.to_bits(), gradient.one_hot, candidates, losses)
    };
    let (off, zero) = (found(None), found(Some(avoid("p-eos", &goal, Toll { weight: 0.0, limit: None }))));
    assert_eq!((off.0, &off.1, &off.2, &off.3), (zero.0, &zero.1, &zero.2, &zero.3));
}

#[test]
fn monitors_that_need_more_than_the_first_pass_have_no_gradient() {
    let tokens = || Tokens { refusal: REFUSAL.to_vec(), compliance: COMPLIANCE.to_vec(), ends: ends() };
    let error = FirstPass::new("audit", tokens()).unwrap_err().to_string();
    assert!(error.contains("audit") && error.contains("p-eos and refusal-mass"), "{error}");
    let error = FirstPass::new("nothing", tokens()).unwrap_err().to_string();
    assert!(error.contains("sed-slope"), "{error}");
}
