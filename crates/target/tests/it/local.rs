use mosa_attack::{
    Ability, Constraint, Estimator, Forced, Generate, Generation, Guide, Propose, Score, Target, Unanswered, Written,
};
use mosa_core::Interrupt;
use mosa_engine::{Batching, Ends, Options, Schedule};
use mosa_model::{Adapter, Checkpoint, DenoisingModel, ModelConfig, Transformer};
use mosa_target::{Local, Proxied};
use mosa_text::TextModel;
use std::path::PathBuf;
use tch::{Device, Kind};

fn local(stop: Interrupt) -> Local {
    with(stop, false)
}

fn with(stop: Interrupt, stop_at_end: bool) -> Local {
    opened("llada", stop, |ends| Options {
        gen_length: 24,
        schedule: Schedule::Blocks { steps: 12, block_length: 12 },
        stop_at_end,
        ..Options::llada(ends)
    })
}

fn opened(family: &str, stop: Interrupt, options: impl Fn(Ends) -> Options) -> Local {
    load(family, stop, options, false)
}

fn adapted(stop: Interrupt) -> Local {
    load("llada", stop, |ends| Options { gen_length: 24, ..Options::llada(ends) }, true)
}

fn load(family: &str, stop: Interrupt, options: impl Fn(Ends) -> Options, adapted: bool) -> Local {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(family);
    let config = ModelConfig::read(&dir.join("config.json")).unwrap();
    let text = TextModel::load(&dir, config.family, [config.mask, config.eos, config.pad]).unwrap();
    let checkpoint = Checkpoint::open(&dir).unwrap();
    let model = Transformer::load(&config, &checkpoint, Kind::Float, Device::Cpu).unwrap();
    let ends = Ends { eos: text.special.eos, eot: text.special.eot };
    let adapter = adapted.then(|| Adapter::load(&dir.join("adapter"), model.spec(), Device::Cpu).unwrap());
    Local::new((model, adapter, text), options(ends), (Batching::Rows, 3), stop)
}

fn never() -> Interrupt {
    Interrupt::new()
}

fn one(target: &Local, draw: u64, asked: &Generate) -> Generation {
    target.generate(&[(draw, asked.clone())]).remove(0).unwrap()
}

#[test]
fn an_answer_does_not_depend_on_the_company_it_is_decoded_in() {
    let target = local(never());
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

#[test]
fn samples_differ_by_draw_and_repeat_with_it() {
    let target = local(never());
    let asked = Generate::to("question").at(1.0);
    assert_eq!(one(&target, 1, &asked), one(&target, 1, &asked));
    assert_ne!(one(&target, 1, &asked).texts, one(&target, 2, &asked).texts);
}

#[test]
fn forced_words_stand_where_they_were_put_whenever_they_were_written() {
    let target = local(never());
    for (step, remask) in [(0, false), (3, false), (3, true)] {
        let mut asked = Generate::to("question");
        asked.forced.push(Forced { offset: 6, text: "the answer".into(), step, remask });
        let answer = one(&target, 0, &asked);
        let tokens = target.tokens(" the answer").unwrap();
        // A character that began before them may end in their first piece.
        assert!(answer.pieces[6..6 + tokens.len()].concat().ends_with(&tokens.concat()), "step {step}");
        assert!(answer.steps[6].is_none() && answer.steps[0].is_some());
        assert!(answer.text().contains("the answer"), "{:?}", answer.texts);
        if remask {
            assert!(answer.steps.iter().flatten().all(|s| *s >= 3), "{:?}", answer.steps);
        }
    }
}

#[test]
fn words_that_would_come_after_the_last_step_are_an_error_and_no_answer_without_them() {
    let target = local(never());
    let written_before = |step| {
        let mut asked = Generate::to("question");
        asked.forced.push(Forced { offset: 6, text: "the answer".into(), step, remask: false });
        asked
    };
    let answers = target.generate(&[(0, written_before(3)), (1, written_before(1000)), (2, Generate::to("question"))]);
    assert!(answers[0].as_ref().unwrap().text().contains("the answer"), "its neighbours are as they were");
    assert!(answers[2].is_ok());
    let Err(Unanswered::Failed(what)) = &answers[1] else { panic!("{:?}", answers[1]) };
    assert!(what.contains("before step 1000") && what.contains("--steps"), "{what}");
}

#[test]
fn a_forbidden_beginning_does_not_come_and_what_follows_stays_as_free_as_before() {
    let target = local(never());
    let mut asked = Generate::to("question").at(1.0);
    let mut forbidden: Vec<String> = Vec::new();
    for _ in 0..8 {
        asked.constraint = Some(Constraint { offset: 2, forbidden: forbidden.clone() });
        let answer = one(&target, 5, &asked);
        let from = answer.pieces[2..].concat();
        assert!(forbidden.iter().all(|f| !from.trim_start().starts_with(f.as_str())), "{from:?} {forbidden:?}");
        let start: String = from.trim_start().chars().take(4).collect();
        if start.trim().is_empty() {
            break;
        }
        forbidden.push(start.trim().to_owned());
    }
    assert!(forbidden.len() > 2);
}

#[test]
fn scores_are_the_log_probabilities_the_estimators_say() {
    let target = local(never());
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
            token.beyond_five <= (1.0 - first).ln() + 1e-5 && token.beyond_five >= (1.0 - 5.0 * first).max(1e-9).ln()
        );
    }
    let beyond = Score { only: Some(chain.length), ..asked(Estimator::Chain) };
    assert!(matches!(target.score(&[beyond]).remove(0), Err(Unanswered::Failed(what)) if what.contains("no token")));
}

