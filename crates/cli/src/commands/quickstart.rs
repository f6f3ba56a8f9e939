//! `mosa quickstart`: answer, align, answer again.

use crate::args::{Args, Command, QuickstartArgs};
use crate::commands::{align, generate};
use crate::failure::Failure;
use crate::output;
use anyhow::{Context, Result};
use clap::Parser;
use std::path::Path;

/// The model that comes with mosa: a real checkpoint layout, random weights.
const MODEL: [(&str, &[u8]); 4] = [
    ("config.json", include_bytes!("../../../../fixtures/llada/config.json")),
    ("model.safetensors", include_bytes!("../../../../fixtures/llada/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../../../fixtures/llada/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../../../fixtures/llada/tokenizer_config.json")),
];
const PROMPTS: &str = include_str!("../../../../assets/quickstart/prompts.jsonl");

/// Settings under which a tiny random model moves within seconds; a model of yours gets the paper's.
const TINY: [&str; 6] = ["--set", "steps=80", "--set", "lr=0.005", "--set", "lora.r=8"];

pub(crate) fn run(args: &QuickstartArgs) -> Result<(), Failure> {
    let (model, data) = prepare(args)?;
    let adapter = args.out.join("mosa/adapter");
    let text = |path: &Path| path.display().to_string();
    let answer = |adapter: Option<&Path>| {
        let mut words =
            vec!["generate".to_owned(), "--model".into(), model.clone(), "--prompt".into(), args.prompt.clone()];
        words.extend(["--gen-length", "96", "--block-length", "32"].map(str::to_owned));
        words.extend(adapter.into_iter().flat_map(|a| ["--adapter".to_owned(), text(a)]));
        words
    };
    if args.model.is_none() {
        say(args, "the model that comes with mosa has random weights: its words are nonsense, everything else is real");
    }
    say(args, "1/3  the answer before alignment");
    step(args, answer(None))?;
    say(args, "2/3  MOSA: reinforce a refusal that ends the answer inside response tokens 20..60");
    if adapter.join("adapter_config.json").exists() {
        say(args, &format!("     already done: {}", text(&adapter)));
    } else {
        let run = args.out.join("mosa");
        remove(&run)?;
        let mut words = vec![
            "align".to_owned(),
            "--model".into(),
            model.clone(),
            "--data".into(),
            data,
            "--out".into(),
            text(&run),
        ];
        words.extend(TINY.iter().filter(|_| args.model.is_none()).map(|w| (*w).to_owned()));
        step(args, words)?;
    }
    say(args, "3/3  the answer after alignment");
    step(args, answer(Some(&adapter)))?;
    say(
        args,
        &format!(
            "done: {} holds the adapter and metrics.jsonl; every step above is a command you can run yourself",
            text(&args.out)
        ),
    );
    Ok(())
}

/// The model and data of the run, unpacked into the run folder where they come with mosa.
fn prepare(args: &QuickstartArgs) -> Result<(String, String)> {
    if args.fresh {
        remove(&args.out)?;
    }
    let folder = args.out.join("model");
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let model = match &args.model {
        Some(model) => model.clone(),
        None => {
            for (name, bytes) in MODEL {
                write(&folder.join(name), bytes)?;
            }
            folder.display().to_string()
        }
    };
    let data = match &args.data {
        Some(path) => path.clone(),
        None => {
            let path = args.out.join("prompts.jsonl");
            write(&path, PROMPTS.as_bytes())?;
            path
        }
    };
    Ok((model, data.display().to_string()))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Runs a command as if it had been typed, after showing it.
fn step(args: &QuickstartArgs, mut words: Vec<String>) -> Result<(), Failure> {
    let quoted = words.iter().map(|w| if w.contains([' ', '\'', '"', '?']) { format!("{w:?}") } else { w.clone() });
    say(args, &format!("     $ mosa {}", quoted.collect::<Vec<_>>().join(" ")));
    words.insert(0, "mosa".into());
    words.extend(args.compute.quiet.then(|| "--quiet".to_owned()));
    let parsed = Args::try_parse_from(words).context("quickstart builds its commands from flags that exist")?;
    match parsed.command {
        Command::Generate(mut inner) => {
            inner.compute = args.compute.clone();
            generate::run(&inner)
        }
        Command::Align(mut inner) => {
            inner.compute = args.compute.clone();
            align::run(&inner)
        }
        _ => Ok(()),
    }
}

fn say(args: &QuickstartArgs, text: &str) {
    if !args.compute.quiet {
        output::say(text);
    }
}
