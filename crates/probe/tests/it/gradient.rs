use crate::{FAMILIES, adapter, first_step, goal, load, plain};
use mosa_model::{Adapter, Call, DenoisingModel, Slot, TrainableModel, Transformer, WhiteBoxModel};
use mosa_probe::gcg::{Goal, TargetLikelihood, TargetLoss};
use tch::{Kind, Tensor};

/// Mean cross-entropy with `shift` [suffix length, width] added to the embeddings, in one plain expression.
fn loss_at(model: &Transformer, adapter: Option<&Adapter>, goal: &Goal, shift: &Tensor) -> f64 {
    let _no_grad = tch::no_grad_guard();
    let mut canvas = goal.prompt.clone();
    canvas.resize(goal.prompt.len() + goal.gen_length, model.spec().mask);
    let want: Vec<Slot> = (0..goal.target.len()).map(|j| (0, goal.prompt.len() + goal.offset + j)).collect();
    let at: Vec<Slot> = goal.suffix.clone().map(|p| (0, p)).collect();
    let rows: [&[u32]; 1] = [&canvas];
    let hidden = model.hidden_shifted(Call::new(&rows, &want).with_adapter(adapter), &at, shift).unwrap();
    let targets = Tensor::from_slice(&goal.target.iter().map(|&t| i64::from(t)).collect::<Vec<_>>());
    let log_p = model.score(&hidden, adapter).unwrap().log_softmax(-1, Kind::Double);
    -log_p.gather(-1, &targets.unsqueeze(-1), false).mean(Kind::Double).double_value(&[])
}

#[test]
fn the_gradient_equals_finite_differences_of_the_embedding_in_every_family() {
    for name in FAMILIES {
        let (model, goal) = (load(name), goal(name));
        let trained = adapter(&model);
        for adapter in [None, Some(&trained)] {
            let found = first_step(&model, adapter, &goal).gradient(goal.first_suffix()).unwrap();
            let table = model.embedding_table();
            assert_eq!(found.one_hot.size(), [goal.suffix.len() as i64, table.size()[0]]);
            let none = Tensor::zeros([goal.suffix.len() as i64, table.size()[1]], (Kind::Float, table.device()));
            assert!((found.loss - loss_at(&model, adapter, &goal, &none)).abs() < 1e-4, "{name}");
            for (row, token) in [(0i64, 3i64), (2, 100), (4, 249)] {
                let moved = |by: f64| {
                    let shift = none.copy();
                    shift.get(row).copy_(&(table.get(token) * by));
                    loss_at(&model, adapter, &goal, &shift)
                };
                let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                let ours = found.one_hot.double_value(&[row, token]);
                assert!((slope - ours).abs() < 2e-3 + 1e-2 * ours.abs(), "{name} {row} {token}: {ours}, not {slope}");
            }
        }
    }
}

#[test]
fn the_gradient_of_a_monte_carlo_loss_is_the_mean_over_its_draws_however_they_are_split() {
    let (model, goal) = (load("dream"), goal("mc"));
    let at = |rows| {
        let loss = TargetLoss::new(plain(&model), &goal, TargetLikelihood::Mc(5), 1, rows).unwrap();
        (loss.gradient(goal.first_suffix()).unwrap(), loss.losses(&[goal.first_suffix().to_vec()]).unwrap()[0])
    };
    let ((whole, value), (split, _)) = (at(16), at(2));
    assert!((whole.loss - value).abs() < 1e-4 && (split.loss - value).abs() < 1e-4);
    let scale = whole.one_hot.abs().max().double_value(&[]);
    assert!((&whole.one_hot - &split.one_hot).abs().max().double_value(&[]) < 1e-4 * scale.max(1.0));
}

#[test]
fn trainable_adapters_receive_no_gradient_and_a_no_grad_guard_does_not_matter() {
    let (model, goal) = (load("llada"), goal("guard"));
    let mut adapter = adapter(&model);
    adapter.set_trainable(true);
    let gradient = tch::no_grad(|| first_step(&model, Some(&adapter), &goal).gradient(goal.first_suffix())).unwrap();
    assert!(gradient.one_hot.abs().max().double_value(&[]) > 0.0);
    assert!(adapter.tensors().iter().all(|(_, t)| !t.grad().defined()));
}

#[test]
fn a_shift_of_another_shape_is_refused() {
    let model = load("llada");
    let shift = Tensor::zeros([1, 3], (Kind::Float, tch::Device::Cpu));
    assert!(model.hidden_shifted(Call::new(&[&[1, 2]], &[(0, 1)]), &[(0, 0)], &shift).is_err());
}
