//! A task file that was checked: its templates and regular expressions read, its settings fit together.

use crate::conduct::{self, Conduct};
use crate::extract::Extract;
use crate::metric::{Rule, Scorer};
use crate::spec::{self, Form, Pick, Score, Spec, Step};
use crate::templates::Templates;
use crate::{Ask, TaskError};
use regex::Regex;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// The text of a task file and where it is from.
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// An error about a place of the file.
    pub(crate) fn error(&self, span: Range<usize>, what: impl ToString) -> TaskError {
        let line = 1 + self.text[..span.start.min(self.text.len())].matches('\n').count();
        TaskError::file(self.path, format!("line {line}: {}", what.to_string()))
    }

    /// What the file says.
    pub(crate) fn read(&self) -> Result<Spec, TaskError> {
        toml::from_str(self.text).map_err(|e| self.error(e.span().unwrap_or(0..0), e.message().replace('\n', " ")))
    }

    fn regex(&self, key: &str, pattern: &Spanned<String>) -> Result<Regex, TaskError> {
        Regex::new(pattern.get_ref()).map_err(|e| self.error(pattern.span(), format!("`{key}`: {}", bad_regex(&e))))
    }

    fn regexes(&self, key: &str, patterns: &[Spanned<String>]) -> Result<Vec<Regex>, TaskError> {
        patterns.iter().map(|pattern| self.regex(key, pattern)).collect()
    }

    /// A regular expression whose group is what counts.
    fn regex_with_group(&self, key: &str, pattern: &Spanned<String>) -> Result<Regex, TaskError> {
        let regex = self.regex(key, pattern)?;
        match regex.captures_len() {
            1 => Err(self.error(
                pattern.span(),
                format!("`{key}` has no group, so nothing would be extracted; put what counts in parentheses"),
            )),
            _ => Ok(regex),
        }
    }
}

fn bad_regex(error: &regex::Error) -> String {
    let text = error.to_string();
    let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    match text.contains("look-around") || text.contains("backreferences") {
        true => format!("{why}; say it with a group around what counts, or in several steps"),
        false => format!("not a regular expression: {why}"),
    }
}

/// What a task file comes to.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) templates: Templates,
    pub(crate) scorers: Vec<Scorer>,
}

