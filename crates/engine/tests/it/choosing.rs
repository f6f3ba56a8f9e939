use crate::sessions::Frail;
use crate::{load, load_on, on_devices, prompt};
use mosa_core::Canvas;
use mosa_engine::{Batching, EngineError, Estimator, Question, Weighed, choose, likelihood};
use mosa_model::{Adapted, Attention, Call, DenoisingModel, ModelError, ModelSpec, Row};
use std::cell::Cell;
use tch::Tensor;

const ELBO: Estimator = Estimator::Elbo { draws: 5, seed: 7, sample: 11 };

fn question(number: usize, len: usize, choices: &[&[u32]], estimator: Estimator) -> Question {
    let choices = choices.iter().map(|c| c.to_vec()).collect();
    Question { id: format!("q{number}"), prompt: prompt(number, len), choices, estimator }
}

/// Four choices of one token.
fn letters(number: usize, len: usize) -> Question {
    question(number, len, &[&[5], &[6], &[7], &[8]], Estimator::MeanField)
}

fn whole(model: &dyn DenoisingModel, batching: Batching, questions: &[Question]) -> Vec<Weighed> {
    outcomes(model, batching, questions).into_iter().map(|w| w.unwrap().unwrap()).collect()
}

fn outcomes(
    model: &dyn DenoisingModel,
    batching: Batching,
    questions: &[Question],
) -> Vec<Result<Option<Weighed>, EngineError>> {
    choose(Adapted::plain(model), batching, questions, &|| false)
}

