use crate::{blocks, decode, decode_in, load_on, on_devices, one, request};
use mosa_core::{Canvas, Cause};
use mosa_engine::{
    Batching, CacheMode, Commit, EngineError, Finish, Flow, HiddenAt, Intervention, Options, Pass, Step,
};
use mosa_model::DenoisingModel;
use std::sync::{Arc, Mutex};
use tch::Tensor;

/// Writes tokens at response offsets before one step.
struct Write {
    clock: u64,
    tokens: Vec<(usize, u32)>,
}

impl Intervention for Write {
    fn name(&self) -> &str {
        "write"
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if step.clock == self.clock {
            for &(offset, token) in &self.tokens {
                canvas.force(canvas.response_start() + offset, token)?;
            }
        }
        Ok(())
    }
}

/// Never lets a token be chosen.
struct Forbid(u32);

impl Intervention for Forbid {
    fn name(&self) -> &str {
        "forbid"
    }

    fn edit_logits(&mut self, _: Step, _: &Canvas, positions: &[usize], logits: Tensor) -> Result<Tensor, EngineError> {
        assert_eq!(logits.size()[0], positions.len() as i64);
        let _ = logits.f_select(1, i64::from(self.0))?.f_fill_(f64::NEG_INFINITY)?;
        Ok(logits)
    }
}

/// Notes every call.
struct Log {
    name: &'static str,
    calls: Arc<Mutex<Vec<String>>>,
    hidden: bool,
}

impl Log {
    fn note(&self, what: &str) {
        self.calls.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl Intervention for Log {
    fn name(&self) -> &str {
        self.name
    }

    fn edit_canvas(&mut self, step: Step, _: &mut Canvas) -> Result<(), EngineError> {
        self.note(&format!("canvas {}.{}", step.block, step.step));
        Ok(())
    }

    fn wants_hidden(&self) -> bool {
        self.hidden
    }

    fn edits_hidden(&self) -> bool {
        false
    }

    fn edit_hidden(&mut self, _: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        assert_eq!(hidden.size()[0] as usize, at.positions.len());
        self.note(&format!("hidden {} {:?} {:?}", at.layer, at.positions, at.pass));
        Ok(hidden)
    }

    fn edit_logits(&mut self, _: Step, _: &Canvas, _: &[usize], logits: Tensor) -> Result<Tensor, EngineError> {
        self.note("logits");
        Ok(logits)
    }

    fn after_block(&mut self, step: Step, _: &mut Canvas) -> Result<Flow, EngineError> {
        self.note(&format!("after {}", step.block));
        Ok(Flow::Continue)
    }
}

#[test]
fn writing_before_the_first_step_equals_forced_tokens() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for options in [
            blocks(&model, 16, 8, 8),
            Options { cfg_scale: 1.0, ..blocks(&model, 16, 8, 16) },
            Options { commit: Commit::Threshold(0.5), ..blocks(&model, 16, 8, 8) },
        ] {
            let tokens = vec![(9, 4), (10, 5), (11, 6)];
            let forced = one(&model, &options, request(2, 8).with_forced(tokens.clone()));
            let written =
                one(&model, &options, request(2, 8).with_interventions(vec![Box::new(Write { clock: 0, tokens })]));
            assert_eq!(forced.ids, written.ids);
            assert_eq!(
                forced.trace.steps.first().map(|s| s.edits.iter().filter(|e| e.cause == Cause::Forced).count()),
                Some(3)
            );
        }
    });
}

#[test]
fn an_attack_and_a_defence_compose() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let options = blocks(&model, 16, 16, 16);
        let plain = one(&model, &options, request(4, 8));
        let unwanted = plain.ids[7];
        let attack = || Box::new(Write { clock: 3, tokens: vec![(12, unwanted)] }) as Box<dyn Intervention>;
        let attacked = one(&model, &options, request(4, 8).with_interventions(vec![attack()]));
        assert_eq!(attacked.ids[12], unwanted);
        let both = one(&model, &options, request(4, 8).with_interventions(vec![attack(), Box::new(Forbid(unwanted))]));
        let elsewhere = both.ids.iter().enumerate().filter(|(i, t)| *i != 12 && **t == unwanted).count();
        assert_eq!((both.ids[12], elsewhere), (unwanted, 0));
    });
}