#[test]
fn proposals_come_best_first_and_the_gradient_is_of_use() {
    let target = local(never());
    let asked = |gradient| Propose {
        messages: Generate::to("question").messages,
        suffix: "one two three four".into(),
        target: "the answer".into(),
        offset: 0,
        candidates: 24,
        top_k: 8,
        gradient,
        keep: 5,
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

#[test]
fn a_proxy_proposes_and_the_target_does_everything_else() {
    let (target, proxy) = (local(never()), with(never(), true));
    let both = Proxied::new(local(never()), with(never(), true));
    let asked = Propose {
        messages: Generate::to("question").messages,
        suffix: "one two".into(),
        target: "the answer".into(),
        offset: 0,
        candidates: 6,
        top_k: 8,
        gradient: true,
        keep: 3,
    };
    assert_eq!(both.propose(3, &asked).unwrap(), proxy.propose(3, &asked).unwrap());
    let question = Generate::to("question");
    assert_eq!(both.generate(&[(1, question.clone())]), target.generate(&[(1, question)]));
    assert_eq!(both.tokens("the answer").unwrap(), target.tokens("the answer").unwrap());
    assert!(both.abilities().is_superset(&target.abilities()));
}

#[test]
fn a_proxy_of_the_same_vocabulary_proposes_words_and_the_target_chooses_among_them() {
    let both = Proxied::new(local(never()), with(never(), true));
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
    let opener = local(never()).tokens("the answer").unwrap().len();
    assert_eq!(both.write(0, &cut).unwrap().tokens, 24 - opener, "it ends with the response");
    let adapted = || adapted(never());
    let (own, other) = (greedy, Proxied::new(adapted(), adapted()).write(0, &asked(1, 0.0)).unwrap());
    assert_ne!(own, other);
    let mixed = Proxied::new(local(never()), adapted());
    assert_eq!(mixed.write(0, &asked(1, 0.0)).unwrap(), other, "one proposal is the proxy's word");
    assert_eq!(mixed.write(0, &asked(100_000, 0.0)).unwrap(), own, "of all tokens the target's is taken");

    let other = Proxied::new(
        local(never()),
        opened("dream", never(), |ends| Options { gen_length: 24, ..Options::dream(ends) }),
    );
    assert!(!other.abilities().contains(&Ability::Guide));
    assert!(matches!(other.write(0, &asked(3, 0.0)), Err(Unanswered::Failed(what)) if what.contains("vocabulary")));
}

#[test]
fn masks_inside_the_prompt_are_filled_and_what_stands_between_them_stays() {
    let target = local(never());
    let asked = Generate { infill: true, gen_length: Some(0), ..Generate::to("first <mask:4> then <mask:3> done") };
    let answer = one(&target, 0, &asked);
    assert!(answer.texts.full.contains("then"), "{:?}", answer.texts);
    assert_eq!(answer.steps.iter().filter(|s| s.is_some()).count(), 7);
    let dream = opened("dream", never(), |ends| Options { gen_length: 24, ..Options::dream(ends) });
    let filled = one(&dream, 0, &asked);
    assert_eq!(filled.steps.iter().filter(|s| s.is_some()).count(), 7, "by Dream's own time grid");
    let none = Generate { infill: true, ..Generate::to("no masks") };
    assert!(matches!(target.generate(&[(0, none)]).remove(0), Err(Unanswered::Failed(e)) if e.contains("mask")));
}

#[test]
fn a_request_that_does_not_fit_fails_alone_and_an_interrupt_begins_nothing() {
    let target = local(never());
    let bad = Generate::to("question").forcing(23, "words beyond the end of the response");
    assert!(matches!(target.generate(&[(0, bad)]).remove(0), Err(Unanswered::Failed(e)) if e.contains("24 positions")));
    assert!(target.generate(&[(0, Generate::to("question"))])[0].is_ok());
    let asked = Interrupt::new();
    asked.ask();
    let stopped = local(asked);
    assert_eq!(stopped.generate(&[(0, Generate::to("question"))]), [Err(Unanswered::Interrupted)]);
}

#[test]
fn a_decode_ends_with_the_step_in_which_a_stop_is_asked_for() {
    let stop = Interrupt::new();
    // Thousands of steps, so that the stop comes in the middle of them.
    let target = opened("llada", stop.clone(), |ends| Options {
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

#[test]
fn stopping_early_changes_no_text_that_is_judged() {
    let (whole, early) = (local(never()), with(never(), true));
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

#[test]
fn the_mask_tokens_text_is_refused_unless_infilling_is_asked_for() {
    let target = local(never());
    let said = "first <|mdm_mask|> then <|mdm_mask|> done";
    for asked in [Generate::to(said), Generate::to("hello").forcing(2, "x <|mdm_mask|>")] {
        let answer = target.generate(&[(0, asked)]).remove(0);
        assert!(matches!(&answer, Err(Unanswered::Failed(e)) if e.contains("<|mdm_mask|>")), "{answer:?}");
    }
    let answer = one(&target, 0, &Generate { infill: true, gen_length: Some(0), ..Generate::to(said) });
    assert_eq!(answer.steps.iter().filter(|s| s.is_some()).count(), 2, "{:?}", answer.texts);
}
