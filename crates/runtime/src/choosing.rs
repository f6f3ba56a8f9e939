//! Questions with choices, in words: which of them the model finds likely.

use crate::{Model, Pending, Runtime, RuntimeError};
use mosa_core::sample_key;
use mosa_engine::{Batching, Estimator, Question, Weighed, choose};
use mosa_text::{Continued, Prompt};

/// A question, and the choices that may stand behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Choosing {
    /// Names the question in messages; its hash is the key of every random draw.
    pub id: String,
    /// What is asked.
    pub prompt: Prompt,
    /// Words at the end of the prompt: behind a conversation they begin the turn that is to be answered.
    pub prefix: String,
    /// What may stand behind that. White space the prompt ends in belongs to them.
    pub choices: Vec<String>,
}

/// What the model says of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// ln p of every choice.
    pub log_p: Vec<f64>,
    /// Model calls it takes alone.
    pub forwards: usize,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
}

/// How questions are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scorer {
    /// How the probability of a choice is estimated; the sample of every question is the hash of its id.
    pub estimator: Estimator,
    /// How questions share passes, whatever the runtime itself does.
    pub batching: Batching,
}

type Scored = Vec<Result<Chosen, RuntimeError>>;

impl Runtime {
    /// Scores the choices of questions and waits for it; results in order.
    ///
    /// # Errors
    /// As [`Runtime::look`]. What befalls a single question is its own result, an interrupt too.
    pub fn choose(&self, scorer: Scorer, asked: &[Choosing]) -> Result<Scored, RuntimeError> {
        self.begin_choose(scorer, asked)?.wait()
    }

    /// Begins to score the choices of questions: they share passes with each other and with nobody else, so that the
    /// same questions have the same numbers, whoever else asks. Words become tokens on the caller's thread, which then
    /// may prepare the next questions.
    ///
    /// # Errors
    /// [`RuntimeError::Panicked`] if the thread is gone.
    pub fn begin_choose(&self, scorer: Scorer, asked: &[Choosing]) -> Result<Pending<Scored>, RuntimeError> {
        let ready: Vec<_> = asked.iter().map(|asked| question(self, scorer.estimator, asked)).collect();
        let stop = self.stop().clone();
        self.begin_watched(move |model, wanted| scored(model, scorer.batching, ready, &|| stop.asked() || !wanted()))
    }
}

/// A question in tokens, its prompt as the defences rewrite it.
fn question(model: &Runtime, estimator: Estimator, asked: &Choosing) -> Result<Question, RuntimeError> {
    let asked_as = model.defences().rewritten(&asked.prompt)?;
    let Continued { prompt, behind } = model.text().encode_behind(&asked_as, &asked.prefix, &asked.choices)?;
    if let Some(nothing) = behind.iter().position(Vec::is_empty) {
        let what = format!("question {}: choice {} has no token of its own", asked.id, nothing + 1);
        return Err(RuntimeError::Request(what));
    }
    let estimator = estimator.of_sample(sample_key(&asked.id));
    Ok(Question { id: asked.id.clone(), prompt, choices: behind, estimator })
}

/// On the thread of the model.
fn scored(
    model: &Model,
    batching: Batching,
    ready: Vec<Result<Question, RuntimeError>>,
    stop: &dyn Fn() -> bool,
) -> Scored {
    let (mut questions, mut places) = (Vec::new(), Vec::with_capacity(ready.len()));
    for one in ready {
        places.push(one.map(|question| {
            let tokens = question.prompt.len();
            questions.push(question);
            tokens
        }));
    }
    let mut found = choose(model.subject(), batching, &questions, stop).into_iter();
    let chosen = |tokens: Result<usize, RuntimeError>| {
        let prompt_tokens = tokens?;
        let weighed = found.next().unwrap_or(Ok(None))?;
        let Weighed { log_p, forwards } = weighed.ok_or(RuntimeError::Interrupted)?;
        Ok(Chosen { log_p, forwards, prompt_tokens })
    };
    places.into_iter().map(chosen).collect()
}
