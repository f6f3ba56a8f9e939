//! `mosa serve`: a model behind OpenAI's API.

use crate::args::{AlgName, BatchingName, CacheName, DefenceArgs, ModelArgs, RemaskingName, SamplingArgs, ServeArgs};
use crate::defences::{self, Defended, defended};
use crate::failure::Failure;
use crate::load::{Loaded, load, load_adapter};
use crate::manifest::Fingerprints;
use crate::sampling::Shipped;
use crate::{interrupt, output};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use mosa_core::Interrupt;
use mosa_defence::{Made, Spec};
use mosa_engine::{Batching, Ends, Options};
use mosa_model::{Adapter, ModelConfig, ModelSpec, all_threads, set_threads, threads_for};
use mosa_runtime::{Model, Runtime, Settings};
use mosa_serve::{Knobs, Sampler, Served, Settings as ServerSettings, serve};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    more_files();
    let models = models(args)?;
    let names: Vec<String> = models.iter().map(|served| served.name.clone()).collect();
    let defences: Vec<&str> = models.iter().take(1).flat_map(|served| &served.defences).map(|d| d.name()).collect();
    let behind = if defences.is_empty() { String::new() } else { format!(" behind {}", defences.join(", ")) };
    let settings = ServerSettings {
        addr: args.addr,
        running: args.max_running,
        waiting: args.max_queue,
        timeout: Duration::from_secs_f64(args.timeout),
        max_body: args.max_body,
        api_key: args.api_key.clone().filter(|key| !key.is_empty()),
        score_tail: args.score_tail,
        grace: Duration::from_secs_f64(args.grace),
        head: ServerSettings::HEAD,
        body: ServerSettings::BODY,
    };
    if !args.addr.ip().is_loopback() && settings.api_key.is_none() {
        output::say("note: whoever reaches this address may ask the model: give --api-key, or listen at 127.0.0.1");
    }
    // To the very end: a busy machine that takes its time to let go of everything is not interrupted.
    std::mem::forget(interrupt::finishing());
    serve(models, settings, &interrupt::stop(), |addr| {
        output::say(&format!("mosa: {}{behind} at http://{addr}/v1 (playground: http://{addr}/)", names.join(", ")));
    })?;
    Ok(())
}

/// The model, and the model with every adapter: one copy of the weights.
fn models(args: &ServeArgs) -> Result<Vec<Served>> {
    let loaded = load(&ModelArgs { model: args.model.clone(), adapter: None }, &args.compute)?;
    let name = name(args, &loaded.dir)?;
    let config = ModelConfig::read(&loaded.dir.join("config.json"))?;
    let workers = args.workers.unwrap_or_else(|| worth(&config));
    let sampler = sampler(args, &loaded)?;
    let device = loaded.model.device();
    let (dir, spec, quiet) = (loaded.dir.clone(), loaded.spec().clone(), args.compute.quiet);
    let model = Model::new(loaded.model, None, loaded.text);
    let mut served = vec![
        Making { args, name: name.clone(), dir: &dir, folder: None, sampler: &sampler }
            .served(workers, || Ok(model.shared(None)))?,
    ];
    for (adapter, folder) in &args.adapter {
        let name = format!("{name}:{adapter}");
        ensure!(served.iter().all(|s| s.name != name), "--adapter {adapter}: the name is given twice");
        let mut notes = quiet;
        let load = || -> Result<Model> {
            let adapter: Adapter = load_adapter(folder, &spec, device, std::mem::replace(&mut notes, true))?;
            Ok(model.shared(Some(adapter)))
        };
        served.push(Making { args, name, dir: &dir, folder: Some(folder), sampler: &sampler }.served(workers, load)?);
    }
    Ok(served)
}

/// What a served model is made of.
struct Making<'a> {
    args: &'a ServeArgs,
    name: String,
    dir: &'a Path,
    /// The adapter's folder.
    folder: Option<&'a Path>,
    sampler: &'a Sampler,
}

impl Making<'_> {
    fn served(self, workers: usize, mut model: impl FnMut() -> Result<Model>) -> Result<Served> {
        let Self { args, name, dir, folder, sampler } = self;
        let batching = match args.sampling.batching {
            BatchingName::Padded => {
                args.max_batch_tokens.map_or(Batching::SHARED, |tokens| Batching::Shared { tokens })
            }
            BatchingName::Auto | BatchingName::Rows => Batching::Turns,
        };
        let all = all_threads();
        set_threads(i32::try_from((all / workers).max(1)).unwrap_or(1));
        let start = |_| {
            // What is under way when a stop is asked for may end: the server sees to that.
            let settings = Settings { batching, batch_size: args.max_running, stop: Interrupt::new() };
            Ok(Runtime::start(model()?, settings)?)
        };
        let workers = (0..workers).map(start).collect::<Result<Vec<Runtime>>>();
        set_threads(i32::try_from(all).unwrap_or(1));
        let workers = workers?;
        let options = sampler(&Knobs::default()).map_err(anyhow::Error::msg)?;
        let fingerprint = defences::fingerprint(&mut Fingerprints::default(), dir, folder)?;
        let own = own_defences(&args.defences, &name, &fingerprint)?;
        let Defended { runtime, .. } =
            defended(workers[0].clone(), &options, &own, &fingerprint).with_context(|| name.clone())?;
        let defences = runtime.defences().all().to_vec();
        Ok(Served { name, workers, sampler: Arc::clone(sampler), defences, fingerprint })
    }
}

