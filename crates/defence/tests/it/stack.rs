//! What a stack of defences does to requests and answers.

use crate::{ask, opened, options, start};
use mosa_core::Cause;
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, After, Ask, Before, Defence, Runtime, RuntimeError, Shown, Stack, When, Words, Written};
use std::sync::Arc;

/// Declines one request, and says what it saw of the others.
struct Declines(&'static str);

impl Defence for Declines {
    fn name(&self) -> &'static str {
        "declines"
    }

    fn before(&self, _: &Runtime, ask: &mut Ask, acts: &Acts) -> Result<Before, RuntimeError> {
        acts.spent(3);
        if ask.id != self.0 {
            return Ok(Before::Go);
        }
        acts.did(DefenceAct::new("declines", "declined"));
        Ok(Before::Decline("no .".into()))
    }
}

/// Answers in upper case.
struct Shouts(usize);

impl Defence for Shouts {
    fn name(&self) -> &'static str {
        "shouts"
    }

    fn draws(&self) -> usize {
        self.0
    }

    fn after(&self, _: &Runtime, _: &Ask, draws: &[Shown], _: &Acts) -> Result<After, RuntimeError> {
        assert_eq!(draws.len(), self.0);
        Ok(After::Answer(draws[0].texts.to_end.to_uppercase()))
    }
}

pub(crate) fn behind(runtime: &Runtime, stack: Vec<Arc<dyn Defence>>, ask: &Ask) -> Shown {
    let answers = runtime.defended(Stack::new(stack).unwrap()).answer(&options(runtime), std::slice::from_ref(ask));
    answers.unwrap().remove(0).unwrap()
}

#[test]
fn without_a_defence_nothing_changes_and_a_reminder_is_another_prompt() {
    let runtime = start("llada");
    let (request, reminder) = (ask("how"), opened(&runtime, "self-reminder:before=\"be good\",after=\"\""));
    let bare = runtime.answer(&options(&runtime), &[request.clone(), ask("be good\nhow")]).unwrap();
    let bare: Vec<Shown> = bare.into_iter().map(Result::unwrap).collect();
    assert_eq!(behind(&runtime, Vec::new(), &request), bare[0]);
    let renamed = Ask { id: "be good\nhow".into(), ..request };
    let reminded = behind(&runtime, vec![reminder.defence], &renamed);
    assert_eq!(reminded.texts, bare[1].texts);
    assert_eq!(reminded.defences.len(), 1);
    assert_eq!(reminder.settings["before"], "be good");
}

#[test]
fn a_declined_request_is_never_decoded_and_seen_by_the_defences_before_it_alone() {
    let runtime = start("llada");
    let declines = || Arc::new(Declines("how")) as Arc<dyn Defence>;
    let shouts = || Arc::new(Shouts(1)) as Arc<dyn Defence>;
    let inner = behind(&runtime, vec![declines(), shouts()], &ask("how"));
    assert_eq!((inner.texts.full.as_str(), inner.finish.as_str(), inner.forwards), ("no .", "declines", 3));
    assert_eq!(inner.defences[0].did, "declined");
    let outer = behind(&runtime, vec![shouts(), declines()], &ask("how"));
    assert_eq!((outer.texts.full.as_str(), outer.finish.as_str()), ("NO .", "shouts"));
    let asked = behind(&runtime, vec![declines()], &ask("what"));
    let plain = runtime.answer(&options(&runtime), &[ask("what")]).unwrap().remove(0).unwrap();
    assert_eq!((asked.texts, asked.forwards), (plain.texts, plain.forwards + 3));
}

#[test]
fn several_draws_cost_what_they_cost_and_two_defences_cannot_both_draw() {
    let runtime = start("llada");
    let drawn = behind(&runtime, vec![Arc::new(Shouts(3))], &ask("how"));
    let plain = runtime.answer(&options(&runtime), &[ask("how")]).unwrap().remove(0).unwrap();
    assert_eq!(drawn.forwards, 3 * plain.forwards);
    assert_eq!(drawn.texts.full, plain.texts.to_end.to_uppercase());
    let Err(error) = Stack::new(vec![Arc::new(Shouts(2)), Arc::new(Shouts(3))]) else { panic!("two draw") };
    assert!(error.to_string().contains("one of them"), "{error}");
}

#[test]
fn a_batch_and_requests_one_by_one_have_the_same_answers_behind_a_defence() {
    let runtime = start("llada");
    let stack = Stack::new(vec![Arc::new(Declines("b")), opened(&runtime, "self-reminder").defence]).unwrap();
    let (runtime, asks) = (runtime.defended(stack), [ask("a"), ask("b"), ask("c")]);
    let options = options(&runtime);
    let batch = runtime.begin_batch(&options, mosa_engine::Batching::Rows, &asks).unwrap().wait().unwrap();
    for (one, ask) in batch.into_iter().zip(&asks) {
        let alone = runtime.answer(&options, std::slice::from_ref(ask)).unwrap().remove(0).unwrap();
        assert_eq!(one.unwrap(), alone);
    }
}

#[test]
fn words_that_wait_for_revealed_positions_come_whatever_a_defence_does_to_the_order() {
    let runtime = start("llada");
    for typed in ["diffuguard:alpha=1,threshold=0", "diffuguard:alpha=1,threshold=0,remask=1,refine=2"] {
        let defended = runtime.defended(Stack::new(vec![opened(&runtime, typed).defence]).unwrap());
        for count in 1..=16 {
            let words = Words::Tokens((0..16).map(|n| 100 + n).collect());
            let written = vec![Written { offset: 0, words, when: When::Revealed(count), remask: true }];
            let asked = Ask { written, ..ask(&format!("how {count}")) };
            let answered = defended.answered(&options(&runtime), &[asked]).unwrap().remove(0).unwrap();
            let edits = answered.answer.trace.steps.iter().flat_map(|step| &step.edits);
            assert_eq!(edits.filter(|edit| edit.cause == Cause::Forced).count(), count, "{typed}");
            assert!(answered.shown.texts.after_forced.is_some() && answered.shown.defences.len() > 1);
        }
    }
}
