//! A reproducible sample of a prompt file.

use crate::PromptRecord;
use mosa_core::{Rng, Stream, sample_key};
use std::collections::BTreeMap;

/// `n` records in file order, every style (or, without styles, category) in proportion to its share of the file. Which
/// ones depends on the seed and the ids alone. All records if there are no more than `n`.
pub fn stratified_sample(records: Vec<PromptRecord>, n: usize, seed: u64) -> Vec<PromptRecord> {
    if records.len() <= n {
        return records;
    }
    let mut strata: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, r) in records.iter().enumerate() {
        strata.entry(r.style.clone().or_else(|| r.category.clone()).unwrap_or_default()).or_default().push(i);
    }
    let sizes: Vec<usize> = strata.values().map(Vec::len).collect();
    let mut keep = vec![false; records.len()];
    for ((name, mut members), quota) in strata.into_iter().zip(quotas(&sizes, n)) {
        let key = |i: &usize| Rng::at(seed, Stream::Sample, sample_key(&name), sample_key(&records[*i].id)).bits();
        members.sort_by_cached_key(|i| (key(i), *i));
        for i in members.into_iter().take(quota) {
            keep[i] = true;
        }
    }
    records.into_iter().zip(keep).filter_map(|(r, kept)| kept.then_some(r)).collect()
}

/// Shares of `n` in proportion to `sizes`; what rounding leaves goes to the largest remainders.
fn quotas(sizes: &[usize], n: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    let mut quotas: Vec<usize> = sizes.iter().map(|s| s * n / total).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse((sizes[i] * n) % total));
    let left = n - quotas.iter().sum::<usize>();
    for i in order.into_iter().take(left) {
        quotas[i] += 1;
    }
    quotas
}
