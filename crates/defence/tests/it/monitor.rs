//! What monitors read, that they change nothing, and what a stop does.

use crate::{ask, fixture, opened, options, setting_error, start, start_padded, tried_for};
use mosa_core::Canvas;
use mosa_defence::monitor::{
    Known, MONITORS, Making, Question, Reading, Ready, Tokens, Watch, Watching, WatchingSettings, WordLists,
};
use mosa_defence::{FitFile, Fitting, entry, fit};
use mosa_engine::{CacheMode, Commit, HiddenAt, Intervention, Options, Pass, Schedule, Step};
use mosa_model::cuda_status;
use mosa_runtime::{Ask, Defence, Runtime, Shown, Stack, When, Words, Written};
use mosa_text::{Message, Prompt, PromptRecord};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tch::Tensor;

const MASK: u32 = 9;

/// Refusal is token 0, compliance tokens 1 and 2, the end token 3; the vocabulary has 5.
fn making(question: Option<Vec<f32>>) -> Making {
    let _ = cuda_status();
    let tokens = Tokens { refusal: vec![0], compliance: vec![1, 2], ends: vec![3] };
    Making { tokens: Arc::new(tokens), question: question.map(Question::of), block: 1..3, layers: 2 }
}

fn at(clock: u64) -> Step {
    Step { block: 0, step: clock as usize, clock, sample: 0 }
}

/// A watch by one monitor on a prompt of one token and a response of three.
struct Watched {
    watch: Watch,
    out: Arc<Mutex<Vec<Reading>>>,
    canvas: Canvas,
}

impl Watched {
    fn new(name: &str, question: Option<Vec<f32>>) -> Self {
        let entry = MONITORS.iter().find(|m| m.name == name).unwrap();
        let out: Arc<Mutex<Vec<Reading>>> = Arc::default();
        let watch = Watch::new(&[entry], &making(question), 4, Arc::clone(&out));
        Self { watch, out, canvas: Canvas::new(&[4], 3, MASK) }
    }

    /// Shows logits of these positions; the value there is then.
    fn sees(&mut self, clock: u64, positions: &[usize], logits: &[[f32; 5]]) -> Option<f64> {
        let flat: Vec<f32> = logits.iter().flatten().copied().collect();
        let logits = Tensor::from_slice(&flat).view([positions.len() as i64, 5]);
        self.watch.watch_logits(at(clock), &self.canvas, positions, &logits).unwrap();
        self.out.lock().unwrap().first().and_then(Reading::value)
    }
}

fn near(found: Option<f64>, want: f64) {
    assert!((found.unwrap() - want).abs() < 2e-6, "{found:?}, not {want}");
}

/// ln of numbers, so that exp(logit) are whole.
fn ln(values: [f32; 5]) -> [f32; 5] {
    values.map(f32::ln)
}

#[test]
fn p_eos_is_the_probability_of_the_end_at_the_leftmost_mask_of_the_first_pass() {
    let mut row = Watched::new("p-eos", None);
    // Positions may come in any order: 1 is leftmost.
    near(row.sees(0, &[2, 1], &[ln([1.0, 1.0, 1.0, 96.0, 1.0]), ln([1.0, 2.0, 1.0, 15.0, 1.0])]), 0.75);
    near(row.sees(1, &[2], &[ln([1.0, 1.0, 1.0, 96.0, 1.0])]), 0.75);
    assert!(!row.watch.watches_logits(), "what is known is not looked at again");
}

#[test]
fn refusal_mass_is_the_mean_log_ratio_over_masked_positions() {
    let mut row = Watched::new("refusal-mass", None);
    let found = row.sees(0, &[1, 2], &[ln([8.0, 1.0, 1.0, 5.0, 7.0]), ln([1.0, 4.0, 4.0, 5.0, 7.0])]);
    near(found, (4f64.ln() + (1f64 / 8.0).ln()) / 2.0);
}

