//! The ranks of a training: who takes part, that they are about the same, and how they end together.

use crate::args::{AlignArgs, Compute};
use crate::failure::Failure;
use crate::{digest, output, shown};
use anyhow::Result;
use mosa_align::AlignConfig;
use mosa_model::{DeviceChoice, cuda_status};
use mosa_parallel::{Alone, Exchange, Gloo, Launch, Nccl, ParallelError, Team};
use mosa_records::MANIFEST;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// What the errors of this rank begin with, if there are several.
static NAMED: OnceLock<String> = OnceLock::new();

/// What of a manifest may differ between ranks: where they run, what was typed there, and which of its cards one has.
const APART: [&str; 3] = ["machine", "asked", "device.number"];
/// Differences that are told.
const TOLD: usize = 3;
/// Characters of a value that are told.
const VALUE: usize = 60;

/// This rank among the others; the only one, if no launcher started several.
pub(crate) struct Ranks {
    exchange: Box<dyn Exchange>,
    /// Machines that take part, as far as the launcher says it.
    machines: usize,
}

/// What the errors of this rank begin with.
pub(crate) fn named() -> &'static str {
    NAMED.get().map_or("", String::as_str)
}

impl Ranks {
    /// Meets the other ranks, if a launcher started several. Settles in `args` what a rank does otherwise than a single
    /// process: its device, and that only rank 0 talks.
    pub(crate) fn join(args: &mut AlignArgs) -> Result<Self, Failure> {
        let Some(launch) = Launch::read()? else { return Ok(Self { exchange: Box::new(Alone), machines: 1 }) };
        let (rank, size) = (launch.rank, launch.size);
        let _ = NAMED.set(format!("rank {rank} of {size}: "));
        // libtorch_cuda has to be there before the first tensor, and c10d makes some.
        args.compute.device = own_device(args.compute.device, &launch);
        let talks = rank == 0 && !args.compute.quiet;
        args.compute.quiet |= rank > 0;
        args.json &= rank == 0;
        let gloo = Gloo::join(&launch, Duration::from_secs(args.rank_timeout))?;
        let exchange: Box<dyn Exchange> = match (args.exchange.as_str(), args.compute.device) {
            ("nccl", DeviceChoice::Cuda(number)) => Box::new(Nccl::join(gloo, number)?),
            ("nccl", _) => return Err(anyhow::anyhow!("--exchange nccl is for CUDA devices; leave it at gloo").into()),
            _ => Box::new(gloo),
        };
        let machines = launch.local_size.map_or(1, |here| size / here.max(1)).max(1);
        let this = Self { exchange, machines };
        if talks {
            let by = launch.by;
            output::say(&format!("{size} ranks, started by {by}, sum over {}", this.exchange.name()));
        }
        this.compare_programs()?;
        Ok(this)
    }

    pub(crate) fn exchange(&self) -> &dyn Exchange {
        self.exchange.as_ref()
    }

    /// Whether this rank writes the run folder and talks.
    pub(crate) fn leads(&self) -> bool {
        self.exchange.rank() == 0
    }

    /// What rank 0 says.
    pub(crate) fn told(&self, own: bool) -> Result<bool, ParallelError> {
        Ok(self.exchange.broadcast(0, vec![u8::from(own)])? == [1])
    }

    /// The setting `shards`, where it is not given: that of the run in the folder, or one for every rank.
    pub(crate) fn settle_shards(&self, config: &mut AlignConfig, out: &Path, quiet: bool) -> Result<(), Failure> {
        let size = self.exchange.size();
        let recorded = serde_json::to_vec(&recorded_shards(out))?;
        let recorded: Option<usize> = serde_json::from_slice(&self.exchange.broadcast(0, recorded)?)?;
        let shards = config.shards.or(recorded).unwrap_or(size);
        if config.shards.is_none() && recorded.is_none() && size > 1 && !quiet {
            output::say(&format!(
                "shards = {shards}, one for each rank; it stays so for this run, which any smaller number of ranks can go on with"
            ));
        }
        // 1 is not written down, so that runs of versions without shards are the same runs.
        config.shards = (shards > 1).then_some(shards);
        Team { exchange: self.exchange(), shards }.check().map_err(|error| self.agreed(Failure::from(error)))
    }

