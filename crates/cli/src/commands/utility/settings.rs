//! What flags say of a task, where they fit it. One that would count for nothing is refused.

use crate::args::{ItemArgs, SamplingArgs, UtilityArgs};
use anyhow::{Result, bail, ensure};
use mosa_task::{Ask, Task, TaskFile, WorldTask};
use mosa_world::Draw;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Items of every group of the embedded world's tasks, if nothing else is said.
const OF_THE_WORLD: usize = 100;
/// What an endpoint is told of how to write.
const SENT: [&str; 3] = ["gen_length", "temperature", "seed"];
/// What counts where choices are scored.
const SCORED: [&str; 2] = ["batching", "seed"];

/// The tasks of the embedded world.
pub(super) fn world(items: &ItemArgs, seed: u64) -> Result<WorldTask> {
    let flags = [
        ("--data", items.data.is_some()),
        ("--shots", items.shots.is_some_and(|n| n > 0)),
        ("--shots-file", items.shots_file.is_some()),
    ];
    if let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given) {
        bail!(
            "{flag} counts for nothing here: the world makes its own questions, and asks all of them without \
             shots; remove it"
        );
    }
    let task = WorldTask::new(Draw { n: items.sample.or(items.limit).unwrap_or(OF_THE_WORLD), seed });
    if let Some(named) = items.protocol.as_deref() {
        ensure!(named == task.protocol(), "world has no protocol {named:?}; there is {}", task.protocol());
    }
    let Some(groups) = &items.groups else { return Ok(task) };
    let there: BTreeSet<&str> = task.items().iter().filter_map(|item| item.group.as_deref()).collect();
    if let Some(unknown) = groups.iter().find(|group| !there.contains(group.as_str())) {
        let there = there.into_iter().collect::<Vec<_>>().join(", ");
        bail!("--groups {unknown}: no item is of this group; there are: {there}");
    }
    Ok(task.with_groups(|group| groups.iter().any(|own| own == group)))
}

/// A task file of one's own, which has one protocol.
pub(super) fn own(path: &Path, protocol: Option<&str>) -> Result<TaskFile> {
    let file = TaskFile::read(path)?;
    if let Some(named) = protocol {
        let (path, own) = (path.display(), file.protocol());
        ensure!(
            named == own,
            "{path}: its protocol is {own:?}, not {named:?}; leave --protocol out, or name another file"
        );
    }
    Ok(file)
}

/// Refuses flags that count for nothing with what is asked, and of whom.
pub(super) fn check(args: &UtilityArgs, ask: &Ask) -> Result<()> {
    let chooses = matches!(ask, Ask::Choose(_));
    ensure!(
        !chooses || args.items.repeats == 1,
        "--repeats {}: choices are scored without chance, and all answers to an item would be the same; leave it out",
        args.items.repeats
    );
    let recorded = args.subject.answers.is_some();
    let (counting, why): (&[&str], _) = match (args.subject.model.is_some(), chooses) {
        (true, false) => return Ok(()),
        (false, _) if recorded => (&["seed"], "the answers were given before"),
        (true, true) => (&SCORED, "choices are scored by their likelihood, and nothing is written"),
        (false, _) => (&SENT, "an endpoint is told the length, the temperature and the seed alone"),
    };
    match given(&args.sampling)?.iter().find(|flag| !counting.contains(&flag.as_str())) {
        Some(flag) => bail!("--{} counts for nothing here: {why}; remove it", flag.replace('_', "-")),
        None => Ok(()),
    }
}

/// The settings of the sampler that are not as they are if nothing is said.
fn given(sampling: &SamplingArgs) -> Result<Vec<String>> {
    let (own, unsaid) = (serde_json::to_value(sampling)?, serde_json::to_value(SamplingArgs::default())?);
    let own: Vec<(String, Value)> =
        own.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(own.into_iter().filter(|(key, value)| unsaid.get(key) != Some(value)).map(|(key, _)| key).collect())
}
