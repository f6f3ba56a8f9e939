use crate::{FAMILIES, adapter, first_step, goal, load, plain, text};
use mosa_engine::{Ends, Options, Schedule};
use mosa_model::{DenoisingModel, Transformer};
use mosa_probe::ProbeError;
use mosa_probe::gcg::{AllowedTokens, Filter, Gcg, GcgRun, GcgSettings, Goal, Iteration, Subject, TargetLikelihood};
use std::ops::ControlFlow;

fn options(model: &Transformer, gen_length: usize) -> Options {
    let ends = Ends { eos: model.spec().eos, eot: None };
    let schedule = Schedule::Blocks { steps: gen_length, block_length: gen_length };
    Options { gen_length, schedule, ..Options::llada(ends) }
}

fn settings(iterations: usize) -> GcgSettings {
    GcgSettings { iterations, candidates: 24, top_k: 32, ..GcgSettings::default() }
}

fn gcg<'a>(model: &Transformer, settings: GcgSettings) -> Gcg<'a> {
    Gcg { settings, filter: Filter::any(model.spec()), decode: options(model, goal("").gen_length) }
}

fn finish(model: &Transformer, search: &Gcg<'_>, goal: &Goal, recorded: Vec<Iteration>) -> GcgRun {
    search.run(plain(model), goal, recorded, &mut |_| ControlFlow::Continue(())).unwrap().unwrap()
}

#[test]
fn the_search_lowers_the_loss_in_every_family_and_keeps_the_best_suffix() {
    for name in FAMILIES {
        let (model, goal) = (load(name), goal(name));
        let run = finish(&model, &gcg(&model, settings(8)), &goal, Vec::new());
        let losses: Vec<f32> = run.iterations.iter().map(|i| i.loss).collect();
        assert_eq!(losses.len(), 9);
        let best = losses.iter().copied().fold(f32::INFINITY, f32::min);
        assert!(best < losses[0] - 0.5, "{name}: {losses:?}");
        assert_eq!(run.best_loss, best);
        let again = first_step(&model, None, &goal).losses(std::slice::from_ref(&run.best_suffix)).unwrap()[0];
        assert!((again - f64::from(best)).abs() < 1e-4);
        assert_eq!((run.target_probabilities.len(), run.response.len()), (goal.target.len(), goal.gen_length));
    }
}

