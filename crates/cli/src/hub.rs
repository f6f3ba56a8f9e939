//! A model argument: a folder, or the id of a repository on the Hugging Face hub.

use anyhow::{Context, Result, bail};
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use std::path::{Path, PathBuf};

/// Files a checkpoint may have besides its weights.
const OPTIONAL: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
];
const INDEX: &str = "model.safetensors.index.json";

/// The folder of `model`. An id like `GSAI-ML/LLaDA-8B-Instruct` is downloaded once into the hub's cache.
pub(crate) fn resolve(model: &str) -> Result<PathBuf> {
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if path.exists() {
        bail!("--model {model}: not a folder; name the checkpoint folder that holds config.json");
    }
    if !is_hub_id(model) {
        bail!("--model {model}: there is no such folder, and it is not a hub id (owner/name)");
    }
    download(model)
        .with_context(|| format!("--model {model}: there is no such folder, and it could not be fetched from the hub"))
}

fn is_hub_id(text: &str) -> bool {
    let plain = |s: &str| {
        !s.is_empty() && !s.starts_with('.') && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    matches!(text.split('/').collect::<Vec<_>>()[..], [owner, name] if plain(owner) && plain(name))
}

fn download(id: &str) -> Result<PathBuf> {
    let api = ApiBuilder::from_env().with_progress(true).build()?;
    let repo = api.model(id.to_owned());
    let listed: Vec<String> = repo.info()?.siblings.into_iter().map(|s| s.rfilename).collect();
    let config = repo.get("config.json")?;
    let has = |name: &str| listed.iter().any(|n| n == name);
    for name in OPTIONAL.into_iter().filter(|n| has(n)) {
        repo.get(name)?;
    }
    for name in weight_files(&repo, has(INDEX))? {
        repo.get(&name)?;
    }
    config.parent().map(Path::to_owned).context("the hub's cache has no folder")
}

fn weight_files(repo: &ApiRepo, sharded: bool) -> Result<Vec<String>> {
    if !sharded {
        return Ok(vec!["model.safetensors".into()]);
    }
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(repo.get(INDEX)?)?)?;
    let map = index["weight_map"].as_object().with_context(|| format!("{INDEX} has no `weight_map`"))?;
    let mut files: Vec<String> = map.values().filter_map(|v| v.as_str()).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(files)
}
