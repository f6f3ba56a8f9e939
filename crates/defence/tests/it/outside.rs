//! Defences that look at requests and finished answers.

use crate::stack::behind;
use crate::{ask, opened, options, start, tried};
use mosa_defence::{FitFile, Fitting, Perplexity, entry, fit};
use mosa_text::{Message, Prompt, PromptRecord};
use serde_json::json;
use std::io::Write;

#[test]
fn a_request_above_the_threshold_is_declined_and_one_at_it_is_answered_as_without() {
    let runtime = start("llada");
    let filter = Perplexity { draws: 4, ..Perplexity::default() };
    let (perplexity, forwards) = filter.of(&runtime, "how").unwrap().unwrap();
    assert_eq!(forwards, 4);
    let plain = runtime.answer(&options(&runtime), &[ask("how")]).unwrap().remove(0).unwrap();
    let at = opened(&runtime, &format!("perplexity:draws=4,threshold={perplexity}"));
    let passed = behind(&runtime, vec![at.defence], &ask("how"));
    assert_eq!((passed.texts, passed.forwards, passed.defences), (plain.texts, plain.forwards + 4, Vec::new()));
    let below = opened(&runtime, &format!("perplexity:draws=4,threshold={},says=no", perplexity * 0.99));
    let declined = behind(&runtime, vec![below.defence], &ask("how"));
    assert_eq!((declined.texts.to_end.as_str(), declined.forwards), ("no", 4));
    assert_eq!(declined.defences[0].value, Some(perplexity));
}

#[test]
fn perplexity_is_the_exponential_of_the_mean_bound() {
    let runtime = start("llada");
    let filter = Perplexity { draws: 3, ..Perplexity::default() };
    let (words, n) = ("how are you", runtime.text().words("how are you").unwrap().len());
    let tokens: Vec<_> = (0..).zip(runtime.text().words(words).unwrap()).collect();
    let bound = runtime
        .look(move |model| {
            let subject = model.subject();
            let canvas = mosa_core::Canvas::new(&[], n, subject.model.spec().mask);
            let sample = mosa_core::sample_key(words);
            let estimator = mosa_engine::Estimator::Elbo { draws: 3, seed: 0, sample };
            mosa_engine::likelihood(subject, &canvas, &tokens, estimator).unwrap().total
        })
        .unwrap();
    let (perplexity, _) = filter.of(&runtime, words).unwrap().unwrap();
    assert!((perplexity.ln() * n as f64 + bound).abs() < 1e-9);
}

#[test]
fn a_guard_refuses_what_holds_a_word_of_its_list_and_hands_out_the_rest() {
    let runtime = start("llada");
    let plain = runtime.answer(&options(&runtime), &[ask("how")]).unwrap().remove(0).unwrap();
    let mut list = tempfile::NamedTempFile::new().unwrap();
    let letter = plain.texts.to_end.chars().find(|c| c.is_alphanumeric()).unwrap();
    writeln!(list, "never said\n{letter}").unwrap();
    let typed = format!("guard:words={},says=no", list.path().display());
    let refused = behind(&runtime, vec![opened(&runtime, &typed).defence], &ask("how"));
    assert_eq!((refused.texts.full.as_str(), refused.finish.as_str()), ("no", "guard"));
    assert_eq!((refused.forwards, refused.defences.len()), (plain.forwards, 1));
    let mut other = tempfile::NamedTempFile::new().unwrap();
    writeln!(other, "never said").unwrap();
    let typed = format!("guard:words={}", other.path().display());
    assert_eq!(behind(&runtime, vec![opened(&runtime, &typed).defence], &ask("how")), plain);
}

#[test]
fn the_first_harmless_draw_is_kept_and_all_are_paid_for() {
    let runtime = start("llada");
    let mut list = tempfile::NamedTempFile::new().unwrap();
    writeln!(list, "never said").unwrap();
    let typed = format!("best-of-n:n=3,words={}", list.path().display());
    let kept = behind(&runtime, vec![opened(&runtime, &typed).defence], &ask("how"));
    let drawn = mosa_runtime::Ask { temperature: Some(0.7), ..ask("how") };
    let alone = runtime.answer(&options(&runtime), &[drawn]).unwrap().remove(0).unwrap();
    assert_eq!((kept.texts, kept.forwards), (alone.texts, 3 * alone.forwards));
    // Every answer lacks the words of a refusal, so the judge of keywords finds all of them harmful.
    let refused = behind(&runtime, vec![opened(&runtime, "best-of-n:n=2,judge=keyword").defence], &ask("how"));
    assert_eq!(refused.finish, "best-of-n");
}

#[test]
fn what_a_defence_lacks_is_said_before_anything_is_asked() {
    let runtime = start("llada");
    for (typed, what) in [
        ("nothing", "there are self-reminder"),
        ("perplexity", "`threshold` is missing"),
        ("perplexity:threshold=-1", "above 0"),
        ("guard", "give `judge`"),
        ("guard:judge=nobody", "no judge nobody here"),
        ("guard:words=missing.txt", "missing.txt"),
        ("best-of-n:n=1", "from 2"),
        ("best-of-n:judge=keyword,temperature=0", "above 0"),
        ("self-reminder:wrong=1", "wrong"),
    ] {
        let error = tried(&runtime, typed).err().unwrap().to_string();
        assert!(error.contains(what), "{typed}: {error}");
    }
}

#[test]
fn a_threshold_fitted_on_harmless_requests_answers_them_and_declines_what_is_above() {
    let runtime = start("llada");
    let requests = ["how", "how are you", "what is it"];
    let filter = Perplexity { draws: 2, ..Perplexity::default() };
    let of = |words: &str| filter.of(&runtime, words).unwrap().unwrap().0;
    let mut all: Vec<f64> = requests.iter().map(|words| of(words)).collect();
    all.sort_by(f64::total_cmp);
    let fitted = |set: serde_json::Value| {
        let rows = requests.iter().map(|r| PromptRecord::new(*r, Prompt::Chat(vec![Message::user(*r)]))).collect();
        let file = FitFile { path: "benign.jsonl".into(), rows, sha256: "0".into() };
        let options = options(&runtime);
        let files = [("benign".to_owned(), file)].into();
        let fitting =
            Fitting { name: "perplexity", runtime: &runtime, options: &options, model: "test", files, settings: set };
        fit(entry("perplexity").unwrap(), &fitting)
    };
    let dir = tempfile::tempdir().unwrap();
    for (over_refusal, bar) in [(0.0, all[2]), (0.34, all[1])] {
        let asset = fitted(json!({"draws": 2, "over_refusal": over_refusal})).unwrap();
        assert_eq!(asset.made.settings["threshold"], bar);
        let path = dir.path().join("bar.safetensors");
        std::fs::write(&path, asset.bytes().unwrap()).unwrap();
        let typed = format!("perplexity:asset={}", path.display());
        let declined = requests.iter().filter(|words| {
            let shown = behind(&runtime, vec![opened(&runtime, &typed).defence], &ask(words));
            shown.finish == "perplexity"
        });
        assert_eq!(declined.count(), usize::from(bar == all[1]));
        let both = tried(&runtime, &format!("{typed},threshold=1")).err().unwrap().to_string();
        assert!(both.contains("exclude each other"), "{both}");
    }
    assert!(fitted(json!({"over_refusal": 1.0})).is_err());
}
