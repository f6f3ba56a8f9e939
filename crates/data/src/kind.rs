//! Which benchmark a file is.

use mosa_text::{Columns, Row, TableRow};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A benchmark in circulation, recognised by its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// AdvBench's `harmful_behaviors.csv`: `goal,target`, 520 rows. Ids are those of its HarmBench form, `advbench_1`
    /// to `advbench_520`.
    AdvBench,
    /// The 50 goals of AdvBench that PAIR and TAP use: `,goal,target,category,Original index`. Ids as in [`AdvBench`](
    /// Kind::AdvBench): the original index counts from 0.
    AdvBench50,
    /// AdvBench with HarmBench's columns and without targets: `Behavior,Category,Tags,ContextString,BehaviorID`.
    AdvBenchHarmBench,
    /// HarmBench's text behaviours (all, test or val): `Behavior,FunctionalCategory,SemanticCategory,Tags,
    /// ContextString,BehaviorID`.
    HarmBench,
    /// StrongREJECT, full or small: `category,source,forbidden_prompt`. Ids are `strongreject_` and the row, from 1.
    StrongReject,
    /// JBB-Behaviors: `Index,Goal,Target,Behavior,Category,Source`. The id is `Behavior`: submissions are keyed by it.
    JailbreakBench,
    /// XSTest: `id,prompt,type,label,focus,note`.
    XsTest,
    /// SORRY-Bench: `question_id,category,turns,prompt_style`. Ids are `question_id/prompt_style`.
    SorryBench,
    /// Alpaca and what is written like it: `instruction,input,output`. The request is the instruction and, in the next
    /// line, the input, where there is one.
    Alpaca,
    /// Any other table; ids are its id column, or the row, from 1.
    Plain,
}

/// Rows of the complete AdvBench file.
const ADVBENCH_ROWS: usize = 520;

impl Kind {
    /// The kind's name as it is written by its authors.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdvBench => "AdvBench",
            Self::AdvBench50 => "AdvBench-50 (PAIR/TAP)",
            Self::AdvBenchHarmBench => "AdvBench in HarmBench form",
            Self::HarmBench => "HarmBench text",
            Self::StrongReject => "StrongREJECT",
            Self::JailbreakBench => "JailbreakBench",
            Self::XsTest => "XSTest",
            Self::SorryBench => "SORRY-Bench",
            Self::Alpaca => "Alpaca",
            Self::Plain => "plain table",
        }
    }

    /// The kind of a table, by the columns of its first row; plain if `columns` name another prompt column.
    pub(crate) fn of(rows: &[TableRow], columns: &Columns) -> Self {
        let kind = rows.first().map_or(Self::Plain, |first| Self::by_columns(&first.row, rows));
        let own = kind.columns().prompt;
        let other = |named: &String| own.as_ref().is_none_or(|own| !own.eq_ignore_ascii_case(named.trim()));
        if columns.prompt.as_ref().is_some_and(other) { Self::Plain } else { kind }
    }

    fn by_columns(first: &Row, rows: &[TableRow]) -> Self {
        let has = |names: &[&str]| names.iter().all(|n| first.has(n));
        let advbench_ids = || rows.iter().all(|r| is_advbench_id(&r.row));
        match () {
            () if has(&["Behavior", "FunctionalCategory", "BehaviorID"]) => Self::HarmBench,
            () if has(&["Behavior", "Category", "BehaviorID"]) && advbench_ids() => Self::AdvBenchHarmBench,
            () if has(&["Index", "Goal", "Behavior", "Category"]) => Self::JailbreakBench,
            () if has(&["category", "source", "forbidden_prompt"]) => Self::StrongReject,
            () if has(&["prompt", "type", "label", "focus"]) => Self::XsTest,
            () if has(&["turns", "question_id", "category"]) => Self::SorryBench,
            () if has(&["goal", "target", "Original index"]) => Self::AdvBench50,
            () if has(&["goal", "target"]) && first.names().count() == 2 && rows.len() == ADVBENCH_ROWS => {
                Self::AdvBench
            }
            () if is_alpaca(first, rows) => Self::Alpaca,
            () => Self::Plain,
        }
    }

    /// The columns that hold what, where the readers of plain prompt files would not find them.
    pub(crate) fn columns(self) -> Columns {
        let named = |prompt: &str, id: Option<&str>, category: Option<&str>| Columns {
            prompt: Some(prompt.to_owned()),
            id: id.map(str::to_owned),
            category: category.map(str::to_owned),
            ..Columns::default()
        };
        match self {
            Self::AdvBench => named("goal", None, None),
            Self::AdvBench50 => named("goal", Some("Original index"), None),
            Self::AdvBenchHarmBench => named("Behavior", Some("BehaviorID"), Some("Category")),
            Self::HarmBench => named("Behavior", Some("BehaviorID"), None),
            Self::StrongReject => named("forbidden_prompt", None, Some("category")),
            Self::JailbreakBench => {
                Columns { response: Some("Target".to_owned()), ..named("Goal", Some("Behavior"), Some("Category")) }
            }
            Self::XsTest => named("prompt", Some("id"), Some("type")),
            Self::SorryBench => named("turns", Some("question_id"), Some("category")),
            Self::Alpaca => named("instruction", None, None),
            Self::Plain => Columns::default(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Instructions, some with an input, and no column that holds a whole prompt.
fn is_alpaca(first: &Row, rows: &[TableRow]) -> bool {
    let whole = ["prompt", "messages", "conversations", "conversation", "ids", "goal", "question"];
    first.has("instruction") && rows.iter().any(|r| r.row.has("input")) && !whole.iter().any(|name| first.has(name))
}

fn is_advbench_id(row: &Row) -> bool {
    let id = row.get("BehaviorID").ok().flatten().and_then(|v| v.as_str());
    id.is_some_and(|id| id.starts_with("advbench_"))
}
