//! A task, asked of a model item by item and recorded. While the model works on a batch, the one before it is scored and
//! written and the next one is laid out.

use super::case::{Case, FAILED, Reply, Unreplied};
use super::programs::Programs;
use super::subject::{Subject, UnderWay};
use crate::failure::Failure;
use crate::{folder, interrupt, output};
use anyhow::{Context, Result, bail};
use mosa_records::{ChoiceScore, Log, Record, SampleRecord, SampleScore};
use mosa_task::{Item, Said, Scoring, Task};
use mosa_text::Prompt;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is asked, of whom, and how it goes into records.
pub(crate) struct Runner<'a> {
    pub task: &'a dyn Task,
    pub subject: &'a Subject,
    /// Runs the programs of answers, where the task needs that.
    pub programs: Option<&'a Programs>,
    /// Answers to each item.
    pub repeats: usize,
    /// Cases asked together.
    pub batch_size: usize,
    /// Ask those again that came to nothing.
    pub retry: bool,
    pub quiet: bool,
}

/// What came of a run.
pub(crate) struct Ran {
    /// All records, in the order of the file.
    pub records: Vec<SampleRecord>,
    /// Cases that were asked by this command.
    pub asked: usize,
    /// Time that took.
    pub took: Duration,
}

/// A batch that the model works on.
struct Batch<'a> {
    cases: Vec<Case<'a>>,
    under_way: UnderWay,
}

