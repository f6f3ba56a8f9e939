use mosa_attack::{
    Ability, Constraint, Estimator, Forced, Generate, Generation, Guide, Propose, Score, Target, Unanswered, Written,
};
use mosa_core::Interrupt;
use mosa_engine::{Batching, Ends, Options, Schedule};
use mosa_model::{Adapter, Checkpoint, DenoisingModel, ModelConfig, Transformer, devices};
use mosa_runtime::{Model, Runtime, Settings};
use mosa_target::{Local, Proxied};
use mosa_text::TextModel;
use std::path::PathBuf;
use tch::{Device, Kind};

fn local(device: Device, stop: Interrupt) -> Local {
    with(device, stop, false)
}

fn with(device: Device, stop: Interrupt, stop_at_end: bool) -> Local {
    opened(device, "llada", stop, |ends| Options { stop_at_end, ..blocks(ends) })
}

/// 24 positions in 12 steps and two blocks.
pub(crate) fn blocks(ends: Ends) -> Options {
    let schedule = Schedule::Blocks { steps: 12, block_length: 12 };
    Options { gen_length: 24, schedule, ..Options::llada(ends) }
}

fn opened(device: Device, family: &str, stop: Interrupt, options: impl Fn(Ends) -> Options) -> Local {
    let (runtime, ends) = started(device, family, stop, false);
    Local::new(runtime, options(ends))
}

fn adapted(device: Device, stop: Interrupt) -> Local {
    let (runtime, ends) = started(device, "llada", stop, true);
    Local::new(runtime, Options { gen_length: 24, ..Options::llada(ends) })
}

/// A model on its thread, and the tokens that end its answers.
pub(crate) fn started(device: Device, family: &str, stop: Interrupt, adapted: bool) -> (Runtime, Ends) {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(family);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    let text = TextModel::load(&dir, config.family, [config.mask, config.eos, config.pad]).unwrap();
    let checkpoint = Checkpoint::open(&dir).unwrap();
    let model = Transformer::load(&config, &checkpoint, Kind::Float, device).unwrap();
    let ends = Ends { eos: text.special.eos, eot: text.special.eot };
    let adapter = adapted.then(|| Adapter::load(&dir.join("adapter"), model.spec(), device).unwrap());
    let settings = Settings { batching: Batching::Rows, batch_size: 3, stop };
    (Runtime::start(Model::new(model, adapter, text), settings).unwrap(), ends)
}

pub(crate) fn never() -> Interrupt {
    Interrupt::new()
}

pub(crate) fn one(target: &Local, draw: u64, asked: &Generate) -> Generation {
    target.generate(&[(draw, asked.clone())]).remove(0).unwrap()
}

#[test]
fn an_answer_does_not_depend_on_the_company_it_is_decoded_in() {
    for device in devices() {
        let target = local(device, never());
        let asked: Vec<(u64, Generate)> = (0..7)
            .map(|i| {
                let plain = Generate::to(format!("question {i}")).at(if i % 2 == 0 { 0.0 } else { 1.0 });
                (i, if i % 3 == 0 { plain.forcing(4, "the answer") } else { plain })
            })
            .collect();
        let together: Vec<_> = target.generate(&asked).into_iter().map(Result::unwrap).collect();
        for ((draw, g), seen) in asked.iter().zip(&together) {
            assert_eq!(&one(&target, *draw, g), seen);
        }
        let threads: Vec<Generation> = std::thread::scope(|scope| {
            let handles: Vec<_> = asked.iter().map(|(draw, g)| scope.spawn(|| one(&target, *draw, g))).collect();
            handles.into_iter().map(|h| h.join().unwrap()).collect()
        });
        assert_eq!(threads, together);
    }
}

#[test]
fn samples_differ_by_draw_and_repeat_with_it() {
    for device in devices() {
        let target = local(device, never());
        let asked = Generate::to("question").at(1.0);
        assert_eq!(one(&target, 1, &asked), one(&target, 1, &asked));
        assert_ne!(one(&target, 1, &asked).texts, one(&target, 2, &asked).texts);
    }
}

