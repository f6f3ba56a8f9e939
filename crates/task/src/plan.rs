//! A task file that was checked: its templates and regular expressions read, its settings fit together.

use crate::metric::Scorer;
use crate::scorers::{metric_key, scorers};
use crate::source::Source;
use crate::spec::{self, Form, Pick, Score, Spec};
use crate::templates::Templates;
use crate::{Ask, Choose, Estimate, TaskError};
use std::collections::HashSet;
use toml::Spanned;

/// What a task file comes to.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) templates: Templates,
    /// The columns that templates speak of.
    pub(crate) columns: Vec<String>,
    pub(crate) scorers: Vec<Scorer>,
}

impl Plan {
    /// Checks a file.
    pub(crate) fn of(spec: &Spec, source: &Source<'_>) -> Result<Self, TaskError> {
        names(spec, source)?;
        files(&spec.data.files, source)?;
        shots(spec, source)?;
        asked(spec, source)?;
        let templates = templates(spec, source)?;
        Ok(Self { columns: templates.columns(), templates, scorers: scorers(spec, source)? })
    }
}

fn names(spec: &Spec, source: &Source<'_>) -> Result<(), TaskError> {
    for (key, name) in [("task", &spec.task), ("protocol", &spec.protocol)] {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.get_ref().is_empty() || !name.get_ref().chars().all(fits) {
            let what = format!("`{key}` is {:?}; a name is of letters, digits, `-`, `_` and `.`", name.get_ref());
            return Err(source.error(name.span(), what));
        }
    }
    let mut seen = HashSet::new();
    for metric in &spec.metrics {
        let name = &metric.get_ref().name;
        if name.is_empty() || !seen.insert(name) {
            return Err(
                source.error(metric.span(), format!("two metrics are called {name:?}; each needs its own name"))
            );
        }
    }
    match spec.metrics.is_empty() {
        true => Err(TaskError::file(source.path, "there is no metric; add a [[metric]]")),
        false => Ok(()),
    }
}

fn files(files: &Spanned<spec::Files>, source: &Source<'_>) -> Result<(), TaskError> {
    let all = files.get_ref().all();
    let relative = |p: &str| !p.is_empty() && p.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let fits = |p: &String| relative(p) && p.matches("{group}").count() <= 1;
    match !all.is_empty() && all.iter().all(fits) {
        true => Ok(()),
        false => {
            let what = "`files` are paths below the folder that is given, like \"test/{group}_test.csv\", with at most one {group}";
            Err(source.error(files.span(), what))
        }
    }
}

fn shots(spec: &Spec, source: &Source<'_>) -> Result<(), TaskError> {
    let Some(shots) = &spec.shots else { return Ok(()) };
    files(&shots.files, source)?;
    let at = |what: &str| Err(source.error(shots.files.span(), what));
    let rows = shots.rows.as_ref().map(|r| r.get_ref().len());
    match (shots.pick, rows, shots.seed) {
        (Pick::Rows, None, _) => return at("`pick = \"rows\"` needs the rows: add `rows = [0, 1, ...]` to [shots]"),
        (Pick::Rows, Some(n), _) if n < shots.count => {
            return at(&format!("`count` is {}, and `rows` names {n} rows", shots.count));
        }
        (Pick::First | Pick::PythonSample, Some(_), _) => return at("`rows` counts with `pick = \"rows\"` only"),
        (Pick::PythonSample, _, None) => return at("`pick = \"python-sample\"` needs a `seed` in [shots]"),
        (Pick::First | Pick::Rows, _, Some(_)) => return at("`seed` counts with `pick = \"python-sample\"` only"),
        _ => {}
    }
    if spec.prompt.answer.is_none() {
        return at("shots have answers: add `answer` to [prompt]");
    }
    match (spec.prompt.form, &spec.prompt.between) {
        (Form::Chat, Some(_)) => {
            at("`between` in [prompt] is for `form = \"text\"`; shots of a chat are turns of their own")
        }
        _ => Ok(()),
    }
}

