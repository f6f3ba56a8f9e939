use crate::{adapter, fixture, goal};
use mosa_core::{Interrupt, TokenId};
use mosa_engine::{Batching, Ends, Options, Schedule};
use mosa_model::{Adapted, Adapter, Checkpoint, DenoisingModel, ModelConfig, Transformer, devices};
use mosa_probe::gcg::{AllowedTokens, Filter, Gcg, GcgRun, GcgSettings, Goal, Iteration, TypedGcg};
use mosa_probe::{Landscape, Sentences, plain};
use mosa_runtime::{Model, Runtime, Settings};
use mosa_text::{Message, Prompt, PromptRecord, TextModel};
use std::ops::ControlFlow;
use std::sync::Arc;
use tch::{Device, Kind};

fn load(name: &str, device: Device) -> Transformer {
    let config = ModelConfig::read(&fixture(name).join("config.json")).unwrap();
    Transformer::load(&config, &Checkpoint::open(&fixture(name)).unwrap(), Kind::Float, device).unwrap()
}

fn words(name: &str, model: &Transformer) -> TextModel {
    crate::text(name, model)
}

fn start(model: Transformer, adapter: Option<Adapter>, text: TextModel, stop: Interrupt) -> Runtime {
    let settings = Settings { batching: Batching::Rows, batch_size: 2, stop };
    Runtime::start(Model::new(model, adapter, text), settings).unwrap()
}

fn options(text: &TextModel) -> Options {
    let schedule = Schedule::Blocks { steps: 12, block_length: 12 };
    Options { gen_length: 12, schedule, ..Options::llada(Ends { eos: text.special.eos, eot: text.special.eot }) }
}

/// A goal whose suffix can be typed.
fn typed_goal(text: &TextModel) -> Goal {
    let mut goal = goal("typed");
    let ids = text.tokenizer.encode("How many bridges cross the river?").unwrap();
    goal.prompt[6..11].copy_from_slice(&ids[..5]);
    goal
}

fn settings() -> GcgSettings {
    GcgSettings { iterations: 3, candidates: 24, top_k: 32, ..GcgSettings::default() }
}

#[test]
fn a_search_on_the_models_thread_is_the_search_on_this_one_broken_off_or_not() {
    for device in devices() {
        let model = load("dream", device);
        let (text, goal) = (words("dream", &model), typed_goal(&words("dream", &model)));
        let filter = Filter::typed(&text, model.spec(), true);
        let here = Gcg { settings: settings(), filter, decode: options(&text) };
        let go_on = &mut |_: &Iteration| ControlFlow::Continue(());
        let found: GcgRun =
            here.run(Adapted { model: &model, adapter: None }, &goal, Vec::new(), go_on).unwrap().unwrap();

        let (stop, allowed) = (Interrupt::new(), AllowedTokens::printable(&text, model.spec(), true));
        let there = TypedGcg { settings: settings(), allowed, decode: options(&text) };
        let runtime = start(load("dream", device), None, words("dream", &model), stop.clone());
        assert_eq!(there.run(&runtime, &goal, Vec::new(), go_on).unwrap().unwrap(), found);

        let caller = std::thread::current().id();
        let mut recorded = Vec::new();
        let broken_off = there.run(&runtime, &goal, Vec::new(), &mut |iteration| {
            assert_eq!(std::thread::current().id(), caller);
            recorded.push(iteration.clone());
            if iteration.number == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((broken_off.unwrap(), recorded.len()), (None, 2));
        assert_eq!(there.run(&runtime, &goal, recorded, go_on).unwrap().unwrap(), found);
        stop.ask();
        assert!(there.run(&runtime, &goal, Vec::new(), go_on).unwrap_err().is_interrupted());
    }
}

#[test]
fn a_landscape_is_drawn_of_the_model_as_it_is_and_with_its_adapter() {
    for device in devices() {
        let drawn = |given: bool, adapted: bool| {
            let model = load("llada", device);
            let text = words("llada", &model);
            let own = given.then(|| on(device, adapter(&model), &model));
            let prompt = Prompt::Chat(vec![Message::user("name the bridge")]);
            let case = plain(&text, &PromptRecord::new("q", prompt), "group").unwrap();
            let sentences = Sentences { safe: vec![vec![7, 9, text.special.eos]], harmful: vec![vec![4, 5], vec![6]] };
            let plan = Landscape { options: options(&text), sentences: Arc::new(sentences), adapted };
            let runtime = start(model, own, text, Interrupt::new());
            let record = plan.of(&runtime, &case).unwrap();
            assert_eq!((record.safe.len(), record.harmful.len(), record.refusal.len()), (10, 12, 12));
            assert_eq!((record.refusal_by_step.len(), record.end_by_step.len()), (12, 12));
            assert_eq!(record.refusal_by_step[0].iter().map(|(_, p)| *p).collect::<Vec<_>>(), record.refusal);
            record
        };
        let plain = drawn(false, true);
        assert_eq!(drawn(true, false), plain, "the adapter is left out");
        assert_ne!(drawn(true, true), plain);
    }
}

/// The adapter on the model's device.
fn on(device: Device, adapter: Adapter, model: &Transformer) -> Adapter {
    if device == Device::Cpu {
        return adapter;
    }
    let dir = fixture("llada").join("adapter");
    Adapter::load(&dir, model.spec(), device).unwrap()
}

#[test]
fn a_landscape_that_cannot_be_drawn_is_refused_before_the_model_is_asked() {
    let model = load("llada", Device::Cpu);
    let text = words("llada", &model);
    let case = plain(&text, &PromptRecord::new("q", Prompt::Raw("name the bridge".into())), "group").unwrap();
    let (options, stop) = (options(&text), Interrupt::new());
    let runtime = start(model, None, text, stop.clone());
    let with = |safe: Vec<Vec<TokenId>>| {
        let sentences = Arc::new(Sentences { safe, harmful: vec![vec![4]] });
        Landscape { options: options.clone(), sentences, adapted: false }.of(&runtime, &case)
    };
    assert!(with(vec![]).unwrap_err().to_string().contains("hold no sentence"));
    assert!(with(vec![vec![3; 13]]).unwrap_err().to_string().contains("longer than the response of 12"));
    stop.ask();
    assert!(with(vec![vec![3]]).unwrap_err().is_interrupted());
}
