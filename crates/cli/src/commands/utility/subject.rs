//! Whose ability is measured: a checkpoint in this process, a model behind an endpoint, or answers that were given before.

use super::answers::Answers;
use super::case::{Case, Reply, Unreplied};
use super::local::{self, Local, LocalBatch};
use super::opened::Opened;
use super::remote::{self, Remote, Sent};
use crate::args::UtilityArgs;
use crate::digest;
use crate::manifest::Fingerprints;
use anyhow::{Result, anyhow, bail};
use mosa_engine::Batching;
use mosa_task::{Ask, Task};
use serde_json::json;
use std::path::Path;

/// What takes the model itself.
const CHOOSES: &str = "this protocol scores choices by their likelihood, which takes the model itself: name it by --model, or \
                       choose a protocol that generates (`mosa utility list`)";

/// Whose ability is measured.
pub(crate) enum Subject {
    Local(Local),
    Remote(Remote),
    /// Answers that were given before.
    Recorded(Answers),
}

/// A batch that is being answered.
pub(crate) enum UnderWay {
    Local(LocalBatch),
    Sent(Sent),
    Known(Vec<Reply>),
}

impl Subject {
    /// Whether an answer has the same bits whatever is asked beside it.
    pub(crate) fn is_independent(&self) -> bool {
        match self {
            Self::Local(local) => local.batching == Batching::Rows,
            Self::Remote(_) | Self::Recorded(_) => true,
        }
    }

    /// Lays cases out and begins to ask them; the model works while the caller goes on.
    pub(crate) fn begin(&self, task: &dyn Task, cases: &[Case<'_>]) -> Result<UnderWay> {
        Ok(match (self, task.ask()) {
            (Self::Local(local), Ask::Generate(how)) => UnderWay::Local(local.write(task, how, cases)?),
            (Self::Local(local), Ask::Choose(how)) => UnderWay::Local(local.choose(task, how, cases)?),
            (Self::Remote(remote), Ask::Generate(how)) => UnderWay::Sent(remote.send(task, how, cases)?),
            (Self::Recorded(answers), Ask::Generate(how)) => {
                UnderWay::Known(cases.iter().map(|case| answers.reply(case, how)).collect())
            }
            (Self::Remote(_) | Self::Recorded(_), Ask::Choose(_)) => return Err(anyhow!(CHOOSES)),
        })
    }

    /// Waits for a batch; a result per case, in order. `answered` is whether the subject has answered before.
    pub(crate) fn wait(&self, under_way: UnderWay, answered: bool) -> Result<Vec<Result<Reply, Unreplied>>> {
        match under_way {
            UnderWay::Local(batch) => batch.wait(),
            UnderWay::Sent(sent) => sent.wait(answered),
            UnderWay::Known(replies) => Ok(replies.into_iter().map(Ok).collect()),
        }
    }

    /// Refuses items that do not fit the model, before anything is computed.
    pub(crate) fn has_room(&self, task: &dyn Task, source: &str) -> Result<()> {
        if let Self::Local(local) = self { local.has_room(task, source) } else { Ok(()) }
    }

    /// Seconds of forward passes so far, where they are made here.
    pub(crate) fn forward_seconds(&self) -> Option<f64> {
        let Self::Local(local) = self else { return None };
        local.runtime.forward_time().ok().map(|time| time.spent.as_secs_f64())
    }
}

/// Opens what the flags name for a task.
pub(crate) fn open(args: &UtilityArgs, task: &dyn Task, batch_size: usize) -> Result<Opened<Subject>> {
    Ok(match (&args.subject.model, &args.subject.answers, task.ask()) {
        (Some(model), _, ask) => local::open(args, model, ask, batch_size)?.map(Subject::Local),
        (None, _, Ask::Choose(_)) => bail!(CHOOSES),
        (None, Some(answers), Ask::Generate(_)) => recorded(answers, task)?.map(Subject::Recorded),
        (None, None, Ask::Generate(how)) => remote::open(args, how, batch_size)?.map(Subject::Remote),
    })
}

fn recorded(path: &Path, task: &dyn Task) -> Result<Opened<Answers>> {
    let answers = Answers::read(path)?;
    answers.belong_to(task)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let said = json!({"model": name, "hashes": {"answers": digest::of_file(path)?}});
    Ok(Opened { subject: answers, said, fingerprints: Fingerprints::default(), place: None })
}