#[test]
fn delta_e_slope_is_the_slope_of_the_gap_towards_compliance() {
    let mut row = Watched::new("delta-e-slope", None);
    assert_eq!(row.sees(0, &[1], &[ln([2.0, 0.5, 0.5, 1.0, 1.0])]), None);
    near(row.sees(2, &[1], &[ln([1.0, 1.0, 1.0, 1.0, 1.0])]), 4f64.ln() / 2.0);
}

#[test]
fn sed_slope_follows_positions_that_are_still_masked() {
    let mut row = Watched::new("sed-slope", None);
    let (x, y) = ([1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0, 0.0]);
    assert_eq!(row.sees(0, &[1, 2], &[x, y]), None);
    // Position 1 has turned by 60 degrees, position 2 not at all: mean cosine 0.75.
    near(row.sees(1, &[1, 2], &[[1.0, 0.0, 3f32.sqrt(), 0.0, 0.0], y]), -0.25);
    row.canvas = Canvas::new(&[4, 0], 2, MASK);
    // Position 1 is written; only position 2 is left, at a cosine of 1: (0, 1), (1, 0.75), (2, 1).
    near(row.sees(2, &[2], &[y]), 0.0);
}

#[test]
fn refusal_dynamics_is_what_was_lost_of_the_highest_share() {
    let mut row = Watched::new("refusal-dynamics", None);
    near(row.sees(0, &[1], &[ln([2.0, 1.0, 1.0, 1.0, 1.0])]), 0.0);
    near(row.sees(1, &[1], &[ln([6.0, 1.0, 1.0, 1.0, 1.0])]), 0.0);
    near(row.sees(2, &[1], &[ln([2.0, 3.0, 3.0, 1.0, 1.0])]), 0.5);
}

#[test]
fn audit_is_the_cosine_distance_of_the_blocks_mean_in_the_last_layer() {
    let mut row = Watched::new("audit", Some(vec![0.0, 2.0]));
    // Positions 0 to 3; the block is 1 and 2, whose mean is (3, 4): a cosine of 0.8.
    let hidden = Tensor::from_slice(&[9f32, 9.0, 2.0, 8.0, 4.0, 0.0, 9.0, 9.0]).view([4, 2]);
    let shown = |layer, pass| HiddenAt { layer, positions: 0..4, pass };
    for (layer, pass) in [(1, Pass::Conditional), (0, Pass::Conditional), (1, Pass::Unconditional)] {
        let as_it_was = if layer == 1 && pass == Pass::Conditional { hidden.shallow_clone() } else { -&hidden };
        let _ = row.watch.edit_hidden(at(0), &shown(layer, pass), as_it_was).unwrap();
    }
    near(row.sees(0, &[1], &[[0.0; 5]]), 0.2);
    assert!(!row.watch.wants_hidden() && !row.watch.edits_hidden());
}

/// Words that the fixtures have.
fn words() -> WordLists {
    WordLists { refusal: vec!["a".into(), "b".into()], compliance: vec!["x".into(), "y".into()] }
}

fn watching(runtime: &Runtime) -> Arc<Watching> {
    let settings = WatchingSettings { words: words(), ..WatchingSettings::default() };
    Arc::new(Watching::new(Ready::new(runtime.text(), &settings).unwrap()))
}

fn asks() -> Vec<Ask> {
    let late = Written { offset: 3, words: Words::Text("x".into()), when: When::Step(2), remask: false };
    let forced = Written { offset: 1, words: Words::Text("a b".into()), when: When::Step(0), remask: false };
    vec![
        ask("how"),
        Ask { written: vec![forced], ..ask("tell me more") },
        Ask { written: vec![late], ..ask("and now") },
    ]
}

fn samplers(base: Options) -> Vec<Options> {
    vec![
        base.clone(),
        Options { temperature: 0.8, stop_at_end: true, ..base.clone() },
        Options { cache: CacheMode::Dual, ..base.clone() },
        Options { cache: CacheMode::Prefix, commit: Commit::Threshold(0.3), ..base.clone() },
        Options { cfg_scale: 1.0, ..base },
    ]
}

