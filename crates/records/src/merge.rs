//! Parts of a run, put together to what the run would have written in one piece.

use crate::chunks::{CHUNKS, generations, is_finished};
use crate::finished;
use crate::finished::records;
use crate::identity::Comparison;
use crate::lines::lines;
use crate::log::record_of;
use crate::names::{MANIFEST, VERDICTS};
use crate::whole::{clear_unfinished, concatenate, restore};
use crate::{Lock, Part, RecordsError, RunFolder, VerdictRecord};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How many missing parts are named.
const NAMED: usize = 5;
/// What may not be another version in a part: numbers may depend on it.
const SAME: [&str; 2] = ["mosa", "libtorch"];

/// All parts of one run, each finished.
#[derive(Debug)]
pub struct Parts {
    all: Vec<Found>,
    manifest: Value,
    notes: Vec<String>,
}

/// A part that was found.
#[derive(Debug)]
struct Found {
    dir: PathBuf,
    part: Part,
    /// The manifest of the run it is a part of, as this part says it.
    whole: Value,
    /// Whether it is a chunk of a shared folder.
    is_chunk: bool,
}

/// Verdicts of one judge, as lines, in the order of the answers.
type ByJudge = Vec<(String, Vec<u8>)>;

impl Parts {
    /// The parts in these folders: shards, and folders that many processes shared.
    ///
    /// # Errors
    /// [`RecordsError`] naming what is missing, unfinished or there twice, or the key by which parts are of different runs.
    pub fn of(folders: &[PathBuf]) -> Result<Self, RecordsError> {
        let mut all = Vec::new();
        for folder in folders {
            all.extend(found(folder)?);
        }
        all.sort_by_key(|found| (found.part.cases.start, found.part.number));
        let Some(first) = all.first() else {
            return Err(RecordsError::NoPart { what: "no folder is named; name those of all parts".into() });
        };
        let (manifest, mut notes) = (first.whole.clone(), Vec::new());
        for other in &all[1..] {
            same_run(first, other, &mut notes)?;
        }
        notes.sort();
        notes.dedup();
        together(&all)?;
        for own in &all {
            if !own.is_chunk && Lock::is_held(&own.dir) {
                return Err(RecordsError::Busy { dir: own.dir.clone(), holder: String::new() });
            }
            // Workers pass by what says that it is finished.
            let again = if own.is_chunk { "remove its done.json and start a worker" } else { "run its command again" };
            finished::check(&own.dir, &format!("part {}", own.part), again)?;
        }
        Ok(Self { all, manifest, notes })
    }

    /// The manifest of the run in one piece, with the machine of its first part.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// What is not alike in all parts and does not matter.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many parts there are, and how many cases they have.
    pub fn counts(&self) -> (usize, usize) {
        (self.all.len(), self.all.iter().map(|own| own.part.cases.len()).sum())
    }

    /// Writes the run folder. One that holds the same already, or part of it after a kill, is completed. Returns notes.
    ///
    /// # Errors
    /// [`RecordsError`] if the folder holds anything else, or cannot be written.
    pub fn write(&self, out: &Path) -> Result<Vec<String>, RecordsError> {
        let lock = RunFolder::lock(out, "records merge")?;
        clear_unfinished(out);
        restore(&out.join(MANIFEST), format!("{:#}\n", self.manifest).as_bytes())?;
        let mut names = BTreeSet::new();
        for own in &self.all {
            names.extend(records(&own.dir)?);
        }
        let mut notes: Vec<String> = lock.warning().map(str::to_owned).into_iter().collect();
        for name in names {
            let path = out.join(&name);
            if name == VERDICTS {
                let (judges, more) = self.by_judge()?;
                notes.extend(more);
                let bytes: Vec<u8> = judges.into_iter().flat_map(|(_, lines)| lines).collect();
                restore(&path, &bytes)?;
            } else {
                let parts: Vec<PathBuf> = self.all.iter().map(|own| own.dir.join(&name)).collect();
                concatenate(&path, &parts)?;
            }
        }
        Ok(notes)
    }

    /// The verdicts of all parts, judge after judge as a run in one piece has them.
    ///
    /// # Errors
    /// [`RecordsError`] if they cannot be read.
    pub fn verdicts(&self) -> Result<Vec<VerdictRecord>, RecordsError> {
        let mut all = Vec::new();
        for (_, bytes) in self.by_judge()?.0 {
            let path = self.all[0].dir.join(VERDICTS);
            for (number, line) in lines(&bytes) {
                all.push(record_of(&path, number, line)?);
            }
        }
        Ok(all)
    }

    /// The lines of all verdicts by judge, judges in the order of their first verdict; and which judges not all parts know.
    fn by_judge(&self) -> Result<(ByJudge, Vec<String>), RecordsError> {
        let (mut judges, mut parts): (ByJudge, BTreeMap<String, usize>) = Default::default();
        for own in &self.all {
            let path = own.dir.join(VERDICTS);
            let bytes =
                if path.exists() { fs::read(&path).map_err(|e| RecordsError::file(&path, e))? } else { Vec::new() };
            let mut here = BTreeSet::new();
            for (number, line) in lines(&bytes) {
                let verdict: VerdictRecord = record_of(&path, number, line)?;
                let judge = format!("{} {:?}", verdict.judge, verdict.by);
                let at = judges.iter().position(|(known, _)| *known == judge).unwrap_or_else(|| {
                    judges.push((judge.clone(), Vec::new()));
                    judges.len() - 1
                });
                judges[at].1.extend_from_slice(line);
                judges[at].1.push(b'\n');
                here.insert((judge, verdict.judge));
            }
            here.into_iter().for_each(|(_, name)| *parts.entry(name).or_default() += 1);
        }
        let (of, missing) = (self.all.len(), |(name, n): (String, usize)| (n < self.all.len()).then_some((name, n)));
        let note = |(name, n)| {
            format!("{n} of {of} parts have verdicts of {name}; `mosa judge` asks for the others in the merged folder")
        };
        Ok((judges, parts.into_iter().filter_map(missing).map(note).collect()))
    }
}

