//! Which runs are shards of one.

use crate::Run;
use serde_json::Value;

/// What may differ between the shards of one run: which shard, how many items it has, and what never makes another run.
const BESIDE: [&str; 8] = ["shard", "items", "schema", "machine", "asked", "mosa", "libtorch", "name"];
/// The same within `device`.
const BESIDE_DEVICE: [&str; 2] = ["number", "card"];
/// Which shard of how many a run is.
pub(super) fn shard(run: &Run) -> Option<(usize, usize)> {
    let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    if let Some(said) = run.manifest.get("shard").filter(|said| said.is_object()) {
        return Some((number(&said["part"])?, number(&said["of"])?));
    }
    // Earlier versions: every n-th item.
    let said = run.said("shard")?;
    let (own, all) = said.split_once('/')?;
    Some((own.trim().parse().ok()?, all.trim().parse().ok()?))
}

/// Whether two runs are shards of the same one.
pub(super) fn are_shards(a: &Run, b: &Run) -> bool {
    match (shard(a), shard(b)) {
        (Some((_, n)), Some((_, m))) => {
            // Shards of earlier versions hold other items.
            let alike = a.manifest["shard"].is_object() == b.manifest["shard"].is_object();
            n == m && alike && shared(&a.manifest) == shared(&b.manifest)
        }
        _ => false,
    }
}

/// What the manifests of all shards say alike.
fn shared(manifest: &Value) -> Value {
    let mut own = manifest.clone();
    if let Some(map) = own.as_object_mut() {
        map.retain(|key, value| !BESIDE.contains(&key.as_str()) && !value.is_null());
        if let Some(device) = map.get_mut("device").and_then(Value::as_object_mut) {
            device.retain(|key, _| !BESIDE_DEVICE.contains(&key.as_str()));
        }
    }
    own
}

/// What the runs have in their names, where they have no label.
pub(super) fn name_of(runs: &[&Run], task: &str) -> String {
    let first = runs[0];
    if shard(first).is_none() {
        return first.model(task);
    }
    let common = runs.iter().fold(first.name.as_str(), |common, run| {
        let same = common.char_indices().zip(run.name.chars()).take_while(|((_, a), b)| a == b);
        let end = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
        &common[..end]
    });
    let common = if runs.len() > 1 { common } else { common.trim_end_matches(|c: char| c.is_ascii_digit()) };
    let bare = common.trim_end_matches(|c: char| !c.is_alphanumeric()).trim_end_matches("shard");
    first.model_of(bare.trim_end_matches(|c: char| !c.is_alphanumeric()), task)
}