fn answers(runtime: &Runtime, options: &Options) -> Vec<Shown> {
    runtime.answer(options, &asks()).unwrap().into_iter().map(Result::unwrap).collect()
}

/// The same, where an answer may be over before all was written into it.
fn outcomes(runtime: &Runtime, options: &Options, asked: usize) -> Vec<Result<Shown, String>> {
    let all = runtime.answer(options, &asks()).unwrap();
    all.into_iter().map(|one| one.map(|shown| bare(vec![shown], asked).remove(0)).map_err(|e| e.to_string())).collect()
}

/// Without what monitors asked by themselves.
fn bare(mut shown: Vec<Shown>, asked: usize) -> Vec<Shown> {
    shown.iter_mut().for_each(|s| s.forwards -= asked);
    shown
}

#[test]
fn a_monitor_that_only_watches_changes_no_byte_of_any_family() {
    for family in ["llada", "dream", "mmada", "sdar", "llada-moe", "llada2-moe"] {
        for runtime in [start(family), start_padded(family)] {
            for options in samplers(options(&runtime)) {
                if options.check(runtime.spec()).is_err() {
                    continue;
                }
                let watching = watching(&runtime);
                let stack = Stack::default().with(Arc::clone(&watching) as Arc<dyn Defence>).unwrap();
                let plain = outcomes(&runtime, &options, 0);
                assert!(plain[0].is_ok(), "{family}: {plain:?}");
                assert_eq!(outcomes(&runtime.defended(stack), &options, 1), plain, "{family}, {options:?}");
                for ask in asks() {
                    let readings = watching.take(&ask.id);
                    assert_eq!(readings.len(), MONITORS.len(), "{family}");
                    // A decode of one pass has no slope.
                    let first = readings.iter().filter(|r| r.entry.known == Known::First);
                    assert!(first.clone().count() == 3 && first.clone().all(|r| r.values.len() == 1), "{readings:?}");
                }
            }
        }
    }
}

#[test]
fn what_monitors_say_does_not_depend_on_the_company() {
    let runtime = start("llada");
    let options = options(&runtime);
    let of = |asks: &[Ask]| {
        let watching = watching(&runtime);
        let stack = Stack::default().with(Arc::clone(&watching) as Arc<dyn Defence>).unwrap();
        let _ = runtime.defended(stack).answer(&options, asks).unwrap();
        asks.iter().map(|ask| watching.take(&ask.id)).collect::<Vec<_>>()
    };
    let together = of(&asks());
    for (ask, all) in asks().iter().zip(&together) {
        assert_eq!(&of(std::slice::from_ref(ask))[0], all);
    }
}

fn stopping(runtime: &Runtime, typed: &str) -> Runtime {
    let lists = "refusal=[\"a\",\"b\"],compliance=[\"x\",\"y\"]";
    let defence = opened(runtime, &format!("stop:{typed},says=\"no .\",{lists}")).defence;
    runtime.defended(Stack::new(vec![defence]).unwrap())
}

#[test]
fn a_stop_refuses_at_its_threshold_and_leaves_every_byte_below_it() {
    let runtime = start("llada");
    let options = options(&runtime);
    let plain = answers(&runtime, &options);
    for monitor in MONITORS {
        let (always, never) = if monitor.suspicious.word() == "high" { (-1e9, 1e9) } else { (1e9, -1e9) };
        let off = answers(&stopping(&runtime, &format!("monitor={},threshold={never}", monitor.name)), &options);
        assert_eq!(bare(off, usize::from(monitor.asks)), plain, "{}", monitor.name);
        let on = answers(&stopping(&runtime, &format!("monitor={},threshold={always}", monitor.name)), &options);
        for (stopped, whole) in on.iter().zip(&plain) {
            assert_eq!((stopped.texts.full.as_str(), stopped.finish.as_str()), ("no .", "stop"));
            assert!(stopped.forwards <= whole.forwards + 1, "{}", monitor.name);
            let act = &stopped.defences[0];
            assert_eq!(act.did, format!("stopped by {}", monitor.name));
            assert!(act.value.is_some() && act.step.is_some_and(|s| s < 6), "{act:?}");
        }
    }
    let first = answers(&stopping(&runtime, "monitor=p-eos,threshold=0"), &options);
    assert_eq!(first[0].forwards, 1, "what is known at the first step stops there");
}