/// The parts in a folder.
fn found(folder: &Path) -> Result<Vec<Found>, RecordsError> {
    let manifest = RunFolder::manifest(folder)?;
    if manifest[CHUNKS].is_object() {
        return chunks(folder, &manifest[CHUNKS]);
    }
    Ok(vec![shard(folder, manifest, false)?])
}

fn shard(dir: &Path, manifest: Value, is_chunk: bool) -> Result<Found, RecordsError> {
    match Part::take(manifest) {
        Some((part, whole)) => Ok(Found { dir: dir.to_owned(), part, whole, is_chunk }),
        None => {
            let what = "holds a run in one piece, or a shard of an earlier version, and no part of one; name the folders \
                        that --shard or --join wrote";
            Err(RecordsError::file(dir, what))
        }
    }
}

/// The finished folder of each chunk.
fn chunks(dir: &Path, said: &Value) -> Result<Vec<Found>, RecordsError> {
    let (there, of) = (generations(dir)?, said["count"].as_u64().unwrap_or(0) as usize);
    let (mut all, mut open) = (Vec::new(), Vec::new());
    for number in 1..=of {
        let own = there.get(&number).map_or(&[][..], Vec::as_slice);
        match own.iter().map(|own| dir.join(own.name())).find(|dir| is_finished(dir)) {
            Some(dir) => all.push(shard(&dir, RunFolder::manifest(&dir)?, true)?),
            None => open.push(format!("{number}{}", if own.is_empty() { " (not begun)" } else { "" })),
        }
    }
    match open.is_empty() {
        true => Ok(all),
        false => Err(RecordsError::file(
            dir,
            format!(
                "{} of {of} chunks are not finished: {}; start a worker with the command that began it, then merge",
                open.len(),
                named(&open)
            ),
        )),
    }
}

/// Refuses parts of different runs, with the keys that differ.
fn same_run(first: &Found, other: &Found, notes: &mut Vec<String>) -> Result<(), RecordsError> {
    let compared = Comparison::of(other.whole.clone(), &first.whole).map_err(|e| RecordsError::file(&other.dir, e))?;
    let version = |key: &&&str| first.whole[**key] != other.whole[**key];
    let versions = SAME.iter().filter(version);
    let said = |key: &&str| format!("{key} was {}, is {}", other.whole[*key], first.whole[*key]);
    let differences: Vec<String> = compared.differences.into_iter().chain(versions.map(said)).collect();
    if !differences.is_empty() {
        return Err(RecordsError::OtherParts {
            dirs: [first.dir.clone(), other.dir.clone()],
            differences: differences.join("; "),
        });
    }
    notes.extend(compared.notes);
    let (here, there) = (&first.whole["machine"], &other.whole["machine"]);
    if here != there {
        notes.push(format!("parts were made on different machines ({here}, {there}); the manifest names the first"));
    }
    Ok(())
}

/// Refuses parts that overlap, belong to different divisions, or leave something out.
fn together(all: &[Found]) -> Result<(), RecordsError> {
    let cases = |found: &Found| format!("cases {} to {}", found.part.cases.start + 1, found.part.cases.end);
    let refuse = |what: String| Err(RecordsError::NoPart { what });
    let (of, total) = (all[0].part.of, all[0].part.total);
    for pair in all.windows(2) {
        let [a, b] = pair else { continue };
        let (one, two) = (a.dir.display(), b.dir.display());
        if a.part == b.part {
            return refuse(format!("{one} and {two} are both part {}; name one of them", a.part));
        }
        if b.part.cases.start < a.part.cases.end {
            let (a, b) = (cases(a), cases(b));
            return refuse(format!("{one} ({a}) and {two} ({b}) overlap: they are of different divisions of the run"));
        }
    }
    if let Some(other) = all.iter().find(|found| found.part.of != of || found.part.total != total) {
        let (one, two) = (all[0].dir.display(), other.dir.display());
        let [a, b] = [&all[0].part, &other.part].map(|part| format!("part {part} of {} cases", part.total));
        return refuse(format!("{one} is {a}, and {two} is {b}: they are of different divisions of the run"));
    }
    let here: BTreeSet<usize> = all.iter().map(|found| found.part.number).collect();
    let missing: Vec<String> = (1..=of).filter(|n| !here.contains(n)).map(|n| format!("{n}/{of}")).collect();
    if !missing.is_empty() {
        return refuse(format!("parts are missing: {}; name their folders too", named(&missing)));
    }
    let covered: usize = all.iter().map(|found| found.part.cases.len()).sum();
    match covered == total {
        true => Ok(()),
        false => refuse(format!("the parts hold {covered} of {total} cases: batches had different sizes in them")),
    }
}

/// The first of some names, and how many more there are.
fn named(all: &[String]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let first = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}
