use crate::{blocks, decode, load, request};
use mosa_engine::{CacheMode, Commit, EndRule, Ends, EngineError, Options, RevealCount, Schedule};
use mosa_model::DenoisingModel;

#[test]
fn every_setting_that_cannot_be_used_is_refused_by_its_name() {
    let model = load("llada");
    let good = blocks(&model, 16, 8, 4);
    let dream = Options { gen_length: 16, ..Options::dream(good.ends) };
    good.check(model.spec()).unwrap();
    dream.check(model.spec()).unwrap();
    let timesteps = |steps, eps| Schedule::Timesteps { steps, eps, count: RevealCount::PerRow };
    for (name, options) in [
        ("gen-length", Options { gen_length: 0, ..good.clone() }),
        ("gen-length", Options { gen_length: 4096, ..good.clone() }),
        ("gen-length", blocks(&model, 16, 8, 5)),
        ("gen-length", blocks(&model, 16, 8, 0)),
        ("steps", blocks(&model, 16, 6, 4)),
        ("steps", blocks(&model, 16, 0, 4)),
        ("steps", Options { schedule: timesteps(0, 1e-3), ..dream.clone() }),
        ("eps", Options { schedule: timesteps(4, 0.0), ..dream.clone() }),
        ("alg", Options { commit: Commit::Origin, ..good.clone() }),
        ("threshold", Options { commit: Commit::Threshold(1.5), ..good.clone() }),
        ("factor", Options { commit: Commit::Factor(-1.0), ..good.clone() }),
        ("threshold", Options { commit: Commit::Threshold(0.9), ..dream.clone() }),
        ("cache", Options { cache: CacheMode::Dual, ..dream.clone() }),
        ("temperature", Options { temperature: -1.0, ..good.clone() }),
        ("temperature", Options { temperature: f64::NAN, ..good.clone() }),
        ("temperature", Options { temperature: f64::INFINITY, ..good.clone() }),
        ("temperature", Options { temperature: 1e-300, ..good.clone() }),
        ("temperature", Options { temperature: 1e300, ..good.clone() }),
        ("gen-length", Options { gen_length: usize::MAX, ..good.clone() }),
        ("steps", blocks(&model, 16, 4 * (usize::MAX / 4), 4)),
        ("steps", Options { schedule: timesteps(usize::MAX, 1e-3), ..dream.clone() }),
        ("eps", Options { schedule: timesteps(4, f64::NAN), ..dream.clone() }),
        ("factor", Options { commit: Commit::Factor(f64::INFINITY), ..good.clone() }),
        ("threshold", Options { commit: Commit::Threshold(f64::NAN), ..good.clone() }),
        ("top-p", Options { top_p: Some(f64::NAN), ..dream.clone() }),
        ("cfg-scale", Options { cfg_scale: f64::INFINITY, ..good.clone() }),
        ("alg-temp", Options { rank_temperature: Some(f64::NAN), ..dream.clone() }),
        ("cfg-scale", Options { cfg_scale: -0.5, ..good.clone() }),
        ("cfg-scale", Options { cfg_scale: 1.0, cache: CacheMode::Prefix, ..good.clone() }),
        ("top-p", Options { top_p: Some(0.0), ..dream.clone() }),
        ("top-k", Options { top_k: Some(0), ..dream.clone() }),
        ("top-p", Options { top_p: Some(0.5), ..good.clone() }),
        ("alg-temp", Options { rank_temperature: Some(-1.0), ..dream.clone() }),
        (
            "confidence-eos-eot-inf",
            Options { end_rule: EndRule::EndsLast, ends: Ends { eot: None, ..good.ends }, ..good.clone() },
        ),
    ] {
        match options.check(model.spec()) {
            Err(EngineError::Option { option, .. }) => assert!(option.contains(name), "{name}: {option}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn requests_that_do_not_fit_are_refused_before_anything_is_decoded() {
    let model = load("llada");
    let options = blocks(&model, 16, 16, 16);
    let vocab = model.spec().vocab as u32;
    for (what, bad) in [
        ("empty", crate::ask("bad", vec![])),
        ("context of 256", request(1, 250)),
        ("vocabulary", crate::ask("bad", vec![1, vocab])),
        ("offset 16", request(1, 4).with_forced([(16, 3)])),
        ("vocabulary", request(1, 4).with_forced([(0, vocab)])),
    ] {
        let error = decode(&model, &options, vec![request(0, 5), bad]).unwrap_err();
        assert!(matches!(&error, EngineError::Request { .. }) && error.to_string().contains(what), "{error}");
    }
}
