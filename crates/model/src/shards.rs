//! Which files of a folder hold the weights, and what a folder without any holds instead.

use crate::ModelError;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Says which shard holds which tensor.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

/// How the weights of a folder are stored.
pub(crate) enum Layout {
    /// All in one file.
    Single(PathBuf),
    /// In shards that an index names.
    Indexed(Index),
    /// In shards without an index, all of which are there.
    Numbered(Vec<PathBuf>),
}

/// An index of shards.
pub(crate) struct Index {
    pub path: PathBuf,
    /// Tensor to file name; the names are plain.
    pub map: BTreeMap<String, String>,
}

impl Layout {
    /// Looks for weights in `dir`.
    ///
    /// # Errors
    /// [`ModelError`] if there are none, shards are missing, or it is unclear which files count.
    pub(crate) fn find(dir: &Path) -> Result<Self, ModelError> {
        let (index, single) = (dir.join(INDEX), dir.join(SINGLE));
        if index.exists() {
            let index = Index::read(index)?;
            if single.exists() && !index.map.values().any(|f| f == SINGLE) {
                // Saving a smaller model into the same folder leaves the index of shards that are gone.
                if index.map.values().any(|f| !dir.join(f).exists()) {
                    return Ok(Self::Single(single));
                }
                let what = format!(
                    "there is {SINGLE} besides the shards of {INDEX}, and which of them are the weights is unclear: move \
                     one of the two away"
                );
                return Err(ModelError::file(dir, what));
            }
            return Ok(Self::Indexed(index));
        }
        if single.exists() {
            return Ok(Self::Single(single));
        }
        let names = names(dir)?;
        match numbered(dir, &names)? {
            Some(paths) => Ok(Self::Numbered(paths)),
            None => Err(ModelError::file(dir, instead(&names))),
        }
    }
}

impl Index {
    fn read(path: PathBuf) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct File {
            weight_map: BTreeMap<String, String>,
        }
        let text = std::fs::read_to_string(&path).map_err(|e| ModelError::io(&path, e))?;
        let File { weight_map: map } =
            serde_json::from_str(&text).map_err(|e| ModelError::file(&path, format!("not a weight index: {e}")))?;
        if let Some(file) = map.values().find(|f| Path::new(f).file_name().is_none_or(|n| n != f.as_str())) {
            let what = format!("names the file {file:?}, which is not a plain file name");
            return Err(ModelError::key(&path, "weight_map", what));
        }
        Ok(Self { path, map })
    }
}

fn names(dir: &Path) -> Result<BTreeSet<String>, ModelError> {
    let entries = std::fs::read_dir(dir).map_err(|e| ModelError::io(dir, e))?;
    Ok(entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
}

/// Number and count of `model-00001-of-00002.safetensors`.
fn shard_number(name: &str) -> Option<(u32, u32)> {
    let (number, count) = name.strip_prefix("model-")?.strip_suffix(".safetensors")?.split_once("-of-")?;
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !(digits(number) && digits(count)) {
        return None;
    }
    Some((number.parse().ok()?, count.parse().ok()?))
}

/// The shards of a folder without an index, if there are any.
fn numbered(dir: &Path, names: &BTreeSet<String>) -> Result<Option<Vec<PathBuf>>, ModelError> {
    let shards: Vec<(&String, (u32, u32))> = names.iter().filter_map(|n| Some((n, shard_number(n)?))).collect();
    let Some((first, (start, count))) = shards.first() else { return Ok(None) };
    if let Some((other, _)) = shards.iter().find(|(_, (_, n))| n != count) {
        let what = format!("{first} and {other} are shards of different sets: keep one set, or add its {INDEX}");
        return Err(ModelError::file(dir, what));
    }
    // Some tools count from 0.
    let from = (*start).min(1);
    let there: BTreeSet<u32> = shards.iter().map(|(_, (i, _))| *i).collect();
    let missing = |i: &u32| !there.contains(i);
    let (number, rest) = first["model-".len()..].split_once('-').unwrap_or_default();
    let name = |i: u32| format!("model-{i:0width$}-{rest}", width = number.len());
    let gone: Vec<String> = (from..from.saturating_add(*count)).filter(missing).take(3).map(name).collect();
    if gone.is_empty() && shards.len() == *count as usize {
        return Ok(Some(shards.iter().map(|(n, _)| dir.join(n)).collect()));
    }
    let what = format!(
        "{} of {count} shards are there, and there is no {INDEX}; missing: {}{}",
        shards.len(),
        gone.join(", "),
        if *count as usize > shards.len() + gone.len() { ", ..." } else { "" }
    );
    Err(ModelError::file(dir, what))
}

/// What a folder without weights mosa can read holds, and what to do about it.
fn instead(names: &BTreeSet<String>) -> String {
    let with = |endings: &[&str]| names.iter().find(|n| endings.iter().any(|e| n.ends_with(e)));
    if let Some(name) = with(&[".safetensors"]) {
        let adapter = if names.contains("adapter_config.json") {
            "; this is an adapter: name it with --adapter and the checkpoint it belongs to with --model"
        } else {
            ": if that file is the whole checkpoint, name it model.safetensors"
        };
        return format!("holds neither {SINGLE} nor {INDEX}, but {name}{adapter}");
    }
    if let Some(name) = with(&[".bin", ".pt", ".pth", ".ckpt", ".pkl"]) {
        return format!("holds neither {SINGLE} nor {INDEX}, but {name}: {PICKLE}");
    }
    if let Some(name) = with(&[".gguf"]) {
        let what = "weights in llama.cpp's format, mostly quantised, which mosa does not read: use the safetensors \
                    checkpoint it was converted from";
        return format!("holds neither {SINGLE} nor {INDEX}, but {name}: {what}");
    }
    if let Some(name) = with(&[".h5", ".msgpack", ".npz", ".onnx", ".mlmodel", ".tflite"]) {
        return format!("holds neither {SINGLE} nor {INDEX}, but {name}, which mosa does not read");
    }
    format!("holds neither {SINGLE} nor {INDEX}: weights must be safetensors files")
}

/// Why files of torch.save are not read.
pub(crate) const PICKLE: &str = "a torch pickle, which can run code when it is read, so mosa does not read it. In Python, \
     where you trust the file: m = torch.load(FILE, weights_only=True), then safetensors.torch.save_file({k: \
     v.contiguous() for k, v in m.items()}, NEW_FILE), and use NEW_FILE";

/// What a file that is no safetensors file is, as far as its first bytes tell.
pub(crate) fn disguise(bytes: &[u8]) -> Option<&'static str> {
    let starts = |with: &[u8]| bytes.starts_with(with);
    if starts(b"version https://git-lfs") {
        Some("is a Git LFS pointer and not the file itself: run `git lfs pull` in the folder")
    } else if starts(b"PK\x03\x04") || starts(b"\x80\x02") {
        Some("is a torch pickle under another name, which mosa does not read")
    } else if starts(b"GGUF") {
        Some("is a GGUF file under another name, which mosa does not read")
    } else if bytes.trim_ascii_start().starts_with(b"<") {
        Some("is a web page and not weights: download it again, signed in where the repository is gated")
    } else {
        None
    }
}
