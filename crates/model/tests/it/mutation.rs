//! Damaged files never crash: whatever the bytes, loading either works or returns an error.

use crate::{copy, open};
use mosa_core::{Rng, Stream};
use mosa_model::{Adapter, DenoisingModel};
use std::path::Path;

/// Flips, inserts, removes or repeats a few bytes, mostly in the part that is parsed.
fn damage(original: &[u8], parsed: usize, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..1 + rng.below(4) {
        let at = if rng.below(8) == 0 { rng.below(bytes.len()) } else { rng.below(parsed.min(bytes.len())) };
        match rng.below(6) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = b"0123456789{}[]\",:.-eE\\"[rng.below(22)],
            2 => bytes.insert(at, b"0192{[\",-"[rng.below(9)]),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at.max(1)),
            _ => {
                let end = (at + 1 + rng.below(20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// Loads the damaged folder `rounds` times; returns how often that failed.
fn attack(dir: &Path, file: &str, rounds: u64, open: impl Fn(&Path) -> bool) -> usize {
    let path = dir.join(file);
    let original = std::fs::read(&path).unwrap();
    let parsed = match file.ends_with(".safetensors") {
        true => 8 + u64::from_le_bytes(original[..8].try_into().unwrap()) as usize,
        false => original.len(),
    };
    let refused = (0..rounds)
        .filter(|&round| {
            let mut rng = Rng::at(11, Stream::Bench, round, 0);
            std::fs::write(&path, damage(&original, parsed, &mut rng)).unwrap();
            !open(dir)
        })
        .count();
    std::fs::write(&path, original).unwrap();
    refused
}

#[test]
fn damaged_configs_headers_and_indexes_are_refused_or_load_but_never_crash() {
    for (name, file) in [
        ("llada", "config.json"),
        ("dream", "config.json"),
        ("mmada", "model.safetensors"),
        ("dream", "model.safetensors.index.json"),
        ("dream", "model-00001-of-00004.safetensors"),
    ] {
        let dir = copy(name);
        let refused = attack(dir.path(), file, 400, |d| open(d).is_ok());
        assert!(refused > 100, "{file}: only {refused} of 400 damaged files were refused");
        assert!(open(dir.path()).is_ok());
    }
}

#[test]
fn damaged_adapters_are_refused_or_load_but_never_crash() {
    let model = crate::load("llada");
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        let dir = tempfile::tempdir().unwrap();
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            std::fs::copy(crate::fixture("llada").join("adapter").join(name), dir.path().join(name)).unwrap();
        }
        let refused = attack(dir.path(), file, 400, |d| Adapter::load(d, model.spec(), tch::Device::Cpu).is_ok());
        assert!(refused > 100, "{file}: only {refused} of 400 damaged files were refused");
    }
}