#[test]
fn interventions_run_in_list_order_at_each_point_of_a_step() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let log = |name, hidden| Box::new(Log { name, calls: Arc::clone(&calls), hidden }) as Box<dyn Intervention>;
        one(&model, &blocks(&model, 4, 2, 2), request(0, 5).with_interventions(vec![log("a", false), log("b", true)]));
        let per_block = |block: usize| {
            let mut v: Vec<String> = Vec::new();
            v.extend([format!("a canvas {block}.0"), format!("b canvas {block}.0")]);
            v.extend(
                ["b hidden 0 0..9 Conditional", "b hidden 1 0..9 Conditional", "a logits", "b logits"]
                    .map(String::from),
            );
            v.extend([format!("a after {block}"), format!("b after {block}")]);
            v
        };
        assert_eq!(*calls.lock().unwrap(), [per_block(0), per_block(1)].concat());
    });
}

#[test]
fn hidden_states_are_the_rows_own_under_guidance_padding_and_caches() {
    on_devices(|device| {
        let model = load_on("llada", device);
        let base = blocks(&model, 4, 4, 4);
        let run = |batching, options: &Options| {
            let calls = Arc::new(Mutex::new(Vec::new()));
            let log =
                |name| vec![Box::new(Log { name, calls: Arc::clone(&calls), hidden: true }) as Box<dyn Intervention>];
            let requests =
                vec![request(0, 5).with_interventions(log("short")), request(1, 9).with_interventions(log("long"))];
            decode_in(batching, &model, options, requests).unwrap();
            let calls = calls.lock().unwrap();
            calls.iter().filter(|c| c.contains("hidden 0")).cloned().collect::<Vec<_>>()
        };
        let padded = run(Batching::SHARED, &base);
        assert_eq!(padded[..2], ["short hidden 0 0..9 Conditional", "long hidden 0 0..13 Conditional"]);
        let guided = run(Batching::Rows, &Options { cfg_scale: 1.0, ..base.clone() });
        assert_eq!(guided[..2], ["short hidden 0 0..9 Conditional", "short hidden 0 0..9 Unconditional"]);
        let cached = run(Batching::Rows, &Options { cache: CacheMode::Dual, ..base });
        assert_eq!(cached[..2], ["short hidden 0 0..9 Conditional", "short hidden 0 5..9 Conditional"]);
    });
}

/// Adds a constant to the hidden states of some passes.
struct Steer(Option<Pass>);

impl Intervention for Steer {
    fn name(&self) -> &str {
        "steer"
    }

    fn wants_hidden(&self) -> bool {
        self.0.is_some()
    }

    fn edit_hidden(&mut self, _: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        Ok(if Some(at.pass) == self.0 && at.layer == 0 { hidden.f_add_scalar(3.0)? } else { hidden })
    }
}

#[test]
fn steering_hidden_states_changes_the_answer_of_that_row_only() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for batching in [Batching::Rows, Batching::SHARED] {
            let options = blocks(&model, 12, 12, 12);
            let with = |steer: Option<Pass>| {
                let steered = request(0, 8).with_interventions(vec![Box::new(Steer(steer))]);
                decode_in(batching, &model, &options, vec![steered, request(1, 6)]).unwrap()
            };
            let (plain, steered) = (with(None), with(Some(Pass::Conditional)));
            assert_ne!(plain[0].ids, steered[0].ids);
            assert_eq!(plain[1].ids, steered[1].ids);
        }
    });
}

/// Masks some offsets again after the first block, once.
struct Redo {
    steps: usize,
    done: bool,
}

impl Intervention for Redo {
    fn name(&self) -> &str {
        "redo"
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if std::mem::replace(&mut self.done, true) || step.block > 0 {
            return Ok(Flow::Continue);
        }
        for offset in [1, 2, 5] {
            canvas.remask(canvas.response_start() + offset)?;
        }
        Ok(Flow::Repeat { steps: self.steps })
    }
}

