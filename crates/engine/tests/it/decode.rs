use crate::{blocks, decode, decode_in, load, load_on, on_devices, one, prompt, request};
use mosa_core::{Canvas, Cause};
use mosa_engine::{
    Batching, CacheMode, Commit, Control, EndRule, Finish, Observer, Options, Request, RevealCount, Schedule,
    StepRecord, generate,
};
use mosa_model::{Adapted, DenoisingModel, Transformer};

/// One of each way to decode.
fn variety(model: &Transformer) -> Vec<Options> {
    let base = blocks(model, 16, 8, 8);
    let dream = Options {
        gen_length: 16,
        schedule: Schedule::Timesteps { steps: 6, eps: 1e-3, count: RevealCount::PerRow },
        ..Options::dream(base.ends)
    };
    vec![
        base.clone(),
        Options { temperature: 0.8, ..base.clone() },
        Options { commit: Commit::Random, ..base.clone() },
        Options { cfg_scale: 1.0, ..base.clone() },
        Options { commit: Commit::Threshold(0.5), cache: CacheMode::Dual, ..base.clone() },
        Options { cache: CacheMode::Prefix, temperature: 0.3, ..base.clone() },
        Options { commit: Commit::LowConfidence, temperature: 0.5, top_p: Some(0.9), ..dream.clone() },
        Options { commit: Commit::Entropy, rank_temperature: Some(0.4), ..dream.clone() },
        Options { temperature: 0.7, top_k: Some(20), ..dream },
    ]
}

#[test]
fn an_answer_never_depends_on_the_batch_it_was_computed_in() {
    for name in ["llada", "dream"] {
        let model = load(name);
        for options in variety(&model) {
            let requests = || (0..5).map(|i| request(i, 6 + 3 * i)).collect::<Vec<_>>();
            let together = decode(&model, &options, requests()).unwrap();
            for (request, answer) in requests().into_iter().zip(together) {
                assert_eq!(one(&model, &options, request), answer, "{name} {options:?}");
            }
        }
    }
}

#[test]
fn a_padded_pass_decodes_the_same_tokens_as_rows_alone() {
    for name in ["llada", "dream", "mmada"] {
        let model = load(name);
        for options in variety(&model) {
            let requests = || (0..3).map(|i| request(i, 5 + 6 * i)).collect::<Vec<_>>();
            let rows = decode(&model, &options, requests()).unwrap();
            let padded = decode_in(Batching::SHARED, &model, &options, requests()).unwrap();
            for (a, b) in rows.iter().zip(&padded) {
                assert_eq!((&a.ids, a.forwards), (&b.ids, b.forwards), "{name} {options:?}");
            }
        }
    }
}

#[test]
fn the_trace_replays_to_the_answer_and_every_position_is_revealed_once() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for options in variety(&model) {
            let answer = one(&model, &options, request(3, 9).with_forced([(4, 7), (5, 8)]));
            let mut canvas = Canvas::new(&prompt(3, 9), 16, model.spec().mask);
            let mut committed = Vec::new();
            for edit in answer.trace.steps.iter().flat_map(|s| &s.edits) {
                assert_eq!(canvas.tokens()[edit.position], edit.before);
                match edit.cause {
                    Cause::Forced => canvas.force(edit.position, edit.token).unwrap(),
                    Cause::Committed => {
                        let p = edit.confidence.unwrap();
                        assert!((0.0..=1.0).contains(&p));
                        committed.push(edit.position);
                        canvas.commit(edit.position, edit.token, p).unwrap();
                    }
                    Cause::Remasked | Cause::Revised => panic!("nobody remasks or revises"),
                }
            }
            assert_eq!(canvas.response(), answer.ids);
            committed.sort_unstable();
            assert_eq!(committed, (9..25).filter(|p| ![13, 14].contains(p)).collect::<Vec<_>>());
            assert_eq!((answer.ids[4], answer.ids[5]), (7, 8));
        }
    });
}

#[test]
fn a_quota_needs_as_many_passes_as_steps_and_blocks_are_filled_in_order() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let answer = one(&model, &blocks(&model, 24, 12, 8), request(0, 7));
        assert_eq!(answer.forwards, 12);
        for record in &answer.trace.steps {
            let range = 7 + record.step.block * 8..7 + (record.step.block + 1) * 8;
            assert!(record.edits.len() == 2 && record.edits.iter().all(|e| range.contains(&e.position)));
        }
        // More steps than masks: passes that could reveal nothing are not run.
        assert_eq!(one(&model, &blocks(&model, 8, 20, 4), request(0, 7)).forwards, 8);
    });
}

#[test]
fn masks_inside_the_prompt_are_revealed_too() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let mask = model.spec().mask;
        let request = crate::ask("holes", vec![5, mask, 6, mask, 7]).with_infill();
        let answer = one(&model, &blocks(&model, 8, 8, 8), request);
        let inside = answer.trace.steps.iter().flat_map(|s| &s.edits).filter(|e| e.position < 5).count();
        assert!(inside > 0, "the sampler may take prompt positions before the block's");
    });
}

