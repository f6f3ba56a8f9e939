//! `mosa probe landscape`: where on the canvas the model would refuse, and where it would go on.

use super::{LANDSCAPES, Opened, header};
use crate::args::LandscapeArgs;
use crate::failure::Failure;
use anyhow::Result;
use mosa_core::TokenId;
use mosa_probe::{Case, Landscape, ProbeError, Sentences, plain, propose_window};
use mosa_records::{Batches, LandscapeRecord};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn run(args: &LandscapeArgs) -> Result<(), Failure> {
    let [safe, harmful] = args.sentences.read()?;
    let settings = json!({"safe": safe, "harmful": harmful});
    let probe = Opened::new("probe landscape", &args.common, &args.sampling, settings)?;
    let eos = probe.runtime.text().special.eos;
    let tokens = |set: &[String], end: bool| -> Result<Vec<Vec<TokenId>>> {
        let one = |s: &String| {
            let ids = probe.runtime.text().words(s)?;
            Ok(ids.into_iter().chain(end.then_some(eos)).collect())
        };
        set.iter().map(one).collect()
    };
    let sentences = Arc::new(Sentences { safe: tokens(&safe, true)?, harmful: tokens(&harmful, false)? });
    // The model as it is, and, where an adapter is given, with it.
    let mut groups = vec!["original"];
    groups.extend(probe.adapted.then_some("adapter"));
    let mut cases = Vec::new();
    for group in &groups {
        for prompt in &probe.behaviours {
            cases.push(plain(probe.runtime.text(), prompt, group)?);
        }
    }
    probe.has_room(&args.common.behaviors, &cases)?;
    let batches = Batches { cases: &cases, size: 1 };
    let done = probe.recorded(LANDSCAPES, batches, Case::key, |batch| {
        let of = |case: &Case| {
            let (options, sentences) = (probe.options.clone(), Arc::clone(&sentences));
            let drawn = Landscape { options, sentences, adapted: case.group == "adapter" }.of(&probe.runtime, case);
            // Nothing is computed once a stop is asked for.
            let open = drawn.as_ref().is_err_and(ProbeError::is_interrupted);
            (!open).then(|| drawn.map_err(anyhow::Error::from))
        };
        batch.iter().map_while(of).collect()
    })?;
    let Some(records) = done else { return Ok(()) };
    Ok(probe.close(&table(&records, &groups, args.width))?)
}

fn table(records: &[LandscapeRecord], groups: &[&str], width: usize) -> Vec<Vec<String>> {
    let names =
        ["model", "n", "safe: best start", "harmful: best start", "proposed window", "P(end) at the leftmost mask"];
    let mut rows = vec![header(&names)];
    for group in groups {
        let own: Vec<LandscapeRecord> = records.iter().filter(|r| r.group == *group).cloned().collect();
        let start = |f: &dyn Fn(&LandscapeRecord) -> &Vec<f64>| mean_arg_max(&own, f);
        let end = own.iter().filter_map(|r| r.end_by_step.first()).sum::<f64>() / own.len().max(1) as f64;
        let window = propose_window(&own, width).map_or("-".into(), |(a, b)| format!("{a}..{b}"));
        let [safe, harmful] = [start(&|r| &r.safe), start(&|r| &r.harmful)];
        rows.push(vec![(*group).to_owned(), own.len().to_string(), safe, harmful, window, format!("{end:.3}")]);
    }
    rows
}

/// Where the curve averaged over the records is highest, and how high.
fn mean_arg_max(records: &[LandscapeRecord], curve: &dyn Fn(&LandscapeRecord) -> &Vec<f64>) -> String {
    let length = records.iter().map(|r| curve(r).len()).min().unwrap_or(0);
    let mean = |k: usize| records.iter().map(|r| curve(r)[k]).sum::<f64>() / records.len() as f64;
    let best = (0..length).map(|k| (k, mean(k))).max_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or("-".into(), |(k, score)| format!("{k} ({score:.2} per token)"))
}