fn apart(a: &Weighed, b: &Weighed) -> f64 {
    assert_eq!((a.log_p.len(), a.forwards), (b.log_p.len(), b.forwards));
    a.log_p.iter().zip(&b.log_p).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn every_choice_has_the_likelihood_of_its_tokens_behind_the_prompt() {
    on_devices(|device| {
        for family in ["llada", "dream", "mmada"] {
            let model = load_on(family, device);
            let subject: Adapted<'_> = Adapted::plain(&model);
            for estimator in [Estimator::MeanField, Estimator::Chain, ELBO] {
                let choices: [&[u32]; 4] = [&[5, 17, 3], &[9], &[4, 17], &[12]];
                let asked: Vec<Question> = (0..5).map(|i| question(i, 6 + 5 * i, &choices, estimator)).collect();
                for batching in [Batching::Rows, Batching::Shared { tokens: 90 }, Batching::SHARED] {
                    for (asked, found) in asked.iter().zip(whole(&model, batching, &asked)) {
                        for (tokens, log_p) in asked.choices.iter().zip(found.log_p) {
                            let canvas = Canvas::new(&asked.prompt, tokens.len(), model.spec().mask);
                            let placed: Vec<_> = (asked.prompt.len()..).zip(tokens.iter().copied()).collect();
                            let want = likelihood(subject, &canvas, &placed, estimator).unwrap().total;
                            assert!((log_p - want).abs() < 1e-4, "{family} {estimator:?} {batching:?}: {log_p} {want}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn equal_canvases_are_computed_once() {
    let model = Frail::new(usize::MAX, None);
    let passes = |asked: Question| {
        model.calls.lock().unwrap().clear();
        let found = whole(&model, Batching::Rows, &[asked]).remove(0);
        assert_eq!(found.forwards, model.calls.lock().unwrap().len());
        found.forwards
    };
    assert_eq!(passes(letters(0, 9)), 1, "four choices of one token, one masked slot");
    let pairs: [&[u32]; 4] = [&[5, 1], &[5, 2], &[6, 1], &[6, 2]];
    let with = |estimator| question(1, 9, &pairs, estimator);
    assert_eq!(passes(with(Estimator::MeanField)), 1);
    assert_eq!(passes(with(Estimator::Chain)), 3, "nothing revealed, 5 revealed, 6 revealed");
    assert_eq!(passes(question(2, 9, &[&[5], &[6, 7], &[8, 9]], Estimator::MeanField)), 2, "two lengths");
    assert_eq!(passes(question(3, 9, &[&[5], &[6]], ELBO)), 1, "every draw masks the one token");
}

#[test]
fn alone_no_bit_depends_on_the_other_questions_and_together_none_that_matters() {
    on_devices(|device| {
        for family in ["llada", "dream"] {
            let model = load_on(family, device);
            let asked: Vec<Question> = (0..9).map(|i| letters(i, 4 + (i * 7) % 13)).collect();
            let alone: Vec<Weighed> =
                asked.iter().map(|q| whole(&model, Batching::Rows, std::slice::from_ref(q)).remove(0)).collect();
            assert_eq!(whole(&model, Batching::Rows, &asked), alone, "in order, and equal to the last bit");
            for tokens in [1, 40, 1 << 15] {
                let together = whole(&model, Batching::Shared { tokens }, &asked);
                assert!(alone.iter().zip(&together).all(|(a, b)| apart(a, b) < 1e-4), "{tokens}");
            }
            assert_eq!(whole(&model, Batching::SHARED, &asked), whole(&model, Batching::SHARED, &asked));
        }
    });
}

#[test]
fn rows_of_similar_length_share_passes_within_the_budget() {
    let model = Frail::new(usize::MAX, None);
    let asked: Vec<Question> = [19, 4, 19, 4, 4].into_iter().enumerate().map(|(i, len)| letters(i, len)).collect();
    whole(&model, Batching::Shared { tokens: 40 }, &asked);
    assert_eq!(*model.calls.lock().unwrap(), [2, 3], "canvases of 20 and 20, and of 5, 5 and 5");
}

#[test]
fn packed_rows_have_the_logits_of_padded_ones_and_what_cannot_be_packed_is_padded() {
    for family in ["llada", "dream", "mmada"] {
        let model = load(family);
        let rows: Vec<Vec<u32>> = [5, 11, 2].into_iter().enumerate().map(|(i, len)| prompt(i, len)).collect();
        let seen: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        let want = [(1, 10), (0, 0), (2, 1), (0, 4), (1, 0)];
        let differ = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        let _no_grad = tch::no_grad_guard();
        let padded = model.forward(Call::new(&seen, &want)).unwrap();
        let packed = model.forward(Call::new(&seen, &want).packed()).unwrap();
        assert!(differ(&padded, &packed) < 1e-4, "{family}: {}", differ(&padded, &packed));
        for (i, slot) in want.iter().enumerate() {
            let alone = model.forward(Call::new(&[seen[slot.0]], &[(0, slot.1)])).unwrap();
            let apart = differ(&alone, &packed.narrow(0, i as i64, 1));
            assert!(apart < 1e-4, "{family}: {apart}");
        }
        let causal = || {
            let rows = seen.iter().map(|t| Row { attention: Some(Attention::BlockCausal { block: 2 }), ..Row::new(t) });
            Call::of(rows.collect(), &want)
        };
        let padded = model.forward(causal()).unwrap();
        assert_eq!(differ(&padded, &model.forward(causal().packed()).unwrap()), 0.0, "{family}");
        assert!(model.forward(Call::new(&seen, &[(3, 0)]).packed()).is_err());
        assert!(model.forward(Call::new(&seen, &[(2, 3)]).packed()).is_err());
    }
}

#[test]
fn a_question_that_cannot_be_asked_fails_alone_and_says_why() {
    let model = load("llada");
    let mask = model.spec().mask;
    let long = Question { prompt: vec![1; 255], ..question(1, 1, &[&[5], &[6, 7]], Estimator::MeanField) };
    let asked = [
        letters(0, 9),
        long,
        Question { prompt: vec![1, mask], ..letters(2, 9) },
        Question { choices: vec![vec![5], vec![]], ..letters(3, 9) },
        Question { choices: vec![], ..letters(4, 9) },
        Question { prompt: vec![], ..letters(5, 9) },
        Question { choices: vec![vec![99_999]], ..letters(6, 9) },
        Question { estimator: Estimator::Elbo { draws: 0, seed: 0, sample: 0 }, ..letters(7, 9) },
        letters(8, 9),
    ];
    let found = outcomes(&model, Batching::SHARED, &asked);
    assert!(found[0].as_ref().unwrap().is_some() && found[8].as_ref().unwrap().is_some());
    let Err(EngineError::TooLong { id, tokens: 255, behind: 2, context: 256 }) = &found[1] else {
        panic!("{:?}", found[1])
    };
    assert_eq!(id, "q1");
    let said = |i: usize| found[i].as_ref().unwrap_err().to_string();
    for (i, word) in
        [(1, "context of 256"), (2, "mask token"), (3, "choice"), (4, "choice"), (5, "empty"), (6, "99999")]
    {
        assert!(said(i).contains(&format!("q{i}")) && said(i).contains(word), "{}", said(i));
    }
    assert!(said(7).contains("q7") && said(7).contains("draws"), "{}", said(7));
}

#[test]
fn a_pass_that_fails_fails_for_the_question_that_is_to_blame() {
    for batching in [Batching::Rows, Batching::SHARED] {
        let model = Frail::new(usize::MAX, Some(251));
        let mut asked: Vec<Question> = (0..4).map(|i| letters(i, 9)).collect();
        asked[2].prompt[3] = 251;
        let found = outcomes(&model, batching, &asked);
        assert_eq!(found[2].as_ref().unwrap_err().to_string(), "question q2: that token is not to be computed");
        assert!([0, 1, 3].into_iter().all(|i| matches!(found[i], Ok(Some(_)))));
    }
}

#[test]
fn a_pass_for_which_memory_does_not_suffice_is_split_and_later_ones_are_smaller() {
    let model = Frail::new(45, None);
    let asked: Vec<Question> = (0..12).map(|i| letters(i, 9)).collect();
    let found = whole(&model, Batching::Shared { tokens: 60 }, &asked);
    let alone = whole(&model.inner, Batching::Rows, &asked);
    assert!(found.iter().zip(&alone).all(|(a, b)| apart(a, b) < 1e-4));
    assert_eq!(model.refused.load(std::sync::atomic::Ordering::Relaxed), 1, "the limit is learned");
    let large = outcomes(&Frail::new(15, None), Batching::SHARED, &[letters(0, 9), letters(1, 30)]);
    assert!(large[0].is_ok() && large[1].as_ref().is_err_and(EngineError::is_out_of_memory), "{large:?}");
}

/// Numbers that are none for one token of the prompt.
struct Broken(mosa_model::Transformer);

impl DenoisingModel for Broken {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError> {
        let broken: Vec<bool> = call.want.iter().map(|(row, _)| call.rows[*row].tokens[0] == 251).collect();
        let logits = self.0.forward(call)?;
        for (i, _) in broken.iter().enumerate().filter(|(_, b)| **b) {
            let _ = logits.narrow(0, i as i64, 1).fill_(f64::NAN);
        }
        Ok(logits)
    }
}

#[test]
fn numbers_that_are_none_are_an_error_that_names_the_question() {
    for batching in [Batching::Rows, Batching::SHARED] {
        let mut asked: Vec<Question> = (0..3).map(|i| letters(i, 9)).collect();
        asked[1].prompt[0] = 251;
        let found = outcomes(&Broken(load("llada")), batching, &asked);
        let error = found[1].as_ref().unwrap_err();
        assert!(error.is_broken_number() && error.to_string().starts_with("question q1: "), "{error}");
        assert!(error.to_string().contains("NaN at position 9"), "{error}");
        assert!(matches!((&found[0], &found[2]), (Ok(Some(_)), Ok(Some(_)))));
    }
}

#[test]
fn a_stop_between_passes_keeps_what_is_complete() {
    let model = Frail::new(usize::MAX, None);
    let asked: Vec<Question> = (0..4).map(|i| question(i, 9, &[&[5], &[6, 7]], Estimator::MeanField)).collect();
    let before = Cell::new(0);
    let stop = || before.replace(before.get() + 1) >= 5;
    let found = choose(Adapted::plain(&model), Batching::Rows, &asked, &stop);
    let complete: Vec<bool> = found.into_iter().map(|w| w.unwrap().is_some()).collect();
    assert_eq!(complete, [true, true, false, false], "five passes, two a question");
    assert_eq!(model.calls.lock().unwrap().len(), 5);
}