#[test]
fn stopping_at_the_end_gives_the_same_answer_with_less_work() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let (mut saved, mut ended) = (0, 0);
        for number in 0..40 {
            for base in
                [blocks(&model, 32, 32, 8), Options { commit: Commit::Threshold(0.4), ..blocks(&model, 32, 32, 8) }]
            {
                // Any frequent token can play the end token.
                let eos = one(&model, &base, request(number, 8)).ids[9];
                let base = Options { ends: mosa_engine::Ends { eos, eot: None }, ..base };
                let full = one(&model, &base, request(number, 8));
                let short = one(&model, &Options { stop_at_end: true, ..base }, request(number, 8));
                let end = full.ids.iter().position(|&t| t == eos).unwrap();
                assert_eq!(short.ids, full.ids[..=end]);
                assert_eq!((short.finish, full.finish), (Finish::End, Finish::End));
                assert!(short.forwards <= full.forwards);
                saved += full.forwards - short.forwards;
                ended += 1;
            }
        }
        assert!(saved > 5 * ended, "{saved} passes saved in {ended} answers");
    });
}

#[test]
fn end_rules_hold_the_end_tokens_back() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let mut chosen = 0;
        for number in 0..10 {
            // Frequent tokens play the end tokens.
            let free = one(&model, &blocks(&model, 16, 16, 16), request(number, 9));
            let (eos, eot) = (free.ids[3], free.ids[10]);
            let ends = mosa_engine::Ends { eos, eot: Some(eot) };
            let with =
                |end_rule| one(&model, &Options { ends, end_rule, ..blocks(&model, 16, 16, 16) }, request(number, 9));
            assert!(!with(EndRule::NeverEos).ids.contains(&eos));
            assert!(!with(EndRule::Both).ids.contains(&eos));
            let last = with(EndRule::EndsLast);
            for edit in last.trace.steps.iter().flat_map(|s| &s.edits) {
                let is_end = [eos, eot].contains(&edit.token);
                assert_eq!(is_end, edit.confidence == Some(0.0));
                chosen += usize::from(is_end);
            }
        }
        assert!(chosen > 0, "no end token was ever chosen");
    });
}

#[test]
fn the_seed_decides_every_random_draw() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let with =
            |seed| one(&model, &Options { temperature: 1.0, seed, ..blocks(&model, 16, 16, 16) }, request(0, 8)).ids;
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        let renamed = Request { id: "other".into(), ..request(0, 8) };
        assert_ne!(
            one(&model, &Options { temperature: 1.0, seed: 1, ..blocks(&model, 16, 16, 16) }, renamed).ids,
            with(1)
        );
    });
}

#[test]
fn sampled_tokens_follow_the_models_distribution() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let options =
            |id: usize| (Options { temperature: 1.0, seed: id as u64, ..blocks(&model, 1, 1, 1) }, request(0, 8));
        let draws: Vec<u32> = (0..1500).map(options).map(|(o, r)| one(&model, &o, r).ids[0]).collect();
        let canvas: Vec<u32> = prompt(0, 8).into_iter().chain([model.spec().mask]).collect();
        let logits = tch::no_grad(|| model.forward(mosa_model::Call::new(&[&canvas], &[(0, 8)]))).unwrap();
        let p = Vec::<f32>::try_from(logits.softmax(-1, tch::Kind::Float).get(0)).unwrap();
        let mut order: Vec<usize> = (0..p.len()).collect();
        order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
        for &token in &order[..3] {
            let seen = draws.iter().filter(|&&t| t as usize == token).count() as f64 / 1500.0;
            assert!((seen - f64::from(p[token])).abs() < 0.05, "token {token}: {seen} {}", p[token]);
        }
    });
}

#[test]
fn guidance_moves_the_answer_and_zero_guidance_does_not() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let with = |cfg_scale| one(&model, &Options { cfg_scale, ..blocks(&model, 16, 16, 16) }, request(1, 10)).ids;
        assert_eq!(with(0.0), one(&model, &blocks(&model, 16, 16, 16), request(1, 10)).ids);
        assert_ne!(with(3.0), with(0.0));
    });
}

#[test]
fn a_batch_mean_count_equals_the_per_row_count_when_all_rows_have_as_many_masks() {
    let model = load("dream");
    let options = |count| Options {
        gen_length: 16,
        schedule: Schedule::Timesteps { steps: 7, eps: 1e-3, count },
        commit: Commit::LowConfidence,
        ..Options::dream(blocks(&model, 16, 8, 8).ends)
    };
    let rows = || vec![request(0, 6), request(1, 11)];
    let (per_row, mean) = (
        decode(&model, &options(RevealCount::PerRow), rows()).unwrap(),
        decode(&model, &options(RevealCount::BatchMean), rows()).unwrap(),
    );
    assert_eq!(per_row, mean);
}

/// Interrupts after a number of steps.
struct After(usize);

impl Observer for After {
    fn after_step(&mut self, _row: usize, canvas: &Canvas, record: Option<&StepRecord>) -> Control {
        assert!(record.is_some_and(|r| r.edits.iter().all(|e| canvas.tokens()[e.position] == e.token)));
        self.0 -= 1;
        if self.0 == 0 { Control::Interrupt } else { Control::Continue }
    }
}

#[test]
fn an_interrupt_keeps_the_answers_that_are_complete() {
    let model = load("llada");
    let options = blocks(&model, 8, 8, 8);
    let requests = || (0..3).map(|i| request(i, 6).with_options(&options)).collect::<Vec<_>>();
    let all = decode(&model, &options, requests()).unwrap();
    let some = generate(Adapted::plain(&model), Batching::Rows, requests(), &mut After(20)).unwrap();
    assert_eq!(some, [Some(all[0].clone()), Some(all[1].clone()), None]);
}