/// The defences of a model: where one is given with several assets, it has the one that was made with it.
fn own_defences(given: &DefenceArgs, model: &str, fingerprint: &str) -> Result<DefenceArgs> {
    let mut of_others: Vec<(String, String)> = Vec::new();
    let mut own: Vec<(String, String)> = Vec::new();
    for typed in &given.defence {
        let spec: Spec = typed.parse()?;
        // What is no asset is said by the defence itself.
        let made = spec.settings.get("asset").and_then(|file| file.as_str()).and_then(|file| std::fs::read(file).ok());
        let other = made.and_then(|bytes| Made::of(&bytes).ok()).is_some_and(|made| made.model != fingerprint);
        if other { &mut of_others } else { &mut own }.push((spec.name, typed.clone()));
    }
    if let Some((name, typed)) = of_others.iter().find(|(name, _)| own.iter().all(|(own, _)| own != name)) {
        bail!(
            "--defence {typed}: {model} would have none: this asset was made with another model or adapter. Make one with it \
             (`mosa defence fit {name}` with its --model and --adapter) and give --defence {name}:asset=FILE a second time: \
             every model that is served takes its own, and a request chooses among its model's by name (\"defences\" in \
             \"mosa\")"
        );
    }
    Ok(DefenceArgs { defence: own.into_iter().map(|(_, typed)| typed).collect() })
}

/// What clients call the model.
fn name(args: &ServeArgs, dir: &Path) -> Result<String> {
    let last = |text: &str| {
        text.split('@').next().unwrap_or(text).rsplit('/').find(|part| !part.is_empty()).map(str::to_owned)
    };
    let of_folder = || dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
    let given = args
        .name
        .clone()
        .or_else(|| last(&args.model).filter(|name| !name.trim_matches('.').is_empty()).or_else(of_folder));
    given.filter(|name| !name.trim().is_empty()).context("--model has no last part to be called by: give --name")
}

/// How many threads a model is worth, each with a core of its own.
fn worth(config: &ModelConfig) -> usize {
    const CANVAS: usize = 128;
    let cores = all_threads();
    let pass = config.multiply_adds(CANVAS, CANVAS, CANVAS);
    // Two is what every pass gets, however small it is.
    if threads_for(pass, cores) <= 2 { cores.min(8) } else { 1 }
}

/// What a request changes of the sampler the server was started with.
fn sampler(args: &ServeArgs, loaded: &Loaded) -> Result<Sampler> {
    let shipped = Shipped::read(&loaded.dir)?;
    let (spec, ends, flags) = (loaded.spec().clone(), loaded.ends(), args.sampling.clone());
    let sampler: Sampler = Arc::new(move |knobs| {
        options(&flags, knobs, &Of { spec: &spec, ends, shipped: &shipped }).map_err(|error| format!("{error:#}"))
    });
    sampler(&Knobs::default()).map_err(anyhow::Error::msg)?;
    Ok(sampler)
}

/// The model a sampler is for.
struct Of<'a> {
    spec: &'a ModelSpec,
    ends: Ends,
    shipped: &'a Shipped,
}

fn options(flags: &SamplingArgs, knobs: &Knobs, of: &Of<'_>) -> Result<Options> {
    // Without a word about steps, another length has as many positions per step.
    let stretched = knobs.gen_length.filter(|_| knobs.steps.is_none() && knobs.block_length.is_none());
    let sampling = SamplingArgs {
        gen_length: if stretched.is_some() { flags.gen_length } else { knobs.gen_length.or(flags.gen_length) },
        steps: knobs.steps.or(flags.steps),
        block_length: knobs.block_length.or(flags.block_length),
        remasking: named::<RemaskingName>("remasking", knobs.remasking.as_deref())?.or(flags.remasking),
        alg: named::<AlgName>("alg", knobs.alg.as_deref())?.or(flags.alg),
        cache: named::<CacheName>("cache", knobs.cache.as_deref())?.or(flags.cache),
        threshold: knobs.threshold.or(flags.threshold),
        factor: knobs.factor.or(flags.factor),
        temperature: knobs.temperature.or(flags.temperature),
        top_p: knobs.top_p.or(flags.top_p),
        top_k: knobs.top_k.or(flags.top_k),
        cfg_scale: knobs.cfg_scale.unwrap_or(flags.cfg_scale),
        seed: knobs.seed.unwrap_or(flags.seed),
        eos_stop: true,
        ..flags.clone()
    };
    let options = sampling.options(of.spec, of.ends, of.shipped)?;
    let options = stretched.map_or(options.clone(), |length| options.resized(length));
    options.check(of.spec)?;
    Ok(options)
}

/// A name a request says, as a flag takes it.
fn named<T: ValueEnum>(key: &str, said: Option<&str>) -> Result<Option<T>> {
    let Some(said) = said else { return Ok(None) };
    let known: Vec<String> =
        T::value_variants().iter().filter_map(|v| Some(v.to_possible_value()?.get_name().to_owned())).collect();
    let value = T::from_str(said, false).ok();
    Ok(Some(value.with_context(|| format!("{key} = {said:?} is none of {}", known.join(", ")))?))
}

/// Lets the process hold as many connections as the system allows it.
fn more_files() {
    #[cfg(unix)]
    {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both calls get a pointer to a struct that lives as long as they take.
        #[allow(unsafe_code)]
        unsafe {
            if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
                limit.rlim_cur = limit.rlim_max;
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
        }
    }
}
