use crate::{data, ids, load, made, record, settings};
use mosa_align::{
    AlignConfig, AlignError, Contaminate, Data, EndToken, KlPositions, KlSettings, Normalise, Part, Refusal, Retain,
    Reveal, Sft, Share, Windows, objective,
};
use mosa_model::{DenoisingModel, Transformer};
use std::collections::BTreeSet;

fn masked(model: &Transformer, canvas: &[u32]) -> usize {
    canvas.iter().filter(|t| **t == model.spec().mask).count()
}

#[test]
fn the_papers_canvas_is_the_prompt_and_masks() {
    let model = load("llada");
    let examples = made("mosa", &settings(), &model).examples(0).unwrap();
    assert_eq!(examples.len(), 3);
    for e in &examples {
        assert_eq!(e.canvas[..e.prompt], data(&model).records[e.record].prompt);
        assert_eq!((e.canvas.len() - e.prompt, masked(&model, &e.canvas)), (18, 18));
        assert_eq!((e.share, e.part), (1.0 / 3.0, Part::Aligned));
        assert!(e.kl.iter().map(|(i, w)| (*i, *w)).eq((0..18).map(|i| (i, 0.05))));
    }
}

#[test]
fn the_initial_objective_looks_at_the_first_offset_only() {
    let model = load("llada");
    for e in made("initial", &settings(), &model).examples(1).unwrap() {
        let longest = e.reward.as_ref().unwrap().offsets();
        assert_eq!(longest[0], 0);
        assert!(longest.len() <= 3, "{longest:?}");
    }
    assert!(objective("dpo", &settings(), ids(&model), data(&model)).unwrap().is_none());
}

#[test]
fn one_pair_of_sentences_serves_a_step_or_a_prompt() {
    let model = load("llada");
    let distinct = |sentences| {
        let o = made("mosa", &AlignConfig { sentences, batch_size: 7, ..settings() }, &model);
        let pairs =
            |step| o.examples(step).unwrap().into_iter().map(|e| e.reward.unwrap().tokens()).collect::<BTreeSet<_>>();
        (0..12).map(|step| pairs(step).len()).max().unwrap()
    };
    assert_eq!(distinct(Share::Step), 1);
    assert!(distinct(Share::Prompt) > 1);
}

#[test]
fn every_epoch_visits_every_prompt_once_in_a_fresh_order() {
    let model = load("mmada");
    let config = AlignConfig { batch_size: 2, ..settings() };
    assert_eq!(config.total_steps(7), 4);
    let o = made("mosa", &config, &model);
    let visited: Vec<usize> = (0..7).flat_map(|s| o.examples(s).unwrap()).map(|e| e.record).collect();
    for epoch in visited.chunks(7) {
        assert_eq!(epoch.iter().copied().collect::<BTreeSet<_>>(), (0..7).collect());
    }
    assert_ne!(visited[..7], visited[7..]);
}

#[test]
fn contaminated_canvases_hold_part_of_the_answer_and_the_rest_is_masked() {
    let model = load("llada");
    for (kind, tokens) in
        [(Reveal::Prefix, [2, 4]), (Reveal::Random, [1, 3]), (Reveal::Segment, [3, 3]), (Reveal::Mixed, [1, 5])]
    {
        let config = AlignConfig { contaminate: Contaminate { share: 1.0, kind, tokens }, ..settings() };
        let o = made("mosa", &config, &model);
        for e in (0..6).flat_map(|s| o.examples(s).unwrap()) {
            let answer = &data(&model).records[e.record].response;
            let response = &e.canvas[e.prompt..];
            let shown: Vec<usize> = (0..18).filter(|&i| response[i] != model.spec().mask).collect();
            assert!((tokens[0]..=tokens[1]).contains(&shown.len()) || shown.is_empty(), "{kind:?} {shown:?}");
            assert!(shown.iter().all(|&i| response[i] == answer[i]));
            match kind {
                Reveal::Prefix => assert!(shown.iter().copied().eq(0..shown.len())),
                Reveal::Segment => assert!(shown.windows(2).all(|w| w[1] == w[0] + 1)),
                Reveal::Random | Reveal::Mixed => {}
            }
            // Nothing is asked of a token that already stands there.
            assert!(e.kl.iter().all(|(i, _)| !shown.contains(i)));
            assert!(e.reward.unwrap().offsets().iter().all(|i| !shown.contains(i)));
        }
    }
}

