use mosa_align::{AlignConfig, AlignError, Contaminate, LoraTargets, Refusal, Retain, Windows};
use mosa_model::Targets;

#[test]
fn the_defaults_are_the_papers() {
    let c = AlignConfig::default();
    assert_eq!((c.lr, c.beta, c.clip, c.window.list(), c.canvas_length), (5e-5, 0.05, 0.01, vec![[20, 60]], 128));
    assert_eq!((c.lora.r, c.lora.alpha, c.batch_size, c.epochs), (32, 64.0, 4, 1));
    assert_eq!(c.total_steps(3000), 750);
    assert_eq!((c.vrpo.beta, c.vrpo.draws, c.vrpo.sft_weight, c.a2d.refusals), (0.2, 8, 0.05, true));
    c.check().unwrap();
}

#[test]
fn unknown_keys_and_values_are_refused() {
    let read = |text: &str| serde_json::from_str::<AlignConfig>(text);
    assert_eq!(read(r#"{"beta": 0.1, "lora": {"r": 8}}"#).unwrap(), {
        let mut c = AlignConfig { beta: 0.1, ..AlignConfig::default() };
        c.lora.r = 8;
        c
    });
    assert!(read(r#"{"betta": 0.1}"#).unwrap_err().to_string().contains("betta"));
    assert!(read(r#"{"lora": {"rank": 8}}"#).unwrap_err().to_string().contains("rank"));
    assert!(read(r#"{"placement": "anywhere"}"#).is_err());
    assert!(read(r#"{"retain": {"share": 0.5}}"#).unwrap_err().to_string().contains("share"));
    for objective in ["a2d", "vrpo", "recovery"] {
        let error = read(&format!(r#"{{"{objective}": {{"tau": 0.5}}}}"#)).unwrap_err().to_string();
        assert!(error.contains("tau"), "{error}");
    }
    assert_eq!(read(r#"{"window": [[0, 4], [6, 9]]}"#).unwrap().window.list(), [[0, 4], [6, 9]]);
}

#[test]
fn values_that_cannot_be_used_are_refused_by_key() {
    let base = AlignConfig::default;
    let one = |text: &str| serde_json::from_str::<AlignConfig>(text).unwrap();
    let mut lora = base();
    lora.lora.r = 0;
    for (key, config) in [
        ("steps", AlignConfig { steps: Some(0), ..base() }),
        ("epochs", AlignConfig { epochs: 0, ..base() }),
        ("batch_size", AlignConfig { batch_size: 0, ..base() }),
        ("lr", AlignConfig { lr: f64::NAN, ..base() }),
        ("clip", AlignConfig { clip: 0.0, ..base() }),
        ("beta", AlignConfig { beta: -0.1, ..base() }),
        ("weight_decay", AlignConfig { weight_decay: -0.1, ..base() }),
        ("window", AlignConfig { window: Windows::One([60, 20]), ..base() }),
        ("window", AlignConfig { window: Windows::One([20, 128]), ..base() }),
        ("window", AlignConfig { window: Windows::Several(vec![]), ..base() }),
        ("window", AlignConfig { window: Windows::One([0, 5]), offset_base: 1, ..base() }),
        ("offset_base", AlignConfig { offset_base: 2, ..base() }),
        ("betas", AlignConfig { betas: [0.9, 1.0], ..base() }),
        ("harmful_floor", AlignConfig { harmful_floor: Some(3.0), ..base() }),
        ("safe_weight", AlignConfig { safe_weight: -1.0, ..base() }),
        ("refusal.weight", AlignConfig { refusal: Refusal { weight: -1.0, ..Refusal::default() }, ..base() }),
        ("refusal.partly", AlignConfig { refusal: Refusal { partly: 1.5, ..Refusal::default() }, ..base() }),
        ("tau", AlignConfig { tau: 0.0, ..base() }),
        (
            "contaminate.share",
            AlignConfig { contaminate: Contaminate { share: 1.5, ..Contaminate::default() }, ..base() },
        ),
        ("retain.weight", AlignConfig { retain: Retain { weight: -1.0, ..Retain::default() }, ..base() }),
        ("keep_last", AlignConfig { keep_last: 0, ..base() }),
        ("lora.r", lora),
        ("lora.r", one(r#"{"lora": {"r": 1000000000}}"#)),
        ("lora.alpha", one(r#"{"lora": {"alpha": 1e300}}"#)),
        ("steps", one(r#"{"steps": 1000000000000}"#)),
        ("epochs", one(r#"{"epochs": 18446744073709551615}"#)),
        ("batch_size", one(r#"{"batch_size": 1000000000}"#)),
        ("micro_batch_size", one(r#"{"micro_batch_size": 1000000000}"#)),
        ("retain.batch_size", one(r#"{"retain": {"batch_size": 1000000000}}"#)),
        ("canvas_length", one(r#"{"canvas_length": 18446744073709551615}"#)),
        ("contaminate.tokens", one(r#"{"contaminate": {"tokens": [1, 18446744073709551615]}}"#)),
        ("warmup_steps", one(r#"{"warmup_steps": 18446744073709551615}"#)),
        ("save_every", one(r#"{"save_every": 1000000000}"#)),
        ("keep_last", one(r#"{"keep_last": 1000000000}"#)),
        ("lr", one(r#"{"lr": 1e300}"#)),
        ("tau", one(r#"{"tau": 1e300}"#)),
        ("sft.eos_weight", one(r#"{"sft": {"eos_weight": 1e300}}"#)),
        ("a2d.eps", one(r#"{"a2d": {"eps": 1.5}}"#)),
        ("vrpo.beta", one(r#"{"vrpo": {"beta": 0.0}}"#)),
        ("vrpo.draws", one(r#"{"vrpo": {"draws": 0}}"#)),
        ("vrpo.sft_weight", one(r#"{"vrpo": {"sft_weight": -1.0}}"#)),
        ("recovery.group", one(r#"{"recovery": {"group": 1}}"#)),
        ("recovery.steps", one(r#"{"recovery": {"steps": 0}}"#)),
        ("recovery.block_length", one(r#"{"recovery": {"block_length": 0}}"#)),
        ("recovery.temperature", one(r#"{"recovery": {"temperature": 0.0}}"#)),
    ] {
        match config.check() {
            Err(AlignError::Setting { key: found, what }) => {
                assert_eq!(found, key);
                assert!(!what.contains("more than") || what.starts_with("= "), "{what}: value and bound are named");
            }
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn block_linears_stands_for_the_models_own_layers() {
    let targets = |t: LoraTargets| t.targets("model\\.own");
    assert_eq!(targets(AlignConfig::default().lora.targets), Targets::Pattern("model\\.own".into()));
    assert_eq!(targets(LoraTargets::Pattern("x.*".into())), Targets::Pattern("x.*".into()));
    assert_eq!(targets(LoraTargets::Names(vec!["q_proj".into()])), Targets::Names(vec!["q_proj".into()]));
}
