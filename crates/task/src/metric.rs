//! How an answer is scored by one metric.

use crate::conduct::Conduct;
use crate::extract::{Extract, extract};
use crate::spec::Per;
use crate::templates::{Scope, Templates};
use crate::{Item, Said, Scoring, TaskError};
use mosa_records::SampleScore;
use regex::Regex;

/// A metric that was checked.
#[derive(Debug)]
pub(crate) struct Scorer {
    pub(crate) name: String,
    pub(crate) extract: Vec<Extract>,
    pub(crate) rule: Rule,
}

/// What makes an answer right. `gold`, `program` and `check` are keys of templates.
#[derive(Debug)]
pub(crate) enum Rule {
    Exact { gold: Option<String>, ignore: Vec<Regex>, ignore_case: bool, ignore_punctuation: bool },
    Number { gold: Option<String>, tolerance: f64 },
    Choice { answers: Vec<String>, per: Option<Per> },
    Program { program: String, check: String },
    Conduct(Conduct),
}

impl Scorer {
    /// Scores what was said at an item; a text counts up to the first stop text already.
    pub(crate) fn score(&self, templates: &Templates, item: &Item, said: &Said) -> Result<Scoring, TaskError> {
        match (&self.rule, said) {
            (_, Said::Nothing(why)) => Ok(self.done(None, why, None)),
            (Rule::Choice { answers, per }, Said::Choices(log_p)) => self.choice(answers, *per, item, log_p),
            (Rule::Choice { .. }, Said::Text(_)) => Err(at(item, "it was answered in words, and choices are scored")),
            (_, Said::Choices(_)) => Err(at(item, "choices were scored, and it is answered in words")),
            (Rule::Conduct(conduct), Said::Text(answer)) => Ok(match conduct.verdict(answer) {
                Ok(verdict) => self.done(Some(verdict.into()), verdict, Some(verdict == item.gold)),
                Err(why) => self.done(None, why, None),
            }),
            (_, Said::Text(answer)) => {
                let found = extract(&self.extract, answer);
                self.text(&Place { templates, item }, found)
            }
        }
    }

    /// Whether a row can be scored, before anything is asked: what its templates write, and that a right number is one.
    pub(crate) fn check(&self, templates: &Templates, scope: &Scope, gold: &str) -> Result<(), String> {
        let own = |key: &Option<String>| key.as_ref().map_or(Ok(gold.to_owned()), |key| templates.render(key, scope));
        match &self.rule {
            Rule::Exact { gold, .. } => own(gold).map(|_| ()),
            Rule::Number { gold, .. } => {
                let gold = own(gold)?;
                number(&gold).map(|_| ()).ok_or_else(|| no_number(&gold))
            }
            Rule::Program { program, check } => {
                if let Some(name) = templates.empty(check, scope).0.first() {
                    return Err(format!("`{name}` is empty, and nothing could pass; fill it, or remove the row"));
                }
                let scope = scope.with_extracted("");
                templates.render(program, &scope).and_then(|_| templates.render(check, &scope)).map(|_| ())
            }
            Rule::Choice { .. } | Rule::Conduct(_) => Ok(()),
        }
    }

    fn text(&self, place: &Place<'_>, found: Option<String>) -> Result<Scoring, TaskError> {
        let Some(found) = found else { return Ok(self.done(None, "wrong", Some(false))) };
        let right = match &self.rule {
            Rule::Exact { gold, ignore, ignore_case, ignore_punctuation } => {
                let bare = |text: &str| {
                    let text = ignore.iter().fold(text.to_owned(), |t, regex| regex.replace_all(&t, "").into_owned());
                    let text = if *ignore_case { text.to_lowercase() } else { text };
                    if *ignore_punctuation { text.replace(|c: char| c.is_ascii_punctuation(), "") } else { text }
                };
                bare(&found) == bare(&place.gold(gold.as_deref())?)
            }
            Rule::Number { gold, tolerance } => {
                let gold = place.gold(gold.as_deref())?;
                let gold = number(&gold).ok_or_else(|| {
                    at(place.item, format!("the right answer is {gold:?}, no number; correct the row"))
                })?;
                number(&found).is_some_and(|n| n == gold || (n - gold).abs() < *tolerance)
            }
            Rule::Program { program, check } => {
                let scope = place.scope().with_extracted(&found);
                let render = |key: &str| place.templates.render(key, &scope).map_err(|e| at(place.item, e));
                let (source, check) = (render(program)?, render(check)?);
                return Ok(Scoring::Program { metric: self.name.clone(), source, check });
            }
            Rule::Choice { .. } | Rule::Conduct(_) => false,
        };
        let verdict = if right { "right" } else { "wrong" };
        Ok(self.done(Some(found), verdict, Some(right)))
    }

    fn choice(&self, answers: &[String], per: Option<Per>, item: &Item, log_p: &[f64]) -> Result<Scoring, TaskError> {
        let choices = &item.question.choices;
        if log_p.len() != choices.len() {
            return Err(at(item, format!("it has {} choices, and {} were scored", choices.len(), log_p.len())));
        }
        let length = |text: &str| match per {
            None => 1,
            Some(Per::Character) => text.trim_start().chars().count().max(1),
            Some(Per::Byte) => text.trim_start().len().max(1),
        };
        let scores = || log_p.iter().zip(choices).map(|(p, text)| p / length(text) as f64);
        if scores().any(f64::is_nan) {
            return Ok(self.done(None, "a choice's likelihood is not a number", None));
        }
        // The first of equals, as numpy's argmax.
        let best = scores().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
        let chosen = best.and_then(|(i, _)| answers.get(i)).cloned();
        let right = chosen.as_ref() == Some(&item.gold);
        Ok(self.done(chosen, if right { "right" } else { "wrong" }, Some(right)))
    }

    fn done(&self, extracted: Option<String>, verdict: &str, correct: Option<bool>) -> Scoring {
        Scoring::Done(SampleScore { metric: self.name.clone(), extracted, verdict: verdict.into(), correct })
    }
}

/// An item and what its texts are made with.
struct Place<'a> {
    templates: &'a Templates,
    item: &'a Item,
}

impl Place<'_> {
    fn scope(&self) -> Scope {
        Scope::new(&self.item.row, self.item.group.as_deref())
    }

    fn gold(&self, key: Option<&str>) -> Result<String, TaskError> {
        match key {
            Some(key) => self.templates.render(key, &self.scope()).map_err(|e| at(self.item, e)),
            None => Ok(self.item.gold.clone()),
        }
    }
}

fn no_number(gold: &str) -> String {
    format!("the right answer is {gold:?}, which is no number; correct the row")
}

fn at(item: &Item, what: impl ToString) -> TaskError {
    TaskError::Item { place: item.place.clone(), what: what.to_string() }
}

/// A number as it is written, in whatever decimal digits are common; not `inf` or `nan`.
pub(crate) fn number(text: &str) -> Option<f64> {
    // Arabic, Persian, Devanagari and full-width zeros, each followed by its nine digits.
    const ZEROS: [u32; 4] = [0x660, 0x6f0, 0x966, 0xff10];
    let plain = |c: char| {
        let digit = ZEROS.iter().find_map(|zero| (c as u32).checked_sub(*zero).filter(|d| *d < 10));
        digit.and_then(|d| char::from_digit(d, 10)).unwrap_or(c)
    };
    let text: String = text.trim().chars().map(plain).collect();
    text.parse().ok().filter(|n: &f64| n.is_finite())
}