#[test]
fn a_repeated_block_reveals_what_was_masked_again_in_the_steps_it_was_given() {
    on_devices(|device| {
        let model = load_on("llada", device);
        for (name, options) in [
            ("llada", blocks(&model, 16, 8, 8)),
            ("llada", Options { commit: Commit::Threshold(0.99), ..blocks(&model, 16, 8, 8) }),
            ("dream", Options { gen_length: 16, ..Options::dream(blocks(&model, 16, 8, 8).ends) }),
        ] {
            let model = load_on(name, device);
            let plain = one(&model, &options, request(0, 8));
            let redone =
                one(&model, &options, request(0, 8).with_interventions(vec![Box::new(Redo { steps: 3, done: false })]));
            assert!(!redone.ids.contains(&model.spec().mask), "{name} {options:?}");
            let remasked: Vec<usize> = redone
                .trace
                .steps
                .iter()
                .flat_map(|s| &s.edits)
                .filter(|e| e.cause == Cause::Remasked)
                .map(|e| e.position - 8)
                .collect();
            assert_eq!(remasked, [1, 2, 5]);
            if options.commit == Commit::LowConfidence {
                assert_eq!(redone.forwards, plain.forwards + 3);
            }
        }
    });
}

#[test]
fn remasking_in_the_middle_of_a_block_is_made_up_for_within_the_block() {
    on_devices(|device| {
        struct Undo;
        impl Intervention for Undo {
            fn name(&self) -> &str {
                "undo"
            }

            fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
                if step.clock == 2 {
                    for p in canvas.response_start()..canvas.len() {
                        if !canvas.is_masked(p) {
                            canvas.remask(p)?;
                        }
                    }
                }
                Ok(())
            }
        }
        let model = load_on("llada", device);
        let answer = one(&model, &blocks(&model, 12, 6, 12), request(0, 8).with_interventions(vec![Box::new(Undo)]));
        assert!(!answer.ids.contains(&model.spec().mask));
        let commits: Vec<usize> =
            answer.trace.steps.iter().map(|s| s.edits.iter().filter(|e| e.cause == Cause::Committed).count()).collect();
        assert_eq!(commits, [2, 2, 3, 3, 3, 3]);
    });
}

#[test]
fn an_intervention_can_stop_its_row_and_is_named_for_it() {
    on_devices(|device| {
        struct Stop;
        impl Intervention for Stop {
            fn name(&self) -> &str {
                "early-reject"
            }

            fn after_block(&mut self, _: Step, _: &mut Canvas) -> Result<Flow, EngineError> {
                Ok(Flow::Stop)
            }
        }
        let model = load_on("llada", device);
        let answers = decode(
            &model,
            &blocks(&model, 16, 8, 8),
            vec![request(0, 6).with_interventions(vec![Box::new(Stop)]), request(1, 6)],
        )
        .unwrap();
        assert_eq!(answers[0].finish, Finish::Stopped("early-reject".into()));
        // What was never revealed is not part of the answer.
        assert_eq!(answers[0].ids.len(), 8);
        assert!(!answers[0].ids.contains(&model.spec().mask));
        assert_eq!(answers[0].forwards, 4);
        assert_ne!(answers[1].finish, answers[0].finish);
    });
}

#[test]
fn an_error_in_an_intervention_ends_the_decode_with_its_message() {
    on_devices(|device| {
        struct Broken(bool);
        impl Intervention for Broken {
            fn name(&self) -> &str {
                "broken"
            }

            fn wants_hidden(&self) -> bool {
                self.0
            }

            fn edit_canvas(&mut self, _: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
                if self.0 { Ok(()) } else { Ok(canvas.force(999, 1)?) }
            }

            fn edit_hidden(&mut self, _: Step, _: &HiddenAt, _: Tensor) -> Result<Tensor, EngineError> {
                Err(EngineError::Intervention { name: "broken".into(), what: "no direction loaded".into() })
            }
        }
        let model = load_on("llada", device);
        let fail = |hidden| {
            let request = request(0, 6).with_interventions(vec![Box::new(Broken(hidden))]);
            decode(&model, &blocks(&model, 8, 8, 8), vec![request]).unwrap_err().to_string()
        };
        assert_eq!(fail(true), "intervention broken: no direction loaded");
        assert!(fail(false).contains("999"));
    });
}