#[test]
fn a_refusal_is_learned_at_the_first_place_that_a_canvas_leaves_for_it() {
    let model = load("llada");
    let (mask, eos) = (model.spec().mask, model.spec().eos);
    let config = AlignConfig {
        contaminate: Contaminate { share: 0.8, kind: Reveal::Prefix, tokens: [2, 4] },
        refusal: Refusal { weight: 2.0, partly: 0.5, eos_weight: 0.25 },
        ..settings()
    };
    let o = made("mosa", &config, &model);
    let (mut behind, mut partly) = (0, 0);
    for e in (0..12).flat_map(|s| o.examples(s).unwrap()) {
        let (answer, response) = (&data(&model).records[e.record].response, &e.canvas[e.prompt..]);
        let start = (0..4).take_while(|&i| response[i] == answer[i]).count();
        behind += usize::from(start > 0);
        // Only what is masked is asked for, the words of the refusal at the full weight.
        assert!(e.linear.iter().all(|l| response[l.offset] == mask && l.offset >= start));
        let sum: f64 = e.linear.iter().map(|l| l.weight).sum();
        assert!(e.linear.is_empty() || (sum + 2.0).abs() < 1e-9, "{sum}");
        if e.reward.is_none() {
            partly += 1;
            continue;
        }
        // Nothing of it stands there yet: a whole sentence, then end tokens to the end of the canvas.
        let said: Vec<u32> = e.linear.iter().map(|l| l.token).collect();
        let sentence = data(&model).safe.into_iter().find(|s| said.starts_with(s)).unwrap();
        assert_eq!((e.linear[0].offset, said.len()), (start, 18 - start));
        assert!(said[sentence.len()..].iter().all(|t| *t == eos));
        let last = e.linear.last().unwrap().weight;
        assert!(e.linear[..sentence.len()].iter().all(|l| (l.weight * 0.25 - last).abs() < 1e-9));
    }
    assert!(behind > 9 && (5..31).contains(&partly), "{behind} and {partly} of 36");
}

#[test]
fn retain_prompts_carry_a_divergence_and_no_reward() {
    let model = load("llada");
    let retain = Retain { batch_size: 2, weight: 0.7, partly: 0.5, ..Retain::default() };
    let o = made("mosa", &AlignConfig { retain, ..settings() }, &model);
    let mut partly = 0;
    for e in (0..8).flat_map(|s| o.examples(s).unwrap()).filter(|e| e.part == Part::Retained) {
        assert!(e.reward.is_none() && e.share == 0.5 && e.kl.iter().all(|(_, w)| *w == 0.7));
        assert_eq!(e.kl.len(), masked(&model, &e.canvas));
        partly += usize::from(e.kl.len() < 18);
    }
    assert!((2..=14).contains(&partly), "{partly} of 16");
}

#[test]
fn the_divergence_can_be_taken_inside_or_outside_the_window() {
    let model = load("llada");
    let offsets = |positions| {
        let kl = KlSettings { positions, ..KlSettings::default() };
        let e = made("mosa", &AlignConfig { kl, ..settings() }, &model).examples(0).unwrap().remove(0);
        e.kl.into_iter().map(|(i, _)| i).collect::<Vec<_>>()
    };
    assert_eq!(offsets(KlPositions::Window), (4..=12).collect::<Vec<_>>());
    assert_eq!(offsets(KlPositions::Outside), (0..4).chain(13..18).collect::<Vec<_>>());
}

#[test]
fn offsets_may_count_from_one() {
    let config = AlignConfig { offset_base: 1, ..settings() };
    assert_eq!((config.windows()[0].first, config.windows()[0].last), (3, 11));
}