#[test]
fn scores_are_the_log_probabilities_the_estimators_say() {
    for device in devices() {
        let target = local(device, never());
        let asked = |estimator| Score {
            messages: Generate::to("question").messages,
            gen_length: None,
            offset: 3,
            text: "the answer is".into(),
            estimator,
            only: None,
        };
        let scored = [Estimator::Chain, Estimator::MeanField].map(|e| target.score(&[asked(e)]).remove(0).unwrap());
        assert_eq!(scored[0].forwards, scored[0].tokens.len());
        assert_eq!(scored[1].forwards, 1);
        assert_eq!(scored[0].tokens[0], scored[1].tokens[0], "the first token sees the same canvas");
        for token in scored.iter().flat_map(|s| &s.tokens) {
            assert!(token.logprob < 0.0);
            assert_eq!(token.rank == 0, token.logprob >= token.best_other);
        }
        assert!((scored[0].total() - scored[1].total()).abs() > 1e-9);
        let chain = &scored[0];
        assert_eq!(chain.length, chain.tokens.len());
        for (j, token) in chain.tokens.iter().enumerate() {
            let alone = target.score(&[Score { only: Some(j), ..asked(Estimator::Chain) }]).remove(0).unwrap();
            assert_eq!((alone.tokens.len(), alone.length, alone.forwards), (1, chain.length, 1));
            let one = &alone.tokens[0];
            assert_eq!((&one.text, one.rank), (&token.text, token.rank));
            assert!((one.logprob - token.logprob).abs() < 1e-4, "{} {}", one.logprob, token.logprob);
            // Five tokens, each at most as likely as the first, leave at least this much.
            let first = token.logprob.max(token.best_other).exp();
            assert!(
                token.beyond_five <= (1.0 - first).ln() + 1e-5
                    && token.beyond_five >= (1.0 - 5.0 * first).max(1e-9).ln()
            );
        }
        let beyond = Score { only: Some(chain.length), ..asked(Estimator::Chain) };
        assert!(
            matches!(target.score(&[beyond]).remove(0), Err(Unanswered::Failed(what)) if what.contains("no token"))
        );
    }
}

#[test]
fn proposals_come_best_first_and_the_gradient_is_of_use() {
    for device in devices() {
        let target = local(device, never());
        let asked = |gradient| Propose {
            messages: Generate::to("question").messages,
            suffix: "one two three four".into(),
            target: "the answer".into(),
            offset: 0,
            candidates: 24,
            top_k: 8,
            gradient,
            keep: 5,
            avoid: None,
        };
        let mean = |gradient| {
            let all: Vec<f64> = (0..4)
                .flat_map(|draw| {
                    let proposed = target.propose(draw, &asked(gradient)).unwrap();
                    assert!(proposed.len() <= 5 && proposed.windows(2).all(|w| w[0].loss <= w[1].loss));
                    proposed.into_iter().map(|p| p.loss)
                })
                .collect();
            all.iter().sum::<f64>() / all.len() as f64
        };
        assert!(mean(true) < mean(false));
    }
}

#[test]
fn a_proxy_proposes_and_the_target_does_everything_else() {
    for device in devices() {
        let (target, proxy) = (local(device, never()), with(device, never(), true));
        let both = Proxied::new(local(device, never()), with(device, never(), true));
        let asked = Propose {
            messages: Generate::to("question").messages,
            suffix: "one two".into(),
            target: "the answer".into(),
            offset: 0,
            candidates: 6,
            top_k: 8,
            gradient: true,
            keep: 3,
            avoid: None,
        };
        assert_eq!(both.propose(3, &asked).unwrap(), proxy.propose(3, &asked).unwrap());
        let question = Generate::to("question");
        assert_eq!(both.generate(&[(1, question.clone())]), target.generate(&[(1, question)]));
        assert_eq!(both.tokens("the answer").unwrap(), target.tokens("the answer").unwrap());
        assert!(both.abilities().is_superset(&target.abilities()));
    }
}

