use crate::{devices, load, options, start, started};
use mosa_core::Interrupt;
use mosa_engine::{Ends, EngineError, Options, Schedule};
use mosa_runtime::{Ask, Constraint, Runtime, RuntimeError, Shown, When, Words, Written, words_at};
use mosa_text::{Message, Prompt};

fn ask(number: usize, said: &str) -> Ask {
    Ask::new(format!("a{number}"), Prompt::Chat(vec![Message::user(said)]))
}

fn text(offset: usize, words: &str) -> Written {
    Written { offset, words: Words::Text(words.into()), when: When::Step(0), remask: false }
}

fn one(runtime: &Runtime, asked: &Ask) -> Result<Shown, RuntimeError> {
    runtime.answer(&options(runtime), std::slice::from_ref(asked)).unwrap().remove(0)
}

#[test]
fn an_answer_does_not_depend_on_the_company_it_is_decoded_in() {
    for device in devices() {
        let runtime = start("llada", device);
        let asked: Vec<Ask> = (0..7)
            .map(|i| {
                let plain = Ask { temperature: Some((i % 2) as f64), ..ask(i, &format!("question {i}")) };
                let written = if i % 3 == 0 { vec![text(4, "the answer")] } else { Vec::new() };
                let forbidden = vec!["a".to_owned(), "t".to_owned()];
                let constraint = (i == 5).then_some(Constraint { offset: 2, forbidden, draw: 5 });
                Ask { written, constraint, gen_length: (i == 6).then_some(12), ..plain }
            })
            .collect();
        let together = runtime.answer(&options(&runtime), &asked).unwrap();
        for (asked, seen) in asked.iter().zip(&together) {
            assert_eq!(one(&runtime, asked).unwrap(), *seen.as_ref().unwrap());
        }
        let threads: Vec<Shown> = std::thread::scope(|scope| {
            let threads: Vec<_> = asked.iter().map(|a| scope.spawn(|| one(&runtime, a).unwrap())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(threads.iter().zip(&together).all(|(a, b)| a == b.as_ref().unwrap()));
    }
}

#[test]
fn written_words_stand_where_they_were_put_whenever_they_were_written() {
    for device in devices() {
        let runtime = start("llada", device);
        for (step, remask) in [(0, false), (3, false), (3, true)] {
            let written = vec![Written { when: When::Step(step), remask, ..text(6, "the answer") }];
            let answer = one(&runtime, &Ask { written, ..ask(0, "question") }).unwrap();
            let ids = words_at(runtime.text(), 6, "the answer").unwrap();
            assert!(answer.steps[6..6 + ids.len()].iter().all(Option::is_none) && answer.steps[0].is_some());
            assert!(answer.texts.after_forced.unwrap().contains("the answer"), "step {step}");
            if remask {
                assert!(answer.steps.iter().flatten().all(|s| *s >= 3), "{:?}", answer.steps);
            }
        }
    }
}

#[test]
fn words_and_the_tokens_they_are_make_the_same_answer() {
    for device in devices() {
        let runtime = start("llada", device);
        let prompt = Prompt::Chat(vec![Message::user("question")]);
        let ids = Prompt::Ids(runtime.text().encode(&prompt).unwrap());
        let tokens = Words::Tokens(words_at(runtime.text(), 4, "the answer").unwrap());
        let in_words = Ask { written: vec![text(4, "the answer")], ..Ask::new("same", prompt) };
        let written = vec![Written { words: tokens, ..text(4, "") }];
        let in_tokens = Ask { written, ..Ask::new("same", ids) };
        assert_eq!(one(&runtime, &in_words).unwrap(), one(&runtime, &in_tokens).unwrap());
    }
}

#[test]
fn words_that_would_come_after_the_last_step_are_an_error_and_no_answer_without_them() {
    for device in devices() {
        let runtime = start("llada", device);
        let before = |n, step| Ask {
            written: vec![Written { when: When::Step(step), ..text(6, "the answer") }],
            ..ask(n, "question")
        };
        let asked = [before(0, 3), before(1, 1000), ask(2, "question")];
        let answers = runtime.answer(&options(&runtime), &asked).unwrap();
        assert!(answers[0].as_ref().unwrap().texts.full.contains("the answer"), "its neighbours are as they were");
        assert!(answers[2].is_ok());
        let Err(RuntimeError::Request(what)) = &answers[1] else { panic!("{:?}", answers[1]) };
        assert!(what.contains("before step 1000") && what.contains("--steps"), "{what}");
    }
}

/// Tokens that are no plain answer's, from the beginning of the response on, written in part.
fn revealed(count: usize, length: usize) -> Written {
    let words = Words::Tokens((0..length as u32).map(|n| 100 + n).collect());
    Written { offset: 0, words, when: When::Revealed(count), remask: true }
}

/// Where an answer was written into, and the first step that revealed something behind that.
fn written_in(answer: &Shown) -> (Vec<usize>, Option<usize>) {
    let offsets = (0..answer.steps.len()).filter(|at| answer.steps[*at].is_none()).collect();
    (offsets, answer.steps.iter().flatten().min().copied())
}

#[test]
fn words_are_written_where_the_sampler_revealed_first_and_as_soon_as_it_did() {
    for device in devices() {
        let runtime = start("llada", device);
        let plain = one(&runtime, &ask(0, "question")).unwrap();
        for (count, length) in
            [(1, 20), (2, 20), (5, 20), (11, 20), (13, 20), (20, 20), (99, 20), (23, 24), (24, 24), (3, 99)]
        {
            let mut order: Vec<usize> = (0..length.min(24)).collect();
            let key = |at: &usize| (plain.steps[*at], -plain.confidences[*at].unwrap());
            order.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap());
            let mut first = order[..count.min(order.len())].to_vec();
            let due = first.iter().filter_map(|at| plain.steps[*at]).max().unwrap() + 1;
            first.sort_unstable();
            let written = vec![revealed(count, length)];
            let answer = one(&runtime, &Ask { written, ..ask(0, "question") }).unwrap();
            let (offsets, next) = written_in(&answer);
            assert_eq!((&offsets, next), (&first, (offsets.len() < 24).then_some(due)), "{count} of {length}");
            let until = first.last().unwrap() + 1;
            assert_eq!(answer.texts.after_forced.is_some(), until > 0);
        }
        // None is a plain answer, and no error.
        let none = one(&runtime, &Ask { written: vec![revealed(0, 20)], ..ask(0, "question") }).unwrap();
        assert_eq!((&none.pieces, &none.texts.after_forced), (&plain.pieces, &None));
    }
}

#[test]
fn what_masks_again_takes_back_an_answer_that_is_complete_before_its_time() {
    for device in devices() {
        let runtime = start("llada", device);
        let late = Written { when: When::Step(1000), remask: true, ..text(6, "the answer") };
        let answer = one(&runtime, &Ask { written: vec![late.clone()], ..ask(0, "question") }).unwrap();
        assert_eq!((written_in(&answer).1, answer.finish.as_str()), (Some(12), "length"));
        // A row that ends sooner: behind a block with a stop, or at an end token.
        let plain = runtime.answered(&options(&runtime), &[ask(0, "question")]).unwrap().remove(0).unwrap();
        let stop = plain.answer.ids[3];
        let ends = Ends { eos: stop, eot: None };
        let stops = Options { block_stops: vec![stop], ..options(&runtime) };
        let early = Options { stop_at_end: true, ends, ..options(&runtime) };
        for (own, latest) in [(stops, 6), (early, 6)] {
            for written in [late.clone(), revealed(20, 22)] {
                let is_counted = written.when == When::Revealed(20);
                let asked = Ask { written: vec![written], ..ask(0, "question") };
                let answer = runtime.answer(&own, &[asked]).unwrap().remove(0).unwrap();
                let (offsets, next) = written_in(&answer);
                assert!(next.is_some_and(|step| step <= latest), "{next:?}");
                assert!(!is_counted || offsets.len() == 20, "{offsets:?}");
            }
        }
    }
}

#[test]
fn a_forbidden_beginning_does_not_come_and_what_follows_stays_as_free_as_before() {
    for device in devices() {
        let runtime = start("llada", device);
        let mut forbidden: Vec<String> = Vec::new();
        for draw in 5..25 {
            let constraint = Some(Constraint { offset: 2, forbidden: forbidden.clone(), draw });
            let answer = one(&runtime, &Ask { constraint, temperature: Some(1.0), ..ask(0, "question") }).unwrap();
            let from = answer.pieces[2..].concat();
            assert!(forbidden.iter().all(|f| !from.trim_start().starts_with(f.as_str())), "{from:?} {forbidden:?}");
            // Choosing the first tokens has its own model calls.
            let chosen = answer.steps.iter().filter(|s| s.is_none()).count();
            assert_eq!(chosen > 0, !forbidden.is_empty());
            // This model breaks characters apart, and what stands for a broken one is no text that could be forbidden.
            let start: String =
                from.trim_start().chars().take_while(|c| *c != char::REPLACEMENT_CHARACTER).take(4).collect();
            if !start.trim().is_empty() {
                forbidden.push(start.trim().to_owned());
            }
        }
        assert!(forbidden.len() > 2, "{device:?}: {forbidden:?}");
    }
}

#[test]
fn masks_inside_the_prompt_are_filled_and_what_stands_between_them_stays() {
    for device in devices() {
        let asked = Ask { infill: true, gen_length: Some(0), ..ask(0, "first <mask:4> then <mask:3> done") };
        for family in ["llada", "dream"] {
            let runtime = start(family, device);
            let special = &runtime.text().special;
            let ends = Ends { eos: special.eos, eot: special.eot };
            let own = if family == "dream" { Options::dream(ends) } else { options(&runtime) };
            let answer = runtime.answer(&own, std::slice::from_ref(&asked)).unwrap().remove(0).unwrap();
            assert!(answer.texts.full.contains("then"), "{:?}", answer.texts);
            assert_eq!(answer.steps.iter().flatten().count(), 7, "{family}: one at a time");
            let fails = |asked: Ask, word: &str| matches!(one(&runtime, &asked), Err(RuntimeError::Request(what)) if what.contains(word));
            assert!(fails(Ask { infill: true, ..ask(1, "no masks") }, "<mask:N>"));
            assert!(fails(Ask { infill: true, ..ask(2, "<mask:many>") }, "how many"));
            assert!(fails(Ask { infill: true, ..ask(3, "<mask:99999999>") }, "65536"));
            assert!(fails(Ask { written: vec![text(0, "word")], ..asked.clone() }, "gaps"));
        }
    }
}

#[test]
fn the_mask_tokens_text_is_refused_unless_infilling_is_asked_for() {
    for device in devices() {
        let runtime = start("llada", device);
        let said = "first <|mdm_mask|> then <|mdm_mask|> done";
        for asked in [ask(0, said), Ask { written: vec![text(2, "x <|mdm_mask|>")], ..ask(0, "hello") }] {
            let error = one(&runtime, &asked).unwrap_err();
            assert!(matches!(&error, RuntimeError::Text(e) if e.to_string().contains("<|mdm_mask|>")), "{error}");
        }
        let filled = one(&runtime, &Ask { infill: true, gen_length: Some(0), ..ask(0, said) }).unwrap();
        assert_eq!(filled.steps.iter().flatten().count(), 2, "{:?}", filled.texts);
    }
}

#[test]
fn a_request_that_does_not_fit_fails_alone() {
    for device in devices() {
        let runtime = start("llada", device);
        let long = Ask { gen_length: Some(100_000), ..ask(1, "question") };
        let asked = [
            Ask { written: vec![text(23, "words beyond the end of the response")], ..ask(0, "question") },
            long,
            Ask {
                written: vec![Written { when: When::Step(2), ..text(23, "words beyond the end") }],
                ..ask(2, "question")
            },
            ask(3, "question"),
        ];
        let answers = runtime.answer(&options(&runtime), &asked).unwrap();
        assert!(matches!(&answers[0], Err(RuntimeError::Request(e)) if e.contains("24 positions")));
        assert!(matches!(&answers[1], Err(RuntimeError::Engine(EngineError::Option { .. }))), "{:?}", answers[1]);
        assert!(matches!(&answers[2], Err(RuntimeError::Request(e)) if e.contains("of 24")));
        assert_eq!(*answers[3].as_ref().unwrap(), one(&runtime, &asked[3]).unwrap());
    }
}

#[test]
fn the_sampler_stays_as_it_is_unless_another_length_is_asked_for() {
    let runtime = start("llada", devices()[0]);
    // More steps than positions: some reveal nothing.
    let slow = Options { schedule: Schedule::Blocks { steps: 96, block_length: 12 }, ..options(&runtime) };
    let with = |gen_length| {
        let asked = Ask { gen_length, ..ask(0, "question") };
        runtime.answer(&slow, &[asked]).unwrap().remove(0).unwrap()
    };
    let last = |shown: &Shown| shown.steps.iter().flatten().max().copied();
    let (as_it_is, stretched) = (with(None), with(Some(12)));
    assert_eq!(last(&as_it_is), Some(48 + 11), "the second block begins with the second half of the steps");
    assert_eq!((stretched.steps.len(), last(&stretched)), (12, Some(11)));
}

#[test]
fn a_stop_begins_nothing() {
    let stop = Interrupt::new();
    let runtime = started("llada", devices()[0], stop.clone(), 3);
    let (_, _, text_of) = load("llada", devices()[0]);
    assert_eq!(text_of.special, runtime.text().special);
    stop.ask();
    // Also what would not fit: nothing is said of a request that was not looked at.
    let bad = Ask { written: vec![text(99, "words")], ..ask(0, "question") };
    let answers = runtime.answer(&options(&runtime), &[ask(1, "question"), bad]).unwrap();
    assert!(answers.iter().all(crate::is_interrupted), "{answers:?}");
}
