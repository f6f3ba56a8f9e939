//! `mosa records`: what is done with record files themselves.

use crate::args::{RecordsCommand, RecordsMergeArgs};
use crate::failure::Failure;
use crate::{digest, folder, output};
use anyhow::{Result, ensure};
use mosa_records::names::{ANSWERS, VERDICTS};
use mosa_records::{Lock, Log, Parts, Record, VerdictRecord};
use std::collections::HashMap;
use std::path::Path;

pub(crate) fn run(command: &RecordsCommand) -> Result<(), Failure> {
    match command {
        RecordsCommand::Merge(args) => Ok(merge(args)?),
    }
}

/// Puts the parts of a run together.
fn merge(args: &RecordsMergeArgs) -> Result<()> {
    let parts = Parts::of(&args.parts)?;
    parts.notes().iter().for_each(|note| output::say(&format!("note: {note}")));
    let out = args.out.display();
    if parts.manifest()["command"] == "judge" {
        let n = add_verdicts(&parts, &args.out)?;
        if !args.quiet {
            output::say(&format!("{n} verdicts in {out}"));
        }
        return Ok(());
    }
    for warning in parts.write(&args.out)? {
        folder::warn(Some(&warning));
    }
    if !args.quiet {
        let (n, cases) = parts.counts();
        output::say(&format!(
            "{cases} cases of {n} parts in {out}; draw them with: mosa report {out} --out report.html"
        ));
    }
    Ok(())
}

/// Adds the verdicts of parts to the run they are about; how many they are. A verdict there that failed gives way.
fn add_verdicts(parts: &Parts, run: &Path) -> Result<usize> {
    let lock = Lock::take(run, "records merge")?;
    folder::warn(lock.warning());
    let (answers, judged) = (run.join(ANSWERS), &parts.manifest()["hashes"]["answers"]);
    let here = digest::of_file(&answers)?;
    ensure!(
        *judged == here.as_str(),
        "{}: hashes.answers is {here}, and the parts are about {judged}: name the run that was judged with --out",
        answers.display()
    );
    let mut log: Log<VerdictRecord> = folder::log(&run.join(VERDICTS))?;
    let verdicts = parts.verdicts()?;
    let n = verdicts.len();
    let mut new: HashMap<String, VerdictRecord> = verdicts.iter().map(|v| (v.key(), v.clone())).collect();
    log.replace(|old| if old.success.is_none() { new.remove(&old.key()) } else { None })?;
    for verdict in verdicts {
        log.push(verdict)?;
    }
    Ok(n)
}
