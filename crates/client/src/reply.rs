//! A reply of a model: what it said, apart from what it thought aloud, and whether it is whole.
//!
//! Whoever decides on a reply (judges, helpers of attacks, targets) decides on a [`Spoken`], so that reasoning is told from
//! speech in one place.

use regex::Regex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::LazyLock;

/// What a model said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// What was said, without reasoning; empty if nothing was.
    pub text: String,
    /// What was thought aloud, in a channel of its own or between tags; empty if nothing was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// Why it cannot be taken for a whole reply; none if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// Why a reply is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// It ended at its length limit.
    Cut,
    /// Reasoning began in it and never ended.
    Unclosed,
    /// Nothing but reasoning came.
    OnlyReasoning,
    /// Nothing was said, and it ended for this reason.
    Ended(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the reply was cut off at its length limit; allow more tokens"),
            Self::Unclosed => f.write_str("the reasoning in the reply never ended; allow more tokens"),
            Self::OnlyReasoning => f.write_str("nothing but reasoning came"),
            Self::Ended(reason) => write!(f, "nothing was said, and the reply ended with {reason}"),
        }
    }
}

impl Spoken {
    /// What is said in a message: its content, its reasoning channel if it has one, and why it ended.
    pub fn of(content: &str, channel: &str, finish: Option<&str>) -> Self {
        let Parts { text, thoughts, unclosed } = split(content);
        let mut all: Vec<&str> = vec![channel.trim()];
        all.extend(thoughts.iter().map(|t| t.trim()));
        all.retain(|t| !t.is_empty());
        let reasoning = all.join("\n\n");
        let broken = match finish {
            _ if unclosed => Some(Broken::Unclosed),
            Some(reason) if is_length(reason) => Some(Broken::Cut),
            _ if !text.trim().is_empty() => None,
            _ if !reasoning.is_empty() => Some(Broken::OnlyReasoning),
            Some(reason) if is_stop(reason) => None,
            reason => Some(Broken::Ended(reason.unwrap_or("no reason").to_owned())),
        };
        Self { text, reasoning, broken }
    }

    /// The text, if the reply is whole.
    pub fn whole(&self) -> Option<&str> {
        self.broken.is_none().then_some(&*self.text)
    }

    /// The text, if it is whole or only its end is missing.
    pub fn beginning(&self) -> Option<&str> {
        matches!(self.broken, None | Some(Broken::Cut)).then_some(&*self.text)
    }
}

/// Whether a reply ended at its length limit, in the words of the servers there are.
pub fn is_length(finish: &str) -> bool {
    ["length", "max_tokens", "max_output_tokens", "max_length", "model_length", "token_limit"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(finish))
}

/// Whether a model ended its reply itself.
pub fn is_stop(finish: &str) -> bool {
    ["stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(finish))
}

/// Speech and thoughts of a text.
#[derive(Default)]
struct Parts {
    text: String,
    thoughts: Vec<String>,
    unclosed: bool,
}

/// What opens and what closes a thought, in the formats of the models there are: `<think>`, `<thinking>`, `<seed:think>`,
/// `[THINK]`, `<|begin_of_thought|>`, `<|START_THINKING|>`, and the like.
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let names = "(?:think|(?:ant)?thinking|(?:inner_)?thoughts?|reasoning|reflection|scratchpad)";
    let open = format!(
        r"<\s*(?:\w+:)?{names}(?:\s[^<>/]*)?>|<\|(?:begin_of_|begin_|start_of_|start_)?{names}\|>|(?-i:\[THINK\])|◁think▷"
    );
    let close = format!(r"<\s*/\s*(?:\w+:)?{names}\s*>|<\|(?:end_of_|end_|/){names}\|>|(?-i:\[/THINK\])|◁/think▷");
    Regex::new(&format!("(?i)(?P<close>{close})|(?:{open})")).ok()
});

