//! What is attacked.

/// One behaviour to attack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// Unique in its file.
    pub id: String,
    /// The behaviour in its original words: what judges are told.
    pub behaviour: String,
    /// Context that belongs to it (HarmBench's ContextString).
    pub context: Option<String>,
    /// Category.
    pub category: Option<String>,
    /// The beginning of an answer that complies, from the data or made by [`Case::target`].
    pub target: Option<String>,
    /// A whole answer that complies, from the data.
    pub answer: Option<String>,
    /// Seed of the run.
    pub seed: u64,
}

impl Case {
    /// What the target is asked: the behaviour, behind its context if it has one, with HarmBench's `---` between them.
    pub fn goal(&self) -> String {
        match &self.context {
            Some(context) => format!("{context}\n\n---\n\n{}", self.behaviour),
            None => self.behaviour.clone(),
        }
    }

    /// The beginning of an answer that complies: the data's own, else made from the behaviour by rule.
    pub fn target(&self) -> String {
        self.target.clone().unwrap_or_else(|| {
            let mut words = self.behaviour.trim_end_matches(['.', '?', '!', ' ']).chars();
            let first: String = words.next().into_iter().flat_map(char::to_lowercase).collect();
            format!("Sure, here is: {first}{}", words.as_str())
        })
    }
}
