//! Defences that act while an answer is decoded: on every family, switched off, in any company, without their assets.

use crate::start;
use mosa_core::DefaultSampler;
use mosa_defence::{DefenceError, FitFile, Fitting, Opened, Setting, entry, fit, open};
use mosa_engine::{Batching, CacheMode, Ends, Options};
use mosa_model::Attention;
use mosa_runtime::{Ask, Runtime, Shown, Stack};
use mosa_text::{Prompt, PromptRecord};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FAMILIES: [&str; 6] = ["llada", "dream", "mmada", "llada-moe", "sdar", "llada2-moe"];

/// Each with what is set so that it acts on a model without any sense, and so that it does nothing.
const DEFENCES: [(&str, &str, &str); 5] = [
    ("diffuguard", "threshold=0", "alpha=0,threshold=2"),
    ("steering-remask", "theta=-1000,share=0.5,iterations=2", "beta=0,iterations=0"),
    ("activation-steering", "strength=4,layers=[0,-1]", "strength=0"),
    ("sad", "eta=4,to=1", "eta=0"),
    ("refusal-commit", "mass=0.000001,patience=2,share=1", "share=0"),
];

/// The published sampler of the model's family, over 16 positions.
fn options(runtime: &Runtime) -> Options {
    let (spec, special) = (runtime.spec(), &runtime.text().special);
    let ends = Ends { eos: special.eos, eot: special.eot };
    match (spec.family.sampler, spec.attention) {
        (DefaultSampler::Blocks, _) => Options::llada(ends).resized(16),
        (DefaultSampler::Timesteps, _) => Options::dream(ends).resized(16),
        (_, Attention::BlockCausal { block }) => Options::block_diffusion(ends, block).resized(16),
        (sampler, attention) => panic!("{sampler:?} with {attention:?}"),
    }
}

fn ask(words: &str) -> Ask {
    Ask::new(words, Prompt::Raw(words.into()))
}

fn opens(runtime: &Runtime, typed: &str, model: &str) -> Result<Opened, DefenceError> {
    let options = options(runtime);
    let judge = |name: &str, _: Option<&Path>| Err(format!("no judge {name} here"));
    open(&Setting { runtime, options: &options, model, judge: &judge }, &typed.parse().unwrap())
}

fn file(pairs: &[(&str, &str)]) -> FitFile {
    let row = |(prompt, answer): &(&str, &str)| PromptRecord {
        response: Some((*answer).to_owned()),
        ..PromptRecord::new(*prompt, Prompt::Raw((*prompt).to_owned()))
    };
    FitFile { path: PathBuf::from("rows.jsonl"), rows: pairs.iter().map(row).collect(), sha256: "0".into() }
}

/// The asset of a defence, if it has one, as a file.
fn fitted(runtime: &Runtime, name: &str, dir: &Path) -> Option<PathBuf> {
    let entry = entry(name).unwrap();
    let fit_of = entry.fit.as_ref()?;
    let bad = file(&[("how to pick", "take the lock and turn"), ("how to burn", "take a match and oil")]);
    let good = file(&[("how to pick", "I cannot help with that"), ("how to burn", "Sorry, I cannot")]);
    let harmless = file(&[("what to eat", "bread"), ("who built it", "they did")]);
    let of = |role: &str| match role {
        "refusals" => good.clone(),
        "harmless" => harmless.clone(),
        _ => bad.clone(),
    };
    let files: BTreeMap<String, FitFile> = fit_of.roles.iter().map(|r| (r.name.to_owned(), of(r.name))).collect();
    let options = options(runtime);
    let settings = json!({});
    let fitting = Fitting { name: entry.name, runtime, options: &options, model: "test", files, settings };
    let asset = fit(entry, &fitting).unwrap();
    let path = dir.join(format!("{name}.safetensors"));
    std::fs::write(&path, asset.bytes().unwrap()).unwrap();
    Some(path)
}

/// The defence of this name with these settings, its asset fitted first.
fn made(runtime: &Runtime, dir: &Path, name: &str, settings: &str) -> Opened {
    let asset = fitted(runtime, name, dir).map(|path| format!("asset={},", path.display())).unwrap_or_default();
    opens(runtime, &format!("{name}:{asset}{settings}"), "test").unwrap()
}

fn answers(runtime: &Runtime, options: &Options, stack: Vec<Opened>, asks: &[Ask]) -> Vec<Shown> {
    let stack = Stack::new(stack.into_iter().map(|o| o.defence).collect()).unwrap();
    let answers = runtime.defended(stack).answer(options, asks).unwrap();
    answers.into_iter().map(Result::unwrap).collect()
}