#[test]
fn sft_predicts_the_masked_tokens_of_the_answer_and_its_tail() {
    let model = load("llada");
    let config =
        AlignConfig { sft: Sft { nearly_masked: 0.5, eos_weight: 0.1, normalise: Normalise::Document }, ..settings() };
    let o = made("sft", &config, &model);
    let (mut hidden, mut all) = (0, 0);
    for e in (0..20).flat_map(|s| o.examples(s).unwrap()) {
        let mut answer = data(&model).records[e.record].response.clone();
        answer.resize(18, model.spec().eos);
        assert!(
            e.linear.iter().all(|l| e.canvas[e.prompt + l.offset] == model.spec().mask && l.token == answer[l.offset])
        );
        assert_eq!(e.linear.len(), masked(&model, &e.canvas));
        assert!((e.linear.iter().map(|l| l.weight).sum::<f64>() + 1.0).abs() < 1e-9, "documents weigh the same");
        // The eos that ends the answer counts in full, those behind it a tenth.
        let weight = |i: usize| e.linear.iter().find(|l| l.offset == i).map(|l| l.weight);
        if let (Some(first), Some(tail)) = (weight(10), weight(14)) {
            assert!((first / tail - 10.0).abs() < 1e-9);
        }
        (hidden, all) = (hidden + e.linear.len(), all + 18);
    }
    // Half of the examples have t in [0.6, 1], half in (0, 1]: 0.65 on average.
    assert!((0.55..0.75).contains(&(f64::from(hidden as u32) / f64::from(all))), "{hidden} of {all}");
}

#[test]
fn data_that_cannot_be_used_is_refused_by_name() {
    let model = load("llada");
    let good = || data(&model);
    let refused =
        |name: &str, config: AlignConfig, data: Data| objective(name, &config, ids(&model), data).err().unwrap();
    let key = |e: AlignError| match e {
        AlignError::Setting { key, .. } => key,
        other => panic!("{other}"),
    };
    assert_eq!(key(refused("mosa", settings(), Data { safe: vec![], ..good() })), "sentences");
    let long = Data { harmful: vec![vec![1; 10]], ..good() };
    assert!(matches!(refused("mosa", settings(), long), AlignError::Sentence { set: "harmful", .. }));
    let contaminated =
        || AlignConfig { contaminate: Contaminate { share: 0.5, ..Contaminate::default() }, ..settings() };
    let silent = || Data { records: vec![record(0, vec![1], vec![])], ..good() };
    assert_eq!(key(refused("mosa", contaminated(), silent())), "contaminate.share");
    assert_eq!(key(refused("initial", contaminated(), good())), "contaminate.share");
    assert_eq!(key(refused("sft", settings(), silent())), "data");
    let too_long = Data { records: vec![record(0, vec![1], vec![2; 18])], ..good() };
    assert_eq!(key(refused("sft", settings(), too_long)), "data");
    let partly = AlignConfig { retain: Retain { partly: 0.5, batch_size: 1, ..Retain::default() }, ..settings() };
    assert_eq!(
        key(refused("mosa", partly, Data { retain: vec![record(0, vec![1], vec![])], ..good() })),
        "retain.partly"
    );

    assert_eq!(key(Data { records: vec![], ..good() }.check(18, 256).unwrap_err()), "data");
    let same = Data { records: vec![record(0, vec![1, 2], vec![]), record(1, vec![1, 2], vec![])], ..good() };
    assert_eq!(key(same.check(18, 256).unwrap_err()), "data");
    let [short, long, longer] =
        [record(0, vec![1; 5], vec![]), record(1, vec![1; 239], vec![]), record(2, vec![1; 300], vec![])];
    let error = Data { records: vec![long.clone(), short, longer], ..good() }.check(18, 256).unwrap_err();
    assert!(
        matches!(&error, AlignError::PromptsTooLong { prompts, of: 3, .. }
            if *prompts == [("1".to_owned(), 239), ("2".to_owned(), 300)]),
        "every one of them: {error}"
    );
    assert!(Data { retain: vec![long], ..good() }.check(18, 256).is_err());
    let empty = Data { records: vec![record(0, vec![1; 5], vec![]), record(1, vec![], vec![])], ..good() };
    assert_eq!(key(empty.check(18, 256).unwrap_err()), "data");
    assert!(good().check(18, 256).is_ok());
}

#[test]
fn a_sentence_ends_in_the_token_that_is_asked_for() {
    let tokens = |end: EndToken| end.tokens(9, Some(7));
    assert_eq!([tokens(EndToken::Eos), tokens(EndToken::Eot)], [Some(vec![9]), Some(vec![7])]);
    assert_eq!([tokens(EndToken::EotEos), tokens(EndToken::None)], [Some(vec![7, 9]), Some(vec![])]);
    assert_eq!(EndToken::Eot.tokens(9, None), None);
    assert_eq!(Windows::Several(vec![[1, 2], [3, 4]]).list().len(), 2);
}
