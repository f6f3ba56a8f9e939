//! The metrics of a task file, checked.

use crate::TaskError;
use crate::conduct::{self, Conduct};
use crate::extract::Extract;
use crate::metric::{Rule, Scorer};
use crate::source::Source;
use crate::spec::{self, Score, Spec, Step};
use toml::Spanned;

/// The key of a metric's template.
pub(crate) fn metric_key(metric: &str, key: &str) -> String {
    format!("metric {metric} {key}")
}

/// All metrics, in order.
pub(crate) fn scorers(spec: &Spec, source: &Source<'_>) -> Result<Vec<Scorer>, TaskError> {
    spec.metrics.iter().map(|metric| scorer(spec, metric, source)).collect()
}

fn scorer(spec: &Spec, spanned: &Spanned<spec::Metric>, source: &Source<'_>) -> Result<Scorer, TaskError> {
    let metric = spanned.get_ref();
    let place = Place { metric, spanned, source };
    if let Some((key, of)) = stray(metric) {
        return Err(place.error(format!("`{key}` counts with {of} only; remove it")));
    }
    let gold = metric.gold.as_ref().map(|_| metric_key(&metric.name, "gold"));
    let rule = match metric.score {
        Score::Exact => Rule::Exact {
            gold,
            ignore: source.regexes("ignore", &metric.ignore)?,
            ignore_case: metric.ignore_case,
            ignore_punctuation: metric.ignore_punctuation,
        },
        Score::Number => Rule::Number { gold, tolerance: place.tolerance()? },
        Score::Choice => Rule::Choice { answers: spec.gold.one_of.clone(), per: metric.per },
        Score::Program => Rule::Program {
            program: place.template("program", metric.program.is_some())?,
            check: place.template("check", metric.check.is_some())?,
        },
        Score::Conduct => Rule::Conduct(place.conduct(&spec.gold.one_of)?),
    };
    let extract = metric.extract.iter().map(|step| extract(step, source)).collect::<Result<_, _>>()?;
    Ok(Scorer { name: metric.name.clone(), extract, rule })
}

/// A metric and where it stands.
struct Place<'a> {
    metric: &'a spec::Metric,
    spanned: &'a Spanned<spec::Metric>,
    source: &'a Source<'a>,
}

impl Place<'_> {
    fn error(&self, what: String) -> TaskError {
        self.source.error(self.spanned.span(), format!("metric {:?}: {what}", self.metric.name))
    }

    fn tolerance(&self) -> Result<f64, TaskError> {
        let tolerance = self.metric.tolerance.unwrap_or(1e-6);
        match tolerance >= 0.0 && tolerance.is_finite() {
            true => Ok(tolerance),
            false => Err(self.error(format!("`tolerance` is {tolerance}; it is a number from 0 up"))),
        }
    }

    fn template(&self, key: &str, there: bool) -> Result<String, TaskError> {
        match there {
            true => Ok(metric_key(&self.metric.name, key)),
            false => Err(self.error(format!("`{key}` is missing"))),
        }
    }

    fn conduct(&self, golds: &[String]) -> Result<Conduct, TaskError> {
        let conduct = self.metric.conduct.as_ref().ok_or_else(|| self.error("`conduct` is missing".into()))?;
        let known = |one: &String| conduct::VERDICTS.contains(&one.as_str());
        if golds.is_empty() || !golds.iter().all(known) {
            return Err(self.error(format!("`one_of` in [gold] must be of: {}", conduct::VERDICTS.join(", "))));
        }
        Ok(Conduct {
            begins: conduct.begins.iter().map(|b| b.to_lowercase()).collect(),
            unless: self.source.regexes("unless", &conduct.unless)?,
            holds: self.source.regexes("holds", &conduct.holds)?,
            opening: conduct.opening,
            goes_on: self.source.regexes("goes_on", &conduct.goes_on)?,
        })
    }
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
