//! Which folders are of the same run, when versions and machines change.

use mosa_records::{Identity, MANIFEST, RunFolder};
use serde_json::{Value, json};
use std::path::Path;

/// A run of a version that may have more settings than the one before.
struct Run {
    manifest: Value,
    defaults: Value,
}

impl Run {
    fn new(manifest: Value) -> Self {
        Self { manifest, defaults: json!({"sampler": {"steps": 8, "penalty": 0.0, "end": {"rule": "free"}}}) }
    }
}

impl Identity for Run {
    fn manifest(&self) -> &Value {
        &self.manifest
    }

    fn defaults(&self) -> &Value {
        &self.defaults
    }

    fn read_earlier(&self, mut recorded: Value, notes: &mut Vec<String>) -> Value {
        notes.push("read as it was".into());
        recorded["steps"] = recorded["old_steps"].take();
        recorded
    }

    fn fix(&self, key: &str, recorded: &Value) -> Option<String> {
        (key == "device.kind").then(|| format!("--device {}", recorded.as_str().unwrap_or_default()))
    }
}

fn begin(dir: &Path, manifest: Value) {
    RunFolder::open(dir, &Run::new(manifest)).expect("the folder is new");
}

/// The notes of a folder that goes on, or why it does not.
fn go_on(dir: &Path, manifest: Value) -> Result<Vec<String>, String> {
    let folder = RunFolder::open(dir, &Run::new(manifest)).map_err(|error| error.to_string())?;
    Ok(folder.notes().to_vec())
}

#[test]
fn an_option_that_came_later_counts_as_its_default_where_it_was_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    begin(dir.path(), json!({"sampler": {"steps": 8}}));
    let with = |penalty: f64, rule: &str| json!({"sampler": {"steps": 8, "penalty": penalty, "end": {"rule": rule}}});
    assert_eq!(go_on(dir.path(), with(0.0, "free")), Ok(vec![]));
    let refused = go_on(dir.path(), with(0.5, "last")).unwrap_err();
    for said in ["sampler.penalty was 0.0, is 0.5", "sampler.end.rule was \"free\", is \"last\""] {
        assert!(refused.contains(said), "{refused}");
    }
    // An option without a default is nothing where it was not recorded, and a recorded value is never the default.
    assert!(
        go_on(dir.path(), json!({"sampler": {"steps": 8}, "limit": 3})).unwrap_err().contains("limit was null, is 3")
    );
    let none = go_on(dir.path(), json!({"sampler": {}})).unwrap_err();
    assert!(none.contains("sampler.steps was 8, is null"), "{none}");
}

#[test]
fn lists_are_compared_item_by_item_where_they_are_lists_of_objects() {
    let dir = tempfile::tempdir().unwrap();
    let with = |hash: &str, ids: &[u32]| json!({"helpers": [{"role": "a"}, {"role": "b", "hash": hash}], "ids": ids});
    begin(dir.path(), with("1f", &[1, 2]));
    assert_eq!(go_on(dir.path(), with("1f", &[1, 2])), Ok(vec![]));
    let refused = go_on(dir.path(), with("2e", &[1, 3])).unwrap_err();
    assert!(refused.contains("helpers.1.hash was \"1f\", is \"2e\"; ids was [1,2], is [1,3]"), "{refused}");
}

#[test]
fn other_versions_are_said_and_another_device_is_refused_with_the_flag() {
    let dir = tempfile::tempdir().unwrap();
    let on = |mosa: &str, libtorch: &str, device: Value| json!({"mosa": mosa, "libtorch": libtorch, "device": device, "asked": {"device": device.to_string()}});
    let card = |number: usize| json!({"kind": "cuda", "number": number, "card": "A"});
    begin(dir.path(), on("0.1.0", "2.11.0", card(0)));
    assert_eq!(go_on(dir.path(), on("0.1.0", "2.11.0", card(0))), Ok(vec![]));
    let notes = go_on(dir.path(), on("0.2.0", "2.12.0", card(1))).unwrap().join("\n");
    for said in ["mosa was \"0.1.0\", is \"0.2.0\"", "libtorch was \"2.11.0\"", "device.number was 0, is 1"] {
        assert!(notes.contains(said), "{notes}");
    }
    assert!(!notes.contains("asked"));
    let refused = go_on(dir.path(), on("0.1.0", "2.11.0", json!({"kind": "cpu"}))).unwrap_err();
    assert!(refused.contains("device.kind was \"cuda\", is \"cpu\" (give --device cuda)"), "{refused}");
}

#[test]
fn a_manifest_of_an_earlier_form_is_translated_and_one_of_a_later_form_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(MANIFEST);
    let write = |schema: &str| std::fs::write(&path, json!({"schema": schema, "old_steps": 8}).to_string()).unwrap();
    write("run/1");
    assert_eq!(go_on(dir.path(), json!({"steps": 8})).unwrap().len(), 1);
    assert!(go_on(dir.path(), json!({"steps": 9})).unwrap_err().contains("steps was 8, is 9"));
    write("run/2");
    assert!(go_on(dir.path(), json!({"steps": 8})).unwrap_err().contains("old_steps was 8, is null"));
    write("run/3");
    assert!(go_on(dir.path(), json!({"steps": 8})).unwrap_err().contains("schema was run/3"));
    for other in ["[]", "1", "\"run\""] {
        std::fs::write(&path, other).unwrap();
        assert!(go_on(dir.path(), json!({"steps": 8})).is_err(), "{other}");
    }
}