impl Runner<'_> {
    /// Asks what the record file lacks of some cases.
    ///
    /// # Errors
    /// What went wrong; what is recorded stays.
    pub(crate) fn run(&self, file: &Path, cases: &[Case<'_>]) -> Result<Ran, Failure> {
        let mut log = folder::log::<SampleRecord>(file)?;
        if self.retry {
            log.retain(|record| record.scores.iter().any(|score| score.correct.is_some()))?;
        }
        self.refuse_strangers(file, &log, cases)?;
        let before = log.records().len();
        let bar = output::bar(self.quiet, cases.len())?;
        bar.set_position(before as u64);
        bar.reset_eta();
        let (began, mut behind) = (Instant::now(), None);
        for chunk in cases.chunks(self.batch_size.max(1)) {
            let open = self.open(chunk, &log);
            if open.is_empty() {
                continue;
            }
            if interrupt::asked() {
                break;
            }
            bar.set_message(self.key(&open[0]));
            let under_way = self.subject.begin(self.task, &open)?;
            if let Some(batch) = behind.replace(Batch { cases: open, under_way }) {
                bar.inc(self.settle(batch, &mut log)? as u64);
            }
        }
        if let Some(batch) = behind {
            bar.inc(self.settle(batch, &mut log)? as u64);
        }
        bar.finish_and_clear();
        let (n, of) = (log.records().len(), cases.len());
        if !cases.iter().all(|case| log.has(&self.key(case))) {
            let what = format!("interrupted: {n} of {of} are recorded; the same command goes on");
            return Err(Failure::Interrupted(what));
        }
        Ok(Ran { asked: n - before, records: log.into_records(), took: began.elapsed() })
    }

    /// Refuses records of what is not asked here: they would be counted with the rest.
    fn refuse_strangers(&self, file: &Path, log: &Log<SampleRecord>, cases: &[Case<'_>]) -> Result<()> {
        let own: HashSet<String> = cases.iter().map(|case| self.key(case)).collect();
        let stranger = log.records().iter().map(SampleRecord::key).find(|key| !own.contains(key));
        match stranger {
            Some(key) => bail!(
                "{}: the record of {key} is of no item that this command asks; remove its line, and the \
                 same command goes on",
                file.display()
            ),
            None => Ok(()),
        }
    }

    /// All cases, in order.
    pub(crate) fn cases(&self) -> Vec<Case<'_>> {
        let repeats = self.repeats.max(1);
        self.task.items().iter().flat_map(|item| (0..repeats).map(move |attempt| Case { item, attempt })).collect()
    }

    fn key(&self, case: &Case<'_>) -> String {
        case.key(self.task)
    }

    /// The cases of a batch that are asked: those without a record, or all of them where company may change an answer.
    fn open<'c>(&self, batch: &[Case<'c>], log: &Log<SampleRecord>) -> Vec<Case<'c>> {
        let open: Vec<Case<'c>> = batch.iter().filter(|case| !log.has(&self.key(case))).copied().collect();
        if open.is_empty() || self.subject.is_independent() { open } else { batch.to_vec() }
    }

    /// Waits for a batch, scores and records it; how many records there are more.
    fn settle(&self, batch: Batch<'_>, log: &mut Log<SampleRecord>) -> Result<usize, Failure> {
        let before = log.records().len();
        let _finishing = interrupt::finishing();
        let answered = log.records().iter().any(|record| record.finish != FAILED);
        let replies = self.subject.wait(batch.under_way, answered)?;
        // Behind a case that a stop left open nothing is recorded, so that the file has the same order however often it stops.
        let whole = replies.into_iter().map_while(|reply| match reply {
            Err(Unreplied::Interrupted) => None,
            Err(Unreplied::Failed(error)) => Some(Err(error)),
            Ok(reply) => Some(Ok(reply)),
        });
        let (mut replied, mut failed) = (Vec::new(), None);
        for (reply, case) in whole.zip(&batch.cases) {
            match reply {
                Ok(reply) => replied.push((*case, reply)),
                Err(error) => {
                    failed = Some(error.context(case.item.place.clone()));
                    break;
                }
            }
        }
        for record in self.scored(replied)? {
            log.push(record)?;
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(log.records().len() - before),
        }
    }

    /// The records of replies; programs are run side by side.
    fn scored(&self, replied: Vec<(Case<'_>, Reply)>) -> Result<Vec<SampleRecord>> {
        let mut scorings = Vec::with_capacity(replied.len());
        for (case, reply) in &replied {
            scorings.push(self.task.score(case.item, &reply.said)?);
        }
        let scores = self.settled(scorings)?;
        let both = replied.into_iter().zip(scores);
        Ok(both.map(|((case, reply), scores)| self.record(case, reply, scores)).collect())
    }

    /// Scores, with programs run.
    fn settled(&self, scorings: Vec<Vec<Scoring>>) -> Result<Vec<Vec<SampleScore>>> {
        let Some(programs) = self.programs else {
            let done = |scoring| match scoring {
                Scoring::Done(score) => Ok(score),
                Scoring::Program { metric, .. } => {
                    bail!("the metric {metric} runs programs, and there is no sandbox for them")
                }
            };
            return scorings.into_iter().map(|all| all.into_iter().map(done).collect()).collect();
        };
        programs.settle(scorings).context("a program of an answer could not be run")
    }

    fn record(&self, case: Case<'_>, reply: Reply, scores: Vec<SampleScore>) -> SampleRecord {
        let Case { item, attempt } = case;
        let Reply { said, finish, forwards, defences } = reply;
        let (answer, choices) = match said {
            Said::Text(text) => (text, Vec::new()),
            Said::Choices(log_p) => (String::new(), choices(item, &log_p)),
            Said::Nothing(_) => (String::new(), Vec::new()),
        };
        SampleRecord {
            task: self.task.name().to_owned(),
            protocol: self.task.protocol().to_owned(),
            id: item.id.clone(),
            attempt,
            index: item.index,
            group: item.group.clone(),
            prompt: prompt(&item.question.prompt),
            prefix: item.question.prefix.clone(),
            gold: item.gold.clone(),
            answer,
            choices,
            scores,
            finish,
            forwards,
            defences,
        }
    }
}

fn choices(item: &Item, log_p: &[f64]) -> Vec<ChoiceScore> {
    let both = item.question.choices.iter().zip(log_p);
    both.map(|(text, log_p)| ChoiceScore { text: text.clone(), log_p: *log_p }).collect()
}

/// A prompt as records have it.
fn prompt(prompt: &Prompt) -> Value {
    match prompt {
        Prompt::Chat(messages) => json!(messages),
        Prompt::Raw(text) => json!(text),
        Prompt::Ids(ids) => json!(ids),
    }
}