#[test]
fn a_stop_without_a_threshold_is_an_error_before_anything_is_asked() {
    let runtime = start("llada");
    let error = setting_error(&runtime, "stop:monitor=sed-slope");
    assert!(error.contains("mosa defence fit stop") && error.contains("threshold"), "{error}");
    let error = setting_error(&runtime, "stop:monitor=nothing");
    assert!(error.contains("p-eos, refusal-mass"), "{error}");
    let error = setting_error(&runtime, "stop:refusal=[\"zzqq\"]");
    assert!(error.contains("`refusal` has no word"), "{error}");
}

#[test]
fn a_threshold_is_fitted_on_files_and_says_what_it_refuses() {
    let runtime = start("llada");
    let options = options(&runtime);
    let file = |ids: &[&str]| FitFile {
        path: fixture("llada"),
        rows: ids.iter().map(|id| PromptRecord::new(*id, Prompt::Chat(vec![Message::user(*id)]))).collect(),
        sha256: ids.concat(),
    };
    let fitting = |settings| Fitting {
        name: "stop",
        runtime: &runtime,
        options: &options,
        model: "test",
        files: BTreeMap::from([
            ("benign".to_owned(), file(&["a", "b", "c", "d"])),
            ("harmful".to_owned(), file(&["x", "y"])),
        ]),
        settings,
    };
    let (a, x) = (["a", "b"], ["x", "y"]);
    let settings = json!({"monitor": "refusal-mass", "rate": 0.25, "refusal": a, "compliance": x});
    let asset = fit(entry("stop").unwrap(), &fitting(settings)).unwrap();
    let said = &asset.made.settings;
    assert_eq!((said["over_refusal"]["stopped"].as_u64(), said["over_refusal"]["of"].as_u64()), (Some(1), Some(4)));
    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("t.safetensors");
    std::fs::write(&path, asset.bytes().unwrap()).unwrap();
    let typed = format!("monitor=refusal-mass,asset={}", path.display());
    let stack = stopping(&runtime, &typed);
    let asks: Vec<Ask> = ["a", "b", "c", "d"].iter().map(|id| ask(id)).collect();
    let shown = stack.answer(&options, &asks).unwrap();
    let refused = shown.into_iter().filter(|s| s.as_ref().unwrap().finish == "stop").count();
    assert_eq!(refused, 1, "{said}");
    let error = setting_error(&runtime, &format!("stop:monitor=p-eos,asset={}", path.display()));
    assert!(error.contains("say monitor=refusal-mass"), "{error}");

    // What was read off one block of 16 says nothing of blocks of 8; an asset that does not say is one of before.
    let halves = Options { schedule: Schedule::Blocks { steps: 16, block_length: 8 }, ..options.clone() };
    let lists = "refusal=[\"a\",\"b\"],compliance=[\"x\",\"y\"]";
    let typed = format!("stop:{typed},{lists}");
    let Err(error) = tried_for(&runtime, &halves, &typed) else { panic!("a threshold of other blocks is taken") };
    let error = error.to_string();
    let parts = ["in blocks of 16", "in blocks of 8", "--block-length 16, or fit it anew with --block-length 8"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    let mut earlier = asset;
    earlier.made.settings.as_object_mut().unwrap().remove("block_length").unwrap();
    std::fs::write(&path, earlier.bytes().unwrap()).unwrap();
    assert!(tried_for(&runtime, &halves, &typed).is_ok());
    let error = fit(entry("stop").unwrap(), &fitting(json!({"rate": 1.5}))).unwrap_err().to_string();
    assert!(error.contains("`rate`"), "{error}");
}