/// Tells speech from thoughts. A closing tag ends everything open; one that nothing opened ends a thought that began with
/// the text, as where the chat template wrote the opening tag. Tags in quotes are words about tags.
fn split(content: &str) -> Parts {
    if let Some(parts) = channels(content) {
        return parts;
    }
    let mut parts = Parts::default();
    let Some(tags) = TAG.as_ref() else { return Parts { text: content.to_owned(), ..parts } };
    let (mut at, mut open) = (0, None::<usize>);
    for tag in tags.captures_iter(content) {
        let (Some(whole), closes) = (tag.get(0), tag.name("close").is_some()) else { continue };
        if is_quoted(content, whole.start(), whole.end()) {
            continue;
        }
        match (closes, open) {
            (false, Some(_)) => {}
            (false, None) => {
                parts.text.push_str(&content[at..whole.start()]);
                (at, open) = (whole.end(), Some(whole.start()));
            }
            (true, Some(_)) => {
                parts.thoughts.push(content[at..whole.start()].to_owned());
                (at, open) = (whole.end(), None);
            }
            (true, None) => {
                let before = std::mem::take(&mut parts.text) + &content[at..whole.start()];
                parts.thoughts.push(before);
                at = whole.end();
            }
        }
    }
    let rest = &content[at..];
    match open {
        None => parts.text.push_str(rest),
        Some(start) => {
            parts.unclosed = true;
            // In the middle of a line it may be a word of the text: then nothing of it is taken away.
            let line = parts.text.rsplit('\n').next().unwrap_or_default();
            if line.trim().is_empty() {
                parts.thoughts.push(rest.to_owned());
            } else {
                parts.text.push_str(&content[start..]);
            }
        }
    }
    if !parts.thoughts.is_empty() {
        parts.text = parts.text.trim().to_owned();
    }
    parts
}

/// Whether the same quotation mark stands before and behind.
fn is_quoted(content: &str, start: usize, end: usize) -> bool {
    let before = content[..start].chars().next_back();
    before.is_some_and(|c| matches!(c, '`' | '"' | '\'')) && before == content[end..].chars().next()
}

/// A text in channels: `<|channel|>analysis<|message|>...<|end|>` and a last one called `final`, which is what is said. Some
/// servers drop the special tokens and leave the names: `analysis...assistantfinal...`.
fn channels(content: &str) -> Option<Parts> {
    const CHANNEL: &str = "<|channel|>";
    let mut parts = Parts::default();
    if let Some((before, rest)) = content.split_once(CHANNEL) {
        parts.text = body(before).to_owned();
        let mut closed = false;
        for one in rest.split(CHANNEL) {
            let (name, said) = one.split_once("<|message|>").unwrap_or((one, ""));
            closed = name.trim().starts_with("final");
            match closed {
                true => parts.text.push_str(body(said)),
                false => parts.thoughts.push(body(said).to_owned()),
            }
        }
        parts.unclosed = !closed;
    } else {
        let rest = content.trim_start().strip_prefix("analysis")?;
        let (thoughts, said) = rest.rsplit_once("assistantfinal")?;
        parts.thoughts.push(thoughts.to_owned());
        parts.text = said.to_owned();
    }
    parts.text = parts.text.trim().to_owned();
    Some(parts)
}