impl Plan {
    /// Checks a file.
    pub(crate) fn of(spec: &Spec, source: &Source<'_>) -> Result<Self, TaskError> {
        names(spec, source)?;
        files(&spec.data.files, source)?;
        shots(spec, source)?;
        asked(spec, source)?;
        Ok(Self { templates: templates(spec, source)?, scorers: scorers(spec, source)? })
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
        Ask::Generate(g) if g.gen_length == 0 => return at("`gen_length` must be positive"),
        _ => {}
    }
    let choose = matches!(spec.ask.get_ref(), Ask::Choose(_));
    for metric in &spec.metrics {
        if (metric.get_ref().score == Score::Choice) != choose {
            let what = "`score = \"choice\"` and `kind = \"choose\"` in [ask] go together, and with no other";
            return Err(source.error(metric.span(), format!("metric {:?}: {what}", metric.get_ref().name)));
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

fn metric_key(metric: &str, key: &str) -> String {
    format!("metric {metric} {key}")
}

fn scorers(spec: &Spec, source: &Source<'_>) -> Result<Vec<Scorer>, TaskError> {
    spec.metrics.iter().map(|metric| scorer(spec, metric, source)).collect()
}

fn scorer(spec: &Spec, spanned: &Spanned<spec::Metric>, source: &Source<'_>) -> Result<Scorer, TaskError> {
    let metric = spanned.get_ref();
    let at = |what: String| source.error(spanned.span(), format!("metric {:?}: {what}", metric.name));
    if let Some((key, of)) = stray(metric) {
        return Err(at(format!("`{key}` counts with {of} only; remove it")));
    }
    let need = |key: &str, there: bool| match there {
        true => Ok(metric_key(&metric.name, key)),
        false => Err(at(format!("`{key}` is missing"))),
    };
    let gold = metric.gold.as_ref().map(|_| metric_key(&metric.name, "gold"));
    let rule = match metric.score {
        Score::Exact => Rule::Exact {
            gold,
            ignore: source.regexes("ignore", &metric.ignore)?,
            ignore_case: metric.ignore_case,
            ignore_punctuation: metric.ignore_punctuation,
        },
        Score::Number => {
            let tolerance = metric.tolerance.unwrap_or(1e-6);
            if !(tolerance >= 0.0 && tolerance.is_finite()) {
                return Err(at(format!("`tolerance` is {tolerance}; it is a number from 0 up")));
            }
            Rule::Number { gold, tolerance }
        }
        Score::Choice => Rule::Choice { answers: spec.gold.one_of.clone(), per: metric.per },
        Score::Program => Rule::Program {
            program: need("program", metric.program.is_some())?,
            check: need("check", metric.check.is_some())?,
        },
        Score::Conduct => {
            let conduct = metric.conduct.as_ref().ok_or_else(|| at("`conduct` is missing".into()))?;
            let known = |one: &String| conduct::VERDICTS.contains(&one.as_str());
            if spec.gold.one_of.is_empty() || !spec.gold.one_of.iter().all(known) {
                return Err(at(format!("`one_of` in [gold] must be of: {}", conduct::VERDICTS.join(", "))));
            }
            Rule::Conduct(Conduct {
                begins: conduct.begins.iter().map(|b| b.to_lowercase()).collect(),
                unless: source.regexes("unless", &conduct.unless)?,
                holds: source.regexes("holds", &conduct.holds)?,
                opening: conduct.opening,
                goes_on: source.regexes("goes_on", &conduct.goes_on)?,
            })
        }
    };
    let extract = metric.extract.iter().map(|step| extract(step, source)).collect::<Result<_, _>>()?;
    Ok(Scorer { name: metric.name.clone(), extract, rule })
}

/// A key that means nothing with the metric's score, and with which it does.
fn stray(metric: &spec::Metric) -> Option<(&'static str, &'static str)> {
    use Score::{Choice, Conduct, Exact, Number, Program};
    let keys: [(&str, bool, &[Score], &str); 10] = [
        ("extract", !metric.extract.is_empty(), &[Exact, Number, Program], "score exact, number or program"),
        ("gold", metric.gold.is_some(), &[Exact, Number], "score exact or number"),
        ("ignore", !metric.ignore.is_empty(), &[Exact], "score exact"),
        ("ignore_case", metric.ignore_case, &[Exact], "score exact"),
        ("ignore_punctuation", metric.ignore_punctuation, &[Exact], "score exact"),
        ("tolerance", metric.tolerance.is_some(), &[Number], "score number"),
        ("per", metric.per.is_some(), &[Choice], "score choice"),
        ("program", metric.program.is_some(), &[Program], "score program"),
        ("check", metric.check.is_some(), &[Program], "score program"),
        ("conduct", metric.conduct.is_some(), &[Conduct], "score conduct"),
    ];
    keys.iter().find(|(_, there, of, _)| *there && !of.contains(&metric.score)).map(|(key, _, _, of)| (*key, *of))
}

fn extract(spanned: &Spanned<Step>, source: &Source<'_>) -> Result<Extract, TaskError> {
    let at = |what: &str| source.error(spanned.span(), format!("a step of `extract` {what}"));
    let step = spanned.get_ref();
    let (regex, before, remove) = (step.regex.is_some(), step.before.is_some(), step.remove.is_some());
    let verbs = [regex, before, remove, step.strip.is_some(), step.option.is_some()];
    if verbs.iter().filter(|there| **there).count() != 1 {
        return Err(at("has one verb: regex, before, remove, strip or option"));
    }
    if !regex && (step.take.is_some() || step.otherwise.is_some()) {
        return Err(at("has `take` or `otherwise`, which count with `regex` only"));
    }
    match (&step.option, &step.patterns) {
        (Some(options), Some(patterns)) if !options.is_empty() && !patterns.is_empty() => {
            let patterns = source.regexes("patterns", patterns)?;
            return Ok(Extract::Option { options: options.clone(), patterns });
        }
        (None, None) => {}
        _ => return Err(at("needs both `option` and `patterns`, and something in each")),
    }
    match (&step.regex, &step.before, &step.remove, step.strip) {
        (Some(regex), ..) => Ok(Extract::Regex {
            regex: source.regex_with_group("regex", regex)?,
            take: step.take.unwrap_or_default(),
            otherwise: step.otherwise.unwrap_or_default(),
        }),
        (_, Some(mark), ..) if mark.is_empty() => Err(at("has an empty `before`")),
        (_, Some(mark), ..) => Ok(Extract::Before(mark.clone())),
        (_, _, Some(regex), _) => Ok(Extract::Remove(source.regex("remove", regex)?)),
        (.., strip) => Ok(Extract::Strip(strip.unwrap_or(spec::Strip::Both))),
    }
}
