//! The tasks that mosa brings along.

use crate::TaskError;

/// A built-in task under one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// The task.
    pub name: &'static str,
    /// The protocol.
    pub protocol: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// Its file, which is a good start for one's own.
    pub toml: &'static str,
}

impl BuiltIn {
    /// What it measures and how, in a line.
    pub fn about(&self) -> &'static str {
        let about = self.toml.lines().find_map(|line| line.strip_prefix("about = \"")?.strip_suffix('"'));
        about.unwrap_or_default()
    }
}

macro_rules! built_in {
    ($name:literal, $protocol:literal) => {
        BuiltIn {
            name: $name,
            protocol: $protocol,
            file: concat!($name, "-", $protocol, ".toml"),
            toml: include_str!(concat!("../../../assets/tasks/", $name, "-", $protocol, ".toml")),
        }
    };
}

/// All of them; of a task's protocols the first is the one that is used if none is named.
static ALL: [BuiltIn; 11] = [
    built_in!("gsm8k", "llada"),
    built_in!("gsm8k", "llada-blocks"),
    built_in!("gsm8k", "lm-eval"),
    built_in!("mmlu", "llada"),
    built_in!("mmlu", "lm-eval"),
    built_in!("mmlu", "lm-eval-generative"),
    built_in!("humaneval", "llada"),
    built_in!("humaneval", "llada-blocks"),
    built_in!("humaneval", "lm-eval"),
    built_in!("humaneval", "lm-eval-instruct"),
    built_in!("xstest", "xstest"),
];

/// The built-in tasks. A task's protocols stand together, its default first.
pub fn built_ins() -> &'static [BuiltIn] {
    &ALL
}

/// The task of this name under this protocol, or its first one.
pub(crate) fn find(name: &str, protocol: Option<&str>) -> Result<&'static BuiltIn, TaskError> {
    let of_name: Vec<&BuiltIn> = ALL.iter().filter(|b| b.name == name).collect();
    if of_name.is_empty() {
        let mut names: Vec<&str> = ALL.iter().map(|b| b.name).collect();
        names.dedup();
        let what =
            format!("there is no built-in task {name:?}; there are {}, or give a task file (.toml)", names.join(", "));
        return Err(TaskError::Setting(what));
    }
    let found = of_name.iter().find(|b| protocol.is_none_or(|p| p == b.protocol));
    found.copied().ok_or_else(|| {
        let there: Vec<&str> = of_name.iter().map(|b| b.protocol).collect();
        let what = format!("{name} has no protocol {:?}; there are {}", protocol.unwrap_or_default(), there.join(", "));
        TaskError::Setting(what)
    })
}
