//! A local target under a monitor: what is seen, that nothing else changes, and what cannot watch.

use crate::local::{blocks, never, one, started};
use mosa_attack::{Ability, Avoid, Generate, Generation, Propose, Seen, Target, Unanswered};
use mosa_defence::monitor::MONITORS;
use mosa_defence::{Setting, Spec, Stop, open};
use mosa_engine::Options;
use mosa_model::devices;
use mosa_runtime::{Runtime, Stack};
use mosa_target::Local;
use tch::Device;

/// The monitor with words that the fixtures have.
fn stop(monitor: &str) -> Stop {
    let words = |all: [&str; 2]| all.map(str::to_owned).to_vec();
    let (refusal, compliance) = (words(["a", "b"]), words(["x", "y"]));
    Stop { monitor: monitor.into(), refusal, compliance, ..Stop::default() }
}

fn asked() -> Vec<(u64, Generate)> {
    let one = |i: u64| Generate::to(format!("question {i}")).at(if i.is_multiple_of(2) { 0.0 } else { 1.0 });
    (0..4).map(|i| (i, if i == 3 { one(i).forcing(4, "the answer") } else { one(i) })).collect()
}

fn answers(target: &Local) -> Vec<Generation> {
    target.generate(&asked()).into_iter().map(Result::unwrap).collect()
}

#[test]
fn a_monitor_is_seen_in_every_answer_and_changes_nothing_else_of_any() {
    for device in devices() {
        let (runtime, ends) = started(device, "llada", never(), false);
        let local = || Local::new(runtime.clone(), blocks(ends));
        let plain = answers(&local());
        assert!(!local().abilities().contains(&Ability::Monitor));
        for entry in MONITORS {
            let target = local().watched(&stop(entry.name), false).unwrap();
            assert!(target.abilities().contains(&Ability::Monitor));
            let seen = answers(&target);
            for ((seen, plain), (draw, asked)) in seen.iter().zip(&plain).zip(asked()) {
                let [Seen { monitor, value, suspicion, limit }] = &seen.monitors[..] else { panic!("{seen:?}") };
                assert_eq!((monitor.as_str(), *suspicion), (entry.name, entry.suspicious.score(*value)));
                assert_eq!(*limit, entry.threshold, "{monitor}: those that are published are of high values");
                let forwards = seen.forwards - usize::from(entry.asks);
                assert_eq!(&Generation { monitors: Vec::new(), forwards, ..seen.clone() }, plain);
                assert_eq!(&one(&target, draw, &asked), seen, "{monitor}: alone or in company");
            }
        }
    }
}

/// The runtime behind a stop of this threshold.
fn stopping(runtime: &Runtime, options: &Options, stop: &Stop, threshold: f64) -> Runtime {
    let (monitor, from) = (&stop.monitor, stop.from);
    let words = "refusal=[\"a\",\"b\"],compliance=[\"x\",\"y\"]";
    let typed = format!("stop:monitor={monitor},threshold={threshold},from={from},{words}");
    let judge = |name: &str, _: Option<&std::path::Path>| Err(format!("no judge {name} here"));
    let setting = Setting { runtime, options, model: "test", judge: &judge };
    let opened = open(&setting, &typed.parse::<Spec>().unwrap()).unwrap();
    runtime.defended(Stack::new(vec![opened.defence]).unwrap())
}

#[test]
fn behind_a_stop_the_attack_sees_the_value_at_which_it_stopped_or_did_not() {
    let (runtime, ends) = started(Device::Cpu, "llada", never(), false);
    let local = |runtime: &Runtime| Local::new(runtime.clone(), blocks(ends));
    for entry in MONITORS {
        let watch = Stop { from: 2, ..stop(entry.name) };
        let bare = local(&runtime).watched(&watch, false).unwrap();
        let scores: Vec<f64> = answers(&bare).iter().map(|a| a.monitors[0].suspicion).collect();
        let mut sorted = scores.clone();
        sorted.sort_by(f64::total_cmp);
        let limit = sorted[1];
        let threshold = entry.suspicious.score(limit);
        let defended = stopping(&runtime, &blocks(ends), &watch, threshold);
        let target = local(&defended).watched(&Stop { threshold: Some(threshold), ..watch }, false).unwrap();
        for (answer, score) in answers(&target).iter().zip(&scores) {
            let seen = &answer.monitors[0];
            assert_eq!(seen.limit, Some(limit));
            // A running monitor is stopped at the first value beyond the limit, which need not be the highest; what a stop
            // with another first step sees may be less than that.
            let stopped = answer.defences.iter().find(|act| act.defence == Stop::NAME);
            match stopped {
                Some(act) => {
                    assert_eq!(act.value, Some(seen.value), "{}", entry.name);
                    assert!(seen.suspicion >= limit && seen.suspicion <= *score);
                }
                None => assert!(seen.suspicion == *score, "{}: {} {score}", entry.name, seen.suspicion),
            }
        }
    }
}

fn propose(avoid: Option<Avoid>) -> Propose {
    Propose {
        messages: Generate::to("question").messages,
        suffix: "one two three four".into(),
        target: "the answer".into(),
        offset: 0,
        candidates: 24,
        top_k: 8,
        gradient: true,
        keep: 25,
        avoid,
    }
}

#[test]
fn suffixes_are_proposed_with_the_monitor_in_their_loss() {
    for device in devices() {
        let (runtime, ends) = started(device, "llada", never(), false);
        let local = || Local::new(runtime.clone(), blocks(ends));
        let target = local().watched(&stop("refusal-mass"), true).unwrap();
        let avoid = |weight| Some(Avoid { monitor: "refusal-mass".into(), weight });
        let plain = local().propose(1, &propose(None)).unwrap();
        assert_eq!(target.propose(1, &propose(None)).unwrap(), plain);
        assert_eq!(target.propose(1, &propose(avoid(0.0))).unwrap(), plain, "a weight of zero is no term");
        // The loss of what was given is the cross-entropy and the weighted value that the decode's monitor reads.
        let given = |all: &[mosa_attack::Proposed]| all.iter().find(|p| p.suffix == "one two three four").unwrap().loss;
        let found = target.propose(1, &propose(avoid(0.5))).unwrap();
        let ask = Generate::to("question one two three four");
        let seen = one(&target, 0, &ask).monitors.remove(0);
        let added = given(&found) - given(&plain);
        assert!((added - 0.5 * seen.value).abs() < 1e-4, "{added}, not {}", 0.5 * seen.value);
        let unwatched = local().propose(1, &propose(avoid(0.5))).unwrap_err();
        assert!(matches!(unwatched, Unanswered::Failed(what) if what.contains("does not watch")));
    }
}

#[test]
fn what_cannot_watch_is_said_by_name() {
    let (runtime, ends) = started(Device::Cpu, "llada", never(), false);
    let error = |stop: Stop, by_gradient| {
        let watched = Local::new(runtime.clone(), blocks(ends)).watched(&stop, by_gradient);
        watched.err().unwrap().to_string()
    };
    let unknown = error(stop("nothing"), false);
    assert!(unknown.contains("no monitor \"nothing\"") && unknown.contains("p-eos"), "{unknown}");
    let no_gradient = error(stop("sed-slope"), true);
    assert!(no_gradient.contains("sed-slope") && no_gradient.contains("refusal-mass"), "{no_gradient}");
    let no_words = error(Stop { refusal: vec!["zzqq".into()], ..stop("p-eos") }, false);
    assert!(no_words.contains("`refusal` has no word"), "{no_words}");
}