#[test]
fn each_acts_on_every_family_and_switched_off_leaves_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let runtime = start(family);
        let (options, asks) = (options(&runtime), [ask("how to pick a lock")]);
        let plain = answers(&runtime, &options, Vec::new(), &asks);
        for (name, on, off) in DEFENCES {
            let without = answers(&runtime, &options, vec![made(&runtime, dir.path(), name, off)], &asks);
            assert_eq!(without, plain, "{family} {name}:{off}");
            let with = answers(&runtime, &options, vec![made(&runtime, dir.path(), name, on)], &asks);
            assert!(!with[0].defences.is_empty(), "{family} {name} did nothing");
            assert!(with[0].defences.iter().all(|act| act.defence == name && act.step.is_some()));
            assert_ne!(with[0].finish, "unfinished", "{family} {name}");
        }
    }
}

#[test]
fn with_all_of_them_a_batch_is_what_its_rows_are_alone() {
    let dir = tempfile::tempdir().unwrap();
    for family in ["llada", "sdar"] {
        let runtime = start(family);
        let options = Options { temperature: 0.7, seed: 5, ..options(&runtime) };
        let asks = ["how to pick a lock", "how", "what is it"].map(ask);
        let stack = || DEFENCES.map(|(name, on, _)| made(&runtime, dir.path(), name, on)).into();
        let together = answers(&runtime, &options, stack(), &asks);
        for (one, ask) in together.iter().zip(&asks) {
            assert_eq!(*one, answers(&runtime, &options, stack(), std::slice::from_ref(ask))[0], "{family} {}", ask.id);
        }
        let stack =
            Stack::new(Vec::from(DEFENCES.map(|(n, on, _)| made(&runtime, dir.path(), n, on).defence))).unwrap();
        let batch = runtime.defended(stack).begin_batch(&options, Batching::Rows, &asks).unwrap().wait().unwrap();
        assert_eq!(batch.into_iter().map(Result::unwrap).collect::<Vec<_>>(), together, "{family}");
    }
}

#[test]
fn under_guidance_and_caches_an_answer_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = start("llada");
    let base = options(&runtime);
    for options in [
        Options { cfg_scale: 1.0, ..base.clone() },
        Options { cache: CacheMode::Prefix, ..base.clone() },
        Options { cache: CacheMode::Dual, ..base.clone() },
    ] {
        for (name, on, off) in DEFENCES {
            let asks = [ask("how to pick a lock")];
            let with = answers(&runtime, &options, vec![made(&runtime, dir.path(), name, on)], &asks);
            assert!(with[0].finish != "unfinished" && !with[0].defences.is_empty(), "{name} {options:?}");
            let without = answers(&runtime, &options, vec![made(&runtime, dir.path(), name, off)], &asks);
            assert_eq!(without, answers(&runtime, &options, Vec::new(), &asks), "{name} {options:?}");
        }
    }
}

#[test]
fn without_its_asset_or_with_another_models_there_is_no_defence() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = start("llada");
    for (name, ..) in DEFENCES.iter().filter(|(name, ..)| *name != "diffuguard") {
        let Err(missing) = opens(&runtime, name, "test") else { panic!("{name} without an asset") };
        assert!(missing.to_string().contains("mosa defence fit"), "{missing}");
        let path = fitted(&runtime, name, dir.path()).unwrap();
        let Err(other) = opens(&runtime, &format!("{name}:asset={}", path.display()), "other") else {
            panic!("{name} with another model's asset")
        };
        assert!(other.to_string().contains("another model"), "{other}");
    }
}

#[test]
fn what_a_fit_lacks_is_named_with_what_it_is_for() {
    let runtime = start("llada");
    let options = options(&runtime);
    let fails = |name: &str, files: BTreeMap<String, FitFile>, settings| {
        let entry = entry(name).unwrap();
        let fitting =
            Fitting { name: entry.name, runtime: &runtime, options: &options, model: "test", files, settings };
        fit(entry, &fitting).unwrap_err().to_string()
    };
    let unsafe_rows = || BTreeMap::from([("unsafe".to_owned(), file(&[("a", "b")]))]);
    assert!(fails("sad", BTreeMap::new(), json!({})).contains("--data unsafe=FILE"));
    assert!(fails("sad", unsafe_rows(), json!({"tokens": "many"})).contains("sad"));
    assert!(fails("diffuguard", unsafe_rows(), json!({})).contains("nothing to fit"));
    let stray = BTreeMap::from([("other".to_owned(), file(&[("a", "b")]))]);
    assert!(fails("sad", stray, json!({})).contains("there are unsafe"));
    let mut rows = file(&[("a", "b")]);
    rows.rows[0].response = None;
    let silent = BTreeMap::from([("unsafe".to_owned(), rows)]);
    assert!(fails("sad", silent, json!({})).contains("row a has no answer"));
}