#[test]
fn a_resumed_search_equals_an_uninterrupted_one_bit_by_bit_from_every_iteration() {
    for (name, likelihood) in [("llada", TargetLikelihood::FirstStep), ("dream", TargetLikelihood::Mc(3))] {
        let (model, goal) = (load(name), goal(name));
        let search = gcg(&model, GcgSettings { likelihood, ..settings(4) });
        let whole = finish(&model, &search, &goal, Vec::new());
        for stop in 0..=4 {
            let mut records = Vec::new();
            let stopped = search.run(plain(&model), &goal, Vec::new(), &mut |iteration| {
                records.push(serde_json::to_string(iteration).unwrap());
                if iteration.number == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!(stopped.unwrap(), None);
            let recorded: Vec<Iteration> = records.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
            assert_eq!(recorded.len(), stop + 1);
            assert_eq!(finish(&model, &search, &goal, recorded), whole, "{name} from {stop}");
        }
    }
}

#[test]
fn a_longer_search_begins_with_a_shorter_one() {
    let (model, goal) = (load("mmada"), goal("longer"));
    let short = finish(&model, &gcg(&model, settings(2)), &goal, Vec::new());
    let long = finish(&model, &gcg(&model, settings(4)), &goal, Vec::new());
    assert_eq!(long.iterations[..3], short.iterations);
    assert_eq!(finish(&model, &gcg(&model, settings(4)), &goal, short.iterations), long);
}

#[test]
fn only_improving_searches_never_move_to_a_worse_suffix() {
    let (model, goal) = (load("llada"), goal("improving"));
    let search = gcg(&model, GcgSettings { only_improving: true, candidates: 2, ..settings(12) });
    let run = finish(&model, &search, &goal, Vec::new());
    assert!(run.iterations.windows(2).all(|w| w[1].loss <= w[0].loss));
    assert_eq!(run.iterations.last().unwrap().suffix, run.best_suffix);
}

#[test]
fn success_is_the_target_at_its_offset_in_the_decoded_answer() {
    let (model, goal) = (load("llada"), goal("success"));
    let search = gcg(&model, settings(0));
    let run = finish(&model, &search, &goal, Vec::new());
    assert_eq!((run.iterations.len(), &run.best_suffix[..]), (1, goal.first_suffix()));
    assert!(!run.success);
    let reachable = Goal { target: run.response[3..7].to_vec(), ..goal };
    assert!(finish(&model, &search, &reachable, Vec::new()).success);
    let elsewhere = Goal { offset: 4, ..reachable };
    assert!(!finish(&model, &search, &elsewhere, Vec::new()).success);
}

#[test]
fn an_adapter_is_searched_through_and_a_tokeniser_filters_what_is_tried() {
    let model = load("dream");
    let (text, adapter) = (text("dream", &model), adapter(&model));
    let mut goal = goal("typed");
    let words = text.tokenizer.encode("How many bridges cross the river?").unwrap();
    goal.prompt[6..11].copy_from_slice(&words[..5]);
    let filter = Filter::typed(&text, model.spec(), true);
    let search = Gcg { settings: settings(3), filter, decode: options(&model, goal.gen_length) };
    let run = search
        .run(Subject { model: &model, adapter: Some(&adapter) }, &goal, Vec::new(), &mut |_| ControlFlow::Continue(()))
        .unwrap()
        .unwrap();
    let ascii = AllowedTokens::printable(&text, model.spec(), true);
    for iteration in &run.iterations[1..] {
        let shown = text.tokenizer.decode(&iteration.suffix, mosa_text::Specials::Keep).unwrap();
        assert_eq!(text.tokenizer.encode(&shown).unwrap(), iteration.suffix);
        assert!(iteration.suffix.iter().all(|&t| words.contains(&t) || ascii.contains(t)));
    }
    assert_ne!(run.best_loss, finish(&model, &search, &goal, Vec::new()).best_loss);
}

#[test]
fn records_of_another_search_bad_settings_and_hopeless_filters_are_errors() {
    let (model, goal) = (load("llada"), goal("errors"));
    let go = |search: &Gcg<'_>, goal: &Goal, recorded: Vec<Iteration>| {
        search.run(plain(&model), goal, recorded, &mut |_| ControlFlow::Continue(())).unwrap_err()
    };
    let search = gcg(&model, settings(1));
    let records = finish(&model, &search, &goal, Vec::new()).iterations;
    let mut other = goal.clone();
    other.prompt[7] = 99;
    assert!(matches!(go(&search, &other, records.clone()), ProbeError::Resume { .. }));
    assert!(matches!(go(&search, &goal, records[1..].to_vec()), ProbeError::Resume { .. }));
    for (key, change) in [
        ("candidates", GcgSettings { candidates: 0, ..settings(1) }),
        ("top_k", GcgSettings { top_k: 0, ..settings(1) }),
        ("replace", GcgSettings { replace: 6, ..settings(1) }),
    ] {
        let error = go(&gcg(&model, change), &goal, Vec::new());
        assert!(matches!(error, ProbeError::Setting { key: k, .. } if k == key), "{error}");
    }
    let longer = Goal { gen_length: 13, ..goal.clone() };
    assert!(matches!(go(&search, &longer, Vec::new()), ProbeError::Goal { .. }));
    let mut hopeless = gcg(&model, settings(1));
    hopeless.filter.keep = Box::new(|_, _| false);
    assert!(matches!(go(&hopeless, &goal, Vec::new()), ProbeError::NoCandidates { iteration: 1, .. }));
    assert!(serde_json::from_str::<GcgSettings>("{\"top-k\": 3}").is_err());
    let parsed: GcgSettings = serde_json::from_str("{\"likelihood\": {\"mc\": 4}, \"top_k\": 7}").unwrap();
    assert_eq!(parsed, GcgSettings { likelihood: TargetLikelihood::Mc(4), top_k: 7, ..GcgSettings::default() });
}
