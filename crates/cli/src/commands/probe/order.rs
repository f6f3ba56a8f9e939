//! `mosa probe order`: in which order answers are revealed, benign and adversarial.

use super::{ORDERS, Opened, header};
use crate::args::OrderArgs;
use crate::digest;
use crate::failure::Failure;
use crate::interrupt;
use anyhow::Result;
use mosa_core::stats::{kendall_tau_b, pearson};
use mosa_probe::{Case, order, plain};
use mosa_records::{Batches, OrderRecord};
use serde_json::json;

pub(crate) fn run(args: &OrderArgs) -> Result<(), Failure> {
    let (seed, quiet) = (args.sampling.seed, args.common.compute.quiet);
    let path = args.benign.as_deref();
    let benign = path.map(|path| args.common.select.of_other().read(path, seed, quiet)).transpose()?;
    let mut settings = json!({"benign": path.map(digest::of_file).transpose()?});
    if let Some(file) = benign.as_ref().filter(|file| !file.said.is_null()) {
        settings["benign_reading"] = file.said.clone();
    }
    let probe = Opened::new("probe order", &args.common, &args.sampling, settings)?;
    let mut groups = vec![("adversarial", args.common.behaviors.as_path(), &probe.behaviours)];
    groups.extend(path.zip(benign.as_ref()).map(|(path, file)| ("benign", path, &file.records)));
    let mut cases = Vec::new();
    for (group, path, prompts) in groups {
        let own = prompts.iter().map(|prompt| plain(probe.runtime.text(), prompt, group));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        probe.has_room(path, &own)?;
        cases.extend(own);
    }
    let batches = Batches { cases: &cases, size: args.common.batch_size };
    let done = probe.recorded(ORDERS, batches, Case::key, |batch| {
        let _finishing = interrupt::finishing();
        Ok(order(&probe.runtime, &probe.options, batch)?)
    })?;
    let Some(orders) = done else { return Ok(()) };
    Ok(probe.close(&table(&orders))?)
}

/// A measure of agreement between steps and offsets; `None` where it is not defined.
type Statistic = fn(&[(f64, f64)]) -> Option<f64>;

/// How sequential each group is; words alone, end tokens apart.
fn table(orders: &[OrderRecord]) -> Vec<Vec<String>> {
    let mut rows = vec![header(&["prompts", "n", "words", "correlation of step and offset", "Kendall tau"])];
    let mut groups: Vec<&str> = orders.iter().map(|o| o.group.as_str()).collect();
    groups.dedup();
    for group in groups {
        let own: Vec<&OrderRecord> = orders.iter().filter(|o| o.group == group).collect();
        let words: usize = own.iter().map(|o| o.pairs().len()).sum();
        let mean = |f: Statistic| {
            let values: Vec<f64> = own.iter().filter_map(|o| f(&o.pairs()).filter(|r| r.is_finite())).collect();
            match values.len() {
                0 => "-".to_owned(),
                n => format!("{:.2}", values.iter().sum::<f64>() / n as f64),
            }
        };
        let row = [group.to_owned(), own.len().to_string(), words.to_string(), mean(pearson), mean(kendall_tau_b)];
        rows.push(row.to_vec());
    }
    rows
}
