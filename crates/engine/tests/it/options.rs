use crate::{blocks, decode, load, request};
use mosa_engine::{
    Batching, BlockQuota, CacheMode, Commit, Editing, EndRule, Ends, EngineError, MaskRule, Options, RevealCount,
    Schedule,
};
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
        let of_its_kind = match what {
            "context of 256" => matches!(&error, EngineError::NoRoom { tokens: 250, context: 256, .. }),
            _ => matches!(&error, EngineError::Request { .. }),
        };
        assert!(of_its_kind && error.to_string().contains(what), "{error}");
    }
}

#[test]
fn options_read_back_as_they_were_written() {
    let ends = Ends { eos: 7, eot: Some(8) };
    let everything = Options {
        gen_length: 64,
        schedule: Schedule::Timesteps { steps: 9, eps: 0.02, count: RevealCount::BatchMean },
        commit: Commit::Factor(1.5),
        temperature: 0.7,
        top_p: Some(0.9),
        top_k: Some(40),
        rank_temperature: Some(0.3),
        cfg_scale: 2.0,
        end_rule: EndRule::EndsLast,
        mask_rule: MaskRule::Allow,
        cache: CacheMode::Dual,
        stop_at_end: true,
        block_stops: vec![7, 8],
        seed: u64::MAX,
        ends,
    };
    let editing = Some(Editing { threshold: 0.5, max_post_steps: 16 });
    let blocks = Options {
        schedule: Schedule::BlockDiffusion { block_length: 32, quota: BlockQuota::PerStep(2), editing },
        commit: Commit::EntropyBounded(0.35),
        ..Options::block_diffusion(ends, 32)
    };
    for options in [Options::llada(ends), Options::dream(Ends { eot: None, ..ends }), everything, blocks] {
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options, "{text}");
    }
    for batching in [Batching::Rows, Batching::SHARED] {
        let text = serde_json::to_string(&batching).unwrap();
        assert_eq!(serde_json::from_str::<Batching>(&text).unwrap(), batching, "{text}");
    }
}

#[test]
fn serialised_options_are_named_as_their_fields_and_enums_in_snake_case() {
    let options = Options { end_rule: EndRule::NeverEos, ..Options::llada(Ends { eos: 7, eot: None }) };
    let value = serde_json::to_value(&options).unwrap();
    assert_eq!(value["schedule"], serde_json::json!({ "blocks": { "steps": 128, "block_length": 128 } }));
    assert_eq!((value["commit"].as_str(), value["end_rule"].as_str()), (Some("low_confidence"), Some("never_eos")));
    assert_eq!((value["mask_rule"].as_str(), value["cache"].as_str()), (Some("suppress"), Some("none")));
    assert_eq!(serde_json::to_value(Commit::Threshold(0.5)).unwrap(), serde_json::json!({ "threshold": 0.5 }));
    assert_eq!(serde_json::to_value(Batching::Rows).unwrap(), "rows");
    assert_eq!(
        serde_json::to_value(Batching::Shared { tokens: 9 }).unwrap(),
        serde_json::json!({ "shared": { "tokens": 9 } })
    );
}

#[test]
fn what_was_written_before_a_setting_existed_reads_as_its_default() {
    let old = r#"{"gen_length": 32, "schedule": {"timesteps": {"steps": 4, "eps": 0.001}}, "commit": "origin", "ends": {"eos": 7}}"#;
    let want = Options {
        gen_length: 32,
        schedule: Schedule::Timesteps { steps: 4, eps: 1e-3, count: RevealCount::PerRow },
        ..Options::dream(Ends { eos: 7, eot: None })
    };
    assert_eq!(serde_json::from_str::<Options>(old).unwrap(), want);
    assert!(serde_json::from_str::<Options>(r#"{"gen_length": 32}"#).is_err());
}