#[test]
fn a_proxy_of_the_same_vocabulary_proposes_words_and_the_target_chooses_among_them() {
    for device in devices() {
        let both = Proxied::new(local(device, never()), with(device, never(), true));
        assert!(both.abilities().contains(&Ability::Guide));
        let asked = |top, temperature| Guide {
            messages: Generate::to("question").messages,
            gen_length: None,
            opener: "the answer".into(),
            tokens: 6,
            top,
            temperature,
        };
        let write = |draw, top, temperature| both.write(draw, &asked(top, temperature)).unwrap();
        let greedy = write(0, 1, 0.0);
        assert!(greedy.text.starts_with("the answer") && greedy.tokens == 6 && greedy.forwards == 6, "{greedy:?}");
        // The models are the same: what the target likes best is what the proxy likes best, whatever else is proposed.
        assert_eq!(write(0, 5, 0.0), greedy);
        assert_eq!(write(0, 1, 1.0), greedy, "one proposal leaves no choice");
        let sampled: Vec<Written> = (0..8).map(|draw| write(draw, 5, 1.0)).collect();
        assert_eq!(write(3, 5, 1.0), sampled[3]);
        assert!(sampled.iter().any(|w| *w != sampled[0]));
        let cut = Guide { tokens: 99, ..asked(3, 0.0) };
        let opener = local(device, never()).tokens("the answer").unwrap().len();
        assert_eq!(both.write(0, &cut).unwrap().tokens, 24 - opener, "it ends with the response");
        let adapted = || adapted(device, never());
        let (own, other) = (greedy, Proxied::new(adapted(), adapted()).write(0, &asked(1, 0.0)).unwrap());
        assert_ne!(own, other);
        let mixed = Proxied::new(local(device, never()), adapted());
        assert_eq!(mixed.write(0, &asked(1, 0.0)).unwrap(), other, "one proposal is the proxy's word");
        assert_eq!(mixed.write(0, &asked(100_000, 0.0)).unwrap(), own, "of all tokens the target's is taken");

        let other = Proxied::new(
            local(device, never()),
            opened(device, "dream", never(), |ends| Options { gen_length: 24, ..Options::dream(ends) }),
        );
        assert!(!other.abilities().contains(&Ability::Guide));
        assert!(matches!(other.write(0, &asked(3, 0.0)), Err(Unanswered::Failed(what)) if what.contains("vocabulary")));
    }
}

#[test]
fn a_request_that_does_not_fit_fails_alone_and_an_interrupt_begins_nothing() {
    for device in devices() {
        let target = local(device, never());
        let bad = Generate::to("question").forcing(23, "words beyond the end of the response");
        assert!(
            matches!(target.generate(&[(0, bad)]).remove(0), Err(Unanswered::Failed(e)) if e.contains("24 positions"))
        );
        assert!(target.generate(&[(0, Generate::to("question"))])[0].is_ok());
        let asked = Interrupt::new();
        asked.ask();
        let stopped = local(device, asked);
        assert_eq!(stopped.generate(&[(0, Generate::to("question"))]), [Err(Unanswered::Interrupted)]);
    }
}

#[test]
fn a_decode_ends_with_the_step_in_which_a_stop_is_asked_for() {
    for device in devices() {
        let stop = Interrupt::new();
        // Thousands of steps, so that the stop comes in the middle of them.
        let target = opened(device, "llada", stop.clone(), |ends| Options {
            gen_length: 192,
            schedule: Schedule::Blocks { steps: 192, block_length: 192 },
            ..Options::llada(ends)
        });
        let asked: Vec<(u64, Generate)> = (0..200).map(|i| (i, Generate::to("question"))).collect();
        let answers = std::thread::scope(|scope| {
            let answers = scope.spawn(|| target.generate(&asked));
            std::thread::sleep(std::time::Duration::from_millis(100));
            stop.ask();
            answers.join().unwrap()
        });
        assert_eq!(answers.last(), Some(&Err(Unanswered::Interrupted)));
        assert!(answers.iter().all(|a| matches!(a, Ok(_) | Err(Unanswered::Interrupted))));
    }
}

