//! Manifests of the first form (`run/1`, up to 0.1.0) in the words of this one.
//!
//! They hold settings as debug output, the type that was asked for instead of the one that was computed in, fingerprints
//! of the first and last part of every file, and no device.

use super::{Fingerprints, Manifest, debug};
use crate::digest;
use serde_json::Value;
use std::path::Path;

/// A recorded manifest as this version would have written it. What it does not say is taken to be as it is now; where
/// numbers may depend on that, it is noted.
pub(super) fn read(mut there: Value, run: &Manifest, notes: &mut Vec<String>) -> Value {
    let here = &run.said;
    for key in ["sampler", "shape"] {
        if let Some(value) = there[key].as_str().and_then(debug::value) {
            there[key] = value;
        }
    }
    // In debug output the choice to cache nothing reads like an option that is not there.
    if let Some(cache) = there.pointer_mut("/sampler/cache").filter(|cache| cache.is_null()) {
        *cache = "none".into();
    }
    read_batching(&mut there, here);
    read_dtype(&mut there, here);
    if here["device"].is_object() {
        let device = here["device"]["kind"].as_str().unwrap_or_default();
        notes.push(format!(
            "an earlier version began the run and did not say on which device; it goes on on {device}, and numbers of \
             another one differ in their last digits"
        ));
        there["device"] = here["device"].clone();
    }
    if there["revision"].is_null() {
        there["revision"] = here["revision"].clone();
    }
    read_fingerprints(&mut there, here, &run.fingerprints);
    there
}

/// How rows shared passes was one of the options of the sampler; all rows of a batch in one pass is the nearest to passes
/// of so many tokens.
fn read_batching(there: &mut Value, here: &Value) {
    let Some(batching) =
        there.get_mut("sampler").and_then(Value::as_object_mut).and_then(|sampler| sampler.shift_remove("batching"))
    else {
        return;
    };
    let shared = batching == "padded" && here["batching"]["shared"].is_object();
    there["batching"] = if shared { here["batching"].clone() } else { batching };
}

/// The type was the word of the flag, which says what was computed in only together with the weights; alignments had
/// libtorch's word for it, beside the model; the embedded world had none.
fn read_dtype(there: &mut Value, here: &Value) {
    if here["dtype"].is_null() {
        // Nothing is computed here: the flag meant nothing.
        there["dtype"] = Value::Null;
        return;
    }
    let of_model = there.get_mut("model").and_then(Value::as_object_mut).and_then(|model| model.shift_remove("dtype"));
    let recorded = of_model.unwrap_or_else(|| there["dtype"].clone());
    let same = recorded.is_null() || recorded == here["asked"]["dtype"];
    there["dtype"] = match recorded.as_str() {
        _ if same => here["dtype"].clone(),
        Some("Float") => "f32".into(),
        Some("BFloat16") => "bf16".into(),
        Some("Half") => "f16".into(),
        _ => recorded,
    };
}

/// Where a fingerprint of now stands, the recorded one was made of the beginning and end of every file.
fn read_fingerprints(there: &mut Value, here: &Value, fingerprints: &Fingerprints) {
    match (there, here) {
        (Value::Object(there), Value::Object(here)) => {
            for (key, inner) in there {
                read_fingerprints(inner, here.get(key).unwrap_or(&Value::Null), fingerprints);
            }
        }
        (Value::Array(there), Value::Array(here)) => {
            there.iter_mut().zip(here).for_each(|(there, here)| read_fingerprints(there, here, fingerprints));
        }
        (there, Value::String(now)) => {
            let of_ends = |dir: &Path| digest::of_ends_of_model(dir).ok();
            let before = fingerprints.0.get(now).and_then(|dir| of_ends(dir));
            if before.is_some_and(|before| *there == before) {
                *there = now.clone().into();
            }
        }
        _ => {}
    }
}
