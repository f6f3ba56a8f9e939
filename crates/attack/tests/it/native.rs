use crate::script::{Script, attack, survives_every_kill};
use mosa_attack::{
    Anchoring, Dija, Pad, PostContext, Prefill, Profile, Proposed, Reason, Said, SuffixSearch, TrajHijack,
};

#[test]
fn words_are_forced_where_and_when_the_attack_says() {
    let script = Script::new("step 1 .", "");
    attack(&Prefill { offset: 40, text: Some("the next step is to".into()), gen_length: None }, &script);
    attack(&Pad::default(), &script);
    attack(&TrajHijack { after: 8, text: Some("here is".into()) }, &script);
    attack(&PostContext { texts: vec!["that is all .".into()], gen_length: 96 }, &script);
    let asked = script.asked.lock().unwrap();
    let forced = |i: usize| -> Vec<(usize, usize, bool)> {
        asked[i].forced.iter().map(|f| (f.offset, f.step, f.remask)).collect()
    };
    assert_eq!(forced(0), [(40, 0, false)]);
    assert_eq!(forced(1), [(21, 0, false), (42, 0, false), (63, 0, false)]);
    assert_eq!(forced(2), [(0, 8, true)]);
    assert_eq!(forced(3), [(92, 0, false)]);
}

#[test]
fn the_record_counts_the_forced_tokens_and_not_the_words() {
    let mut script = Script::new("", "");
    script.answer = Box::new(|_| {
        let steps = [Some(0), None, None, None, Some(1)].to_vec();
        let pieces = ["a", "st", "ep", " 1", "b"].map(str::to_owned).to_vec();
        Ok(mosa_attack::Generation { steps, pieces, ..mosa_attack::Generation::plain("a step 1 b") })
    });
    let left = attack(&Prefill { offset: 1, text: Some("step 1".into()), gen_length: None }, &script);
    let forced = &left.answers[0].forced[0];
    assert_eq!((forced.offset, forced.tokens, forced.text.as_str()), (1, 3, "step 1"));
}

#[test]
fn words_forced_at_several_places_are_all_recorded_with_their_own_tokens() {
    let mut script = Script::new("", "");
    script.answer = Box::new(|_| {
        let steps = [Some(0), Some(2), None, None, None, None, Some(1)].to_vec();
        Ok(mosa_attack::Generation { steps, ..mosa_attack::Generation::plain("so a step 1 step 2 b") })
    });
    let pad = Pad { anchors: vec!["step 1".into(), "step 2".into()], gen_length: 9 };
    let forced = &attack(&pad, &script).answers[0].forced;
    let seen: Vec<_> = forced.iter().map(|f| (f.offset, f.tokens, f.text.as_str())).collect();
    assert_eq!(seen, [(2, 2, "step 1"), (4, 2, "step 2")]);
}

#[test]
fn a_prefill_without_words_draws_a_piece_of_a_procedure_and_takes_the_datas_target_at_the_start() {
    let script = Script::new("step 1 .", "");
    attack(&Prefill::default(), &script);
    attack(&Prefill { offset: 0, ..Prefill::default() }, &script);
    let asked = script.asked.lock().unwrap();
    assert!(mosa_attack::phrases::PROCEDURAL.contains(&asked[0].forced[0].text.as_str()));
    assert!(asked[1].forced[0].text.starts_with("Sure, here is"));
}

#[test]
fn anchoring_asks_once_per_step_and_hands_every_answer_in() {
    let script = Script::new("step 1 .", "");
    let left = attack(&Anchoring::default(), &script);
    assert_eq!(script.queries(), 5);
    assert_eq!(left.answers.len(), 5);
    let steps: Vec<usize> = script.asked.lock().unwrap().iter().map(|a| a.forced[0].step).collect();
    assert_eq!(steps, [1, 4, 8, 16, 32]);
}

#[test]
fn dija_fills_the_gaps_the_helper_made_or_appends_one() {
    let script = Script::new("filled", "fill <mask:12> and <mask:10>");
    let left = attack(&Dija::default(), &script);
    assert_eq!(left.cases[0].reason, Reason::Exhausted);
    let bare = Script::new("filled", "no gap");
    attack(&Dija::default().with_canvas(), &bare);
    let (one, two) = (script.asked.lock().unwrap()[0].clone(), bare.asked.lock().unwrap()[0].clone());
    assert!(one.infill && one.gen_length == Some(0) && one.prompt() == "fill <mask:12> and <mask:10>");
    assert!(two.infill && two.gen_length == Some(128) && two.prompt() == "no gap <mask:36>");
}

#[test]
fn dija_without_a_helper_that_helps_ends_unusable() {
    let mut script = Script::new("filled", "");
    script.reply = Box::new(|_, _| Ok(Said::Declined("no".into())));
    let left = attack(&Dija::default(), &script);
    assert_eq!((left.cases[0].reason, script.queries()), (Reason::HelperUnusable, 0));
}

#[test]
fn the_suffix_search_moves_to_every_proposal_and_submits_the_best_it_saw() {
    let mut script = Script::new("step 1 .", "");
    script.propose = Box::new(|p| {
        let n: u32 = p.suffix.strip_prefix('s').and_then(|n| n.parse().ok()).unwrap_or(0) + 1;
        vec![Proposed { suffix: format!("s{n}"), loss: f64::from((i64::from(n) - 3).unsigned_abs() as u32) }]
    });
    let left = attack(&SuffixSearch::profile(Profile::Smoke), &script);
    assert_eq!(script.queries(), 1);
    assert_eq!(left.cases[0].used.proposals, 5);
    assert!(left.answers[0].prompt.ends_with(" s3"), "{}", left.answers[0].prompt);
}

#[test]
fn killed_runs_of_all_of_them_end_in_the_same_records() {
    let make = || {
        let mut script = Script::new("step 1 .", "fill <mask:12>");
        script.propose = Box::new(|p| vec![Proposed { suffix: format!("{} x", p.suffix), loss: 1.0 }]);
        script
    };
    survives_every_kill(&Anchoring::default(), make);
    survives_every_kill(&Dija::default(), make);
    survives_every_kill(&SuffixSearch::profile(Profile::Smoke), make);
    survives_every_kill(&PostContext::default(), make);
}