/// Whether question, choices and metrics fit together.
fn asked(spec: &Spec, source: &Source<'_>) -> Result<(), TaskError> {
    let (choices, golds) = (spec.prompt.choices.len(), spec.gold.one_of.len());
    let at = |what: &str| Err(source.error(spec.ask.span(), what));
    match spec.ask.get_ref() {
        Ask::Choose(_) if choices < 2 => return at("`kind = \"choose\"` needs two `choices` or more in [prompt]"),
        Ask::Choose(_) if golds != choices => {
            return at("`kind = \"choose\"` needs `one_of` in [gold], an answer for every choice in their order");
        }
        Ask::Generate(_) if choices > 0 => return at("`choices` in [prompt] are for `kind = \"choose\"`"),
        Ask::Choose(Choose { estimate: Estimate::Elbo(0) }) => return at("`elbo` is a number of draws, and positive"),
        Ask::Generate(g) if [Some(g.gen_length), g.block_length, g.steps].contains(&Some(0)) => {
            return at("`gen_length`, `block_length` and `steps` must be positive");
        }
        Ask::Generate(g) if g.until.iter().any(String::is_empty) => {
            return at("`until` holds an empty text, which would end no answer or every one; remove it");
        }
        _ => {}
    }
    distinct("choices", spec.prompt.choices.iter().map(|choice| choice.get_ref().as_str())).or_else(|e| at(&e))?;
    distinct("one_of", spec.gold.one_of.iter().map(String::as_str)).or_else(|e| at(&e))?;
    let choose = matches!(spec.ask.get_ref(), Ask::Choose(_));
    for metric in &spec.metrics {
        if (metric.get_ref().score == Score::Choice) != choose {
            let what = "`score = \"choice\"` and `kind = \"choose\"` in [ask] go together, and with no other";
            return Err(source.error(metric.span(), format!("metric {:?}: {what}", metric.get_ref().name)));
        }
    }
    Ok(())
}

/// Whether all of these are something, and each something else.
fn distinct<'a>(key: &str, all: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for one in all {
        if one.is_empty() || !seen.insert(one) {
            return Err(format!(
                "`{key}` holds {one:?}, which is empty or there twice; each must be a text of its own"
            ));
        }
    }
    Ok(())
}

fn templates(spec: &Spec, source: &Source<'_>) -> Result<Templates, TaskError> {
    let mut templates = Templates::new();
    let mut add = |key: &str, text: Option<&Spanned<String>>| match text {
        Some(text) => {
            templates.add(key, text.get_ref()).map_err(|e| source.error(text.span(), format!("`{key}`: {e}")))
        }
        None => Ok(()),
    };
    add("data.id", spec.data.id.as_ref())?;
    add("data.group", spec.data.group.as_ref())?;
    add("prompt.description", spec.prompt.description.as_ref())?;
    add("prompt.question", Some(&spec.prompt.question))?;
    add("prompt.shot", spec.prompt.shot.as_ref())?;
    add("prompt.answer", spec.prompt.answer.as_ref())?;
    add("prompt.prefix", spec.prompt.prefix.as_ref())?;
    add("gold.text", Some(&spec.gold.text))?;
    for (i, choice) in spec.prompt.choices.iter().enumerate() {
        add(&choice_key(i), Some(choice))?;
    }
    for metric in spec.metrics.iter().map(Spanned::get_ref) {
        add(&metric_key(&metric.name, "gold"), metric.gold.as_ref())?;
        add(&metric_key(&metric.name, "program"), metric.program.as_ref())?;
        add(&metric_key(&metric.name, "check"), metric.check.as_ref())?;
    }
    Ok(templates)
}

pub(crate) fn choice_key(i: usize) -> String {
    format!("prompt.choices[{i}]")
}