#[test]
fn stopping_early_changes_no_text_that_is_judged() {
    for device in devices() {
        let (whole, early) = (local(device, never()), with(device, never(), true));
        for draw in 0..30 {
            let plain = Generate::to(format!("question {draw}")).at(1.0);
            for asked in [plain.clone(), plain.forcing(12, "the answer")] {
                let (a, b) = (one(&whole, draw, &asked), one(&early, draw, &asked));
                assert_eq!(a.text(), b.text());
                assert_eq!(a.texts.to_end, b.texts.to_end);
                assert_eq!(a.texts.without_forced, b.texts.without_forced);
            }
        }
    }
}

#[test]
fn everything_a_request_says_reaches_the_model() {
    for device in devices() {
        let target = local(device, never());
        let mut late = Generate::to("question");
        late.forced.push(Forced { offset: 6, text: "the answer".into(), step: 3, remask: true, ..Forced::default() });
        let answer = one(&target, 0, &late);
        assert!(answer.text().contains("the answer") && answer.steps[6].is_none());
        assert!(answer.steps.iter().flatten().all(|s| *s >= 3), "{:?}", answer.steps);

        let plain = one(&target, 5, &Generate::to("question"));
        let start: String = plain.pieces[2..].concat().trim_start().chars().take(3).collect();
        let constraint = Some(Constraint { offset: 2, forbidden: vec![start.clone()] });
        let other = one(&target, 5, &Generate { constraint, ..Generate::to("question") });
        assert!(!other.pieces[2..].concat().trim_start().starts_with(&start));
        assert!(other.forwards > plain.forwards, "its first tokens are chosen by passes of their own");

        let short = one(&target, 0, &Generate { gen_length: Some(12), ..Generate::to("question") });
        assert_eq!(short.pieces.len(), 12);
        let gaps = Generate { infill: true, gen_length: Some(0), ..Generate::to("first <mask:4> then <mask:3> done") };
        assert_eq!(one(&target, 0, &gaps).steps.iter().flatten().count(), 7);
    }
}

#[test]
fn of_words_that_are_written_in_part_only_those_tokens_stand_where_they_belong() {
    for device in devices() {
        let target = local(device, never());
        let text = "the answer is the question and the answer";
        let whole = one(&target, 0, &Generate::to("question").forcing(0, text));
        let forced = Forced { text: text.into(), revealed: Some(3), remask: true, ..Forced::default() };
        let answer = one(&target, 0, &Generate { forced: vec![forced], ..Generate::to("question") });
        let written: Vec<usize> = (0..answer.steps.len()).filter(|at| answer.steps[*at].is_none()).collect();
        assert_eq!(written.len(), 3, "{:?}", answer.steps);
        assert!(written.iter().all(|&at| answer.pieces[at].trim() == whole.pieces[at].trim()), "{:?}", answer.pieces);
    }
}

#[test]
fn two_models_that_propose_for_each_other_do_not_wait_for_each_other() {
    for device in devices() {
        let [(a, ends), (b, _)] = [false, true].map(|adapted| started(device, "llada", never(), adapted));
        let pair = |target: &Runtime, proxy: &Runtime| {
            Proxied::new(Local::new(target.clone(), blocks(ends)), Local::new(proxy.clone(), blocks(ends)))
        };
        let (forth, back, same) = (pair(&a, &b), pair(&b, &a), pair(&a, &a));
        let asked = Guide {
            messages: Generate::to("question").messages,
            gen_length: None,
            opener: String::new(),
            tokens: 12,
            top: 5,
            temperature: 1.0,
        };
        let alone: Vec<Written> = [&forth, &back, &same].iter().map(|both| both.write(1, &asked).unwrap()).collect();
        let together: Vec<Written> = std::thread::scope(|scope| {
            let asked = &asked;
            let write = |both| scope.spawn(move || Proxied::write(both, 1, asked).unwrap());
            [&forth, &back, &same].map(write).into_iter().map(|w| w.join().unwrap()).collect()
        });
        assert_eq!(together, alone);
    }
}