    /// Divides the processors among the shards, unless the user has said how many threads there are: as many as ranks
    /// need where each has one shard, and no more with fewer ranks, so that their number decides no bit. Says so.
    pub(crate) fn settle_threads(&self, compute: &mut Compute, shards: usize) {
        let is_set = compute.threads.is_some() || asked_for_threads();
        let on_gpu = matches!(compute.device, DeviceChoice::Cuda(_) | DeviceChoice::Mps);
        if is_set || shards < 2 || on_gpu || compute.device == DeviceChoice::Auto && cuda_status().is_ok_and(|n| n > 0)
        {
            return;
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = (cores * self.machines / shards).max(1);
        compute.threads = Some(threads);
        if self.leads() && !compute.quiet {
            let what = if threads == 1 { "1 CPU thread" } else { &format!("{threads} CPU threads") };
            output::say(&format!(
                "{what} a rank: the cores by {shards} shards, so that any number of ranks computes the same bits (--threads says otherwise)"
            ));
        }
    }

    /// Refuses ranks that are about different things: every rank has a manifest of the same run.
    pub(crate) fn agree(&self, manifest: &Value) -> Result<(), Failure> {
        if self.exchange.size() == 1 {
            return Ok(());
        }
        let text = manifest.to_string();
        let hashes = self.exchange.gather(digest::whole(leaves(manifest).join("\n").as_bytes()).as_bytes())?;
        if hashes.iter().all(|hash| *hash == hashes[0]) {
            return Ok(());
        }
        let all = self.exchange.gather(text.as_bytes())?;
        let all = all.iter().map(|text| serde_json::from_slice(text)).collect::<Result<Vec<Value>, _>>()?;
        let other = (1..all.len()).find(|rank| hashes[*rank] != hashes[0]).unwrap_or(0);
        let what = anyhow::anyhow!("{}", differences(&all[0], &all[other], other));
        Err(self.agreed(what.context("the ranks were not started alike").into()))
    }

    /// All ranks have to be the same program.
    fn compare_programs(&self) -> Result<(), Failure> {
        let own = format!("{} {}", env!("CARGO_PKG_VERSION"), digest::of_program()?);
        let all = self.exchange.gather(own.as_bytes())?;
        let Some(rank) = (1..all.len()).find(|rank| all[*rank] != all[0]) else { return Ok(()) };
        let [first, other] = [0, rank].map(|rank| String::from_utf8_lossy(&all[rank]).into_owned());
        let what = "another mosa than rank 0 (version and the beginning of the program's SHA-256:";
        let error =
            anyhow::anyhow!("rank {rank} runs {what} {other}, not {first}); start the same file on every machine");
        Err(self.agreed(error.into()))
    }

    /// A failure that all ranks have come to together: rank 0 tells it.
    fn agreed(&self, failure: Failure) -> Failure {
        match self.leads() {
            true => Failure::Agreed(Box::new(failure)),
            false => Failure::Elsewhere(failure.code()),
        }
    }

    /// Ends together with the others: waits for them, or leaves word why this rank cannot go on.
    pub(crate) fn end(&self, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Ok(()) => Ok(self.exchange.finish()?),
            Err(Failure::Interrupted(_)) if !self.leads() => Err(Failure::Elsewhere(130)),
            Err(failure @ (Failure::Agreed(_) | Failure::Elsewhere(_) | Failure::Interrupted(_))) => Err(failure),
            Err(failure) => match self.exchange.leave(&failure.to_string(), failure.code()) {
                true => Err(failure),
                false => Err(Failure::Elsewhere(failure.code())),
            },
        }
    }
}

/// The device of this rank, where its number is left open (`cuda` is `cuda:0`): the one with the rank's number on its machine, or
/// the only one that the launcher lets it see.
fn own_device(choice: DeviceChoice, launch: &Launch) -> DeviceChoice {
    let number = |count: usize| if count == 1 { 0 } else { launch.local.unwrap_or(0) };
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cuda(0) => match cuda_status() {
            Ok(count) if count > 0 => DeviceChoice::Cuda(number(count)),
            _ => choice,
        },
        _ => choice,
    }
}

/// Whether the user has said how many threads there are. torchrun says 1 where nobody did, but not to a single rank.
fn asked_for_threads() -> bool {
    let torchrun = std::env::var_os("TORCHELASTIC_RUN_ID").is_some();
    std::env::var_os("OMP_NUM_THREADS").is_some_and(|threads| !(torchrun && threads == "1"))
}

/// The shards of the run in a folder, if there is one; where its manifest cannot be read, opening the folder says so.
fn recorded_shards(out: &Path) -> Option<usize> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.join(MANIFEST)).ok()?).ok()?;
    let settings = manifest.get("settings")?;
    Some(settings.get("shards").and_then(Value::as_u64).map_or(1, |shards| shards as usize))
}

/// Every value of a manifest with its key, but for those that may differ between ranks.
fn leaves(manifest: &Value) -> Vec<String> {
    fn walk(key: &str, value: &Value, all: &mut Vec<String>) {
        // A file may lie elsewhere on another machine; what is in it has a hash beside it.
        if APART.contains(&key) || key == "path" || key.ends_with(".path") {
            return;
        }
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| {
                walk(&if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, value, all);
            }),
            value => all.push(format!("{key} = {value}")),
        }
    }
    let mut all = Vec::new();
    walk("", manifest, &mut all);
    all
}

/// What another rank has otherwise than rank 0.
fn differences(first: &Value, other: &Value, rank: usize) -> String {
    let [first, other] = [first, other].map(|manifest| leaves(manifest).into_iter().collect::<BTreeSet<String>>());
    let key = |leaf: &String| leaf.split_once(" = ").map_or("", |(key, _)| key).to_owned();
    let value = |all: &BTreeSet<String>, wanted: &str| {
        let found = all.iter().find(|leaf| key(leaf) == wanted).and_then(|leaf| leaf.split_once(" = "));
        shown::cut(found.map_or("not there", |(_, value)| value), VALUE)
    };
    let keys: BTreeSet<String> = first.symmetric_difference(&other).map(key).collect();
    let told = keys
        .iter()
        .take(TOLD)
        .map(|key| format!("{key} is {} on rank 0 and {} on rank {rank}", value(&first, key), value(&other, key)));
    let more = keys.len().saturating_sub(TOLD);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    told.collect::<Vec<_>>().join("; ") + &rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_keys_that_differ_are_named_and_paths_machines_and_card_numbers_may() {
        let of = |lr: f64, path: &str, number: usize| json!({"settings": {"lr": lr, "seed": 0}, "data": {"path": path, "sha256": "ab"}, "device": {"kind": "cuda", "number": number}, "machine": path});
        let (a, b) = (of(1e-4, "/a", 0), of(5e-5, "/b", 1));
        assert_eq!(leaves(&a), leaves(&of(1e-4, "/b", 3)));
        let text = differences(&a, &b, 2);
        assert_eq!(text, "settings.lr is 0.0001 on rank 0 and 0.00005 on rank 2");
        assert!(differences(&a, &json!({}), 1).contains("not there on rank 1; and"));
    }
}