/// The words of a message, without the tokens around it.
fn body(text: &str) -> &str {
    let ends = ["<|end|>", "<|return|>", "<|call|>", "<|start|>"];
    let end = ends.iter().filter_map(|token| text.find(token)).min();
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &str) -> (String, String, Option<Broken>) {
        let Spoken { text, reasoning, broken } = Spoken::of(content, "", Some("stop"));
        (text, reasoning, broken)
    }

    #[test]
    fn thoughts_between_tags_of_every_kind_are_not_said() {
        let known = [
            ("<think>dull</think>kind", "kind", "dull"),
            ("<think>\ndull\n</think>\n\nkind words\n", "kind words", "dull"),
            ("dull</think>kind", "kind", "dull"),
            ("<THINK>dull</Think >kind", "kind", "dull"),
            ("<thinking>dull</thinking>kind", "kind", "dull"),
            ("<thought>dull</thought>kind", "kind", "dull"),
            ("<reasoning>dull</reasoning>kind", "kind", "dull"),
            ("<seed:think>dull</seed:think>kind", "kind", "dull"),
            ("[THINK]dull[/THINK]kind", "kind", "dull"),
            ("<|begin_of_thought|>dull<|end_of_thought|>kind", "kind", "dull"),
            ("<|START_THINKING|>dull<|END_THINKING|>kind", "kind", "dull"),
            ("◁think▷dull◁/think▷kind", "kind", "dull"),
            ("<think>a <think> in a thought</think>kind", "kind", "a <think> in a thought"),
            ("<think>a</think>b</think>kind", "kind", "a\n\nb"),
            ("so <think>dull</think>kind", "so kind", "dull"),
            (
                "<|channel|>analysis<|message|>dull<|end|><|start|>assistant<|channel|>final<|message|>kind<|return|>",
                "kind",
                "dull",
            ),
            ("analysisdull thoughtsassistantfinalkind", "kind", "dull thoughts"),
        ];
        for (content, text, reasoning) in known {
            assert_eq!(of(content), (text.into(), reasoning.into(), None), "{content}");
            assert_eq!(of(text), (text.into(), String::new(), None), "{content}");
        }
    }

    #[test]
    fn a_text_without_thoughts_stays_as_it_is() {
        for content in [
            " kind \n",
            "write `<think>` before and `</think>` behind",
            "say \"</think>\" loudly",
            "I think a < b > c",
            "analysis of the tonic",
            "<thinker>x</thinker>",
        ] {
            assert_eq!(of(content), (content.into(), String::new(), None));
        }
    }

    #[test]
    fn reasoning_that_never_ends_breaks_a_reply() {
        let known = [
            ("<think>a draft: kind words", "", "a draft: kind words"),
            ("so\n<thinking>a draft", "so", "a draft"),
            ("<think>a</think><think>b", "", "a\n\nb"),
            ("<|channel|>analysis<|message|>a draft", "", "a draft"),
            // It may be a word here, so it stays.
            ("write <think> first", "write <think> first", ""),
        ];
        for (content, text, reasoning) in known {
            assert_eq!(of(content), (text.into(), reasoning.into(), Some(Broken::Unclosed)), "{content}");
            let cut = Spoken::of(content, "", Some("length"));
            assert_eq!((cut.broken.as_ref(), cut.beginning()), (Some(&Broken::Unclosed), None), "{content}");
        }
    }

    #[test]
    fn the_end_says_whether_a_reply_is_whole() {
        for finish in ["length", "MAX_TOKENS", "model_length"] {
            let cut = Spoken::of("half a", "", Some(finish));
            assert_eq!((cut.broken.as_ref(), cut.whole(), cut.beginning()), (Some(&Broken::Cut), None, Some("half a")));
        }
        for finish in [Some("stop"), Some("eos"), Some("tool_calls"), None] {
            assert_eq!(Spoken::of("whole", "", finish).whole(), Some("whole"), "{finish:?}");
        }
    }

    #[test]
    fn nothing_said_is_told_from_an_empty_reply() {
        assert_eq!(Spoken::of("", "", Some("stop")).whole(), Some(""));
        assert_eq!(Spoken::of("", "hm", Some("stop")).broken, Some(Broken::OnlyReasoning));
        assert_eq!(Spoken::of("<think>hm</think>\n", "", Some("stop")).broken, Some(Broken::OnlyReasoning));
        assert_eq!(Spoken::of(" ", "hm", Some("length")).broken, Some(Broken::Cut));
        assert_eq!(Spoken::of("", "", Some("tool_calls")).broken, Some(Broken::Ended("tool_calls".into())));
        assert_eq!(Spoken::of("", "", None).broken, Some(Broken::Ended("no reason".into())));
        assert_eq!(
            Spoken::of("said", "hm", Some("stop")),
            Spoken { text: "said".into(), reasoning: "hm".into(), broken: None }
        );
    }
}
