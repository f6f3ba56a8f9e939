use crate::{devices, doing, gate, is_interrupted, load, options, start, started};
use mosa_core::Interrupt;
use mosa_engine::{Batching, EngineError, Estimator, Question, choose};
use mosa_model::Adapted;
use mosa_runtime::{Choosing, Chosen, RuntimeError, Scorer};
use mosa_text::{Message, Prompt};

const ALONE: Scorer = Scorer { estimator: Estimator::MeanField, batching: Batching::Rows };
const TOGETHER: Scorer = Scorer { estimator: Estimator::MeanField, batching: Batching::SHARED };

fn letters(number: usize) -> Choosing {
    Choosing {
        id: format!("q{number}"),
        prompt: Prompt::Raw(format!("question {number}{}\nAnswer:", " and more".repeat(number % 3))),
        prefix: String::new(),
        choices: ["A", "B", "C", "D"].map(|letter| format!(" {letter}")).to_vec(),
    }
}

fn flat(scored: Vec<Result<Chosen, RuntimeError>>) -> Vec<Chosen> {
    scored.into_iter().map(Result::unwrap).collect()
}

#[test]
fn questions_in_words_have_the_scores_of_their_tokens_in_order() {
    for device in devices() {
        for family in ["llada", "dream"] {
            let (model, _, text) = load(family, device);
            let runtime = start(family, device);
            let mut asked: Vec<Choosing> = (0..6).map(letters).collect();
            asked[1].prompt = Prompt::Chat(vec![Message::user("which letter?")]);
            asked[1].prefix = "The answer is".into();
            for scorer in [ALONE, TOGETHER, Scorer { estimator: Estimator::Chain, ..ALONE }] {
                for (asked, found) in asked.iter().zip(flat(runtime.choose(scorer, &asked).unwrap())) {
                    let tokens = text.encode_behind(&asked.prompt, &asked.prefix, &asked.choices).unwrap();
                    assert_eq!(found.prompt_tokens, tokens.prompt.len());
                    let question = Question {
                        id: asked.id.clone(),
                        prompt: tokens.prompt,
                        choices: tokens.behind,
                        estimator: scorer.estimator,
                    };
                    let want = choose(Adapted::plain(&model), Batching::Rows, &[question], &|| false);
                    let want = want.into_iter().next().unwrap().unwrap().unwrap();
                    let apart = want.log_p.iter().zip(&found.log_p).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(apart < 1e-4 && found.forwards == want.forwards, "{family} {scorer:?}");
                    assert!(scorer.batching != Batching::Rows || apart == 0.0);
                }
            }
        }
    }
}

#[test]
fn the_masks_of_a_bound_are_those_of_the_question() {
    let runtime = start("llada", devices()[0]);
    let scorer = Scorer { estimator: Estimator::Elbo { draws: 4, seed: 1, sample: 0 }, ..ALONE };
    let words = vec![" the answer is".to_owned(), " it is not so".to_owned()];
    let asked = |id: &str| Choosing { id: id.into(), choices: words.clone(), ..letters(0) };
    let found = flat(runtime.choose(scorer, &[asked("a"), asked("b"), asked("a")]).unwrap());
    assert!(found[0] == found[2] && found[0] != found[1]);
}

#[test]
fn a_question_that_cannot_be_asked_fails_alone_and_names_its_tokens() {
    let runtime = start("llada", devices()[0]);
    let long = Choosing { prompt: Prompt::Raw("word ".repeat(400)), ..letters(1) };
    let nothing = Choosing { choices: vec![" A".into(), String::new()], ..letters(2) };
    let masked = Choosing { prompt: Prompt::Raw("<|mdm_mask|>".into()), ..letters(3) };
    let found = runtime.choose(TOGETHER, &[letters(0), long, nothing, masked, letters(4)]).unwrap();
    assert!(found[0].is_ok() && found[4].is_ok());
    let Err(RuntimeError::Engine(EngineError::TooLong { id, tokens, context: 256, .. })) = &found[1] else {
        panic!("{:?}", found[1])
    };
    assert!(id == "q1" && *tokens > 256);
    assert!(matches!(&found[2], Err(RuntimeError::Request(what)) if what.contains("q2") && what.contains("choice 2")));
    assert!(matches!(&found[3], Err(RuntimeError::Text(_))), "{:?}", found[3]);
}

#[test]
fn questions_wait_for_a_step_under_way_and_who_gives_them_up_is_not_scored_for() {
    let runtime = start("llada", devices()[0]);
    let (gate, pass) = gate();
    let answers = runtime.submit(vec![doing(1, &options(&runtime), 2, pass)]).unwrap();
    gate.wait();
    let given_up = runtime.begin_choose(ALONE, &[letters(0)]).unwrap();
    let kept = runtime.begin_choose(ALONE, &[letters(1)]).unwrap();
    drop(given_up);
    let before = runtime.begin(|_| mosa_model::forward_time().passes).unwrap();
    gate.wait();
    assert_eq!(flat(kept.wait().unwrap()), flat(runtime.choose(ALONE, &[letters(1)]).unwrap()));
    let passes = before.wait().unwrap();
    // The passes of three steps at most, and of one question.
    assert!(passes <= 4, "{passes}");
    assert!(answers.into_iter().all(|answer| answer.wait().is_ok()));
}

#[test]
fn a_stop_is_an_interruption_of_what_was_not_scored() {
    let stop = Interrupt::new();
    let runtime = started("llada", devices()[0], stop.clone(), 3);
    assert!(runtime.choose(ALONE, &[letters(0)]).unwrap()[0].is_ok());
    stop.ask();
    assert!(is_interrupted(&runtime.choose(ALONE, &[letters(0)])));
    assert_eq!(runtime.forward_time().unwrap().passes, 1, "time is told after a stop too");
}

#[test]
fn the_time_of_passes_is_that_of_the_models_thread() {
    let runtime = start("llada", devices()[0]);
    assert_eq!(runtime.forward_time().unwrap(), mosa_model::ForwardTime::default());
    let found = flat(runtime.choose(ALONE, &[letters(0), letters(1)]).unwrap());
    let time = runtime.forward_time().unwrap();
    assert_eq!(time.passes as usize, found.iter().map(|f| f.forwards).sum::<usize>());
    assert!(!time.spent.is_zero());
    let answer = runtime.decode(vec![crate::request(1, &options(&runtime))]).unwrap().remove(0).unwrap();
    assert_eq!(runtime.forward_time().unwrap().passes - time.passes, answer.forwards as u64);
}
