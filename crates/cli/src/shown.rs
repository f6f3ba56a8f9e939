//! Foreign text as a terminal may have it: characters that would act on the terminal, or hide, are shown instead.

use std::borrow::Cow;

/// What stands for the part of a text that was left out.
const MORE: char = '…';

/// Text of several lines. Line feeds and tabs stay; every other control or invisible character becomes its escape.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let acts = |c: char| is_unseen(c) && c != '\n' && c != '\t';
    if text.contains(acts) { Cow::Owned(escaped(text.chars(), acts)) } else { Cow::Borrowed(text) }
}

/// JSON of the same meaning in which such characters are written as JSON escapes them.
pub(crate) fn json_shown(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unseen(c) {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Text for a place on one line, of at most `most` characters: line feeds and tabs are escaped too, and what is longer
/// ends in an ellipsis.
pub(crate) fn on_one_line(text: &str, most: usize) -> String {
    // Escapes only make a text longer, so nothing behind these characters can be needed.
    let line = escaped(text.chars().take(most.saturating_add(1)), is_unseen);
    cut(&line, most)
}

/// The text, or its beginning and an ellipsis where it has more than `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain([MORE]).collect(),
    }
}

fn escaped(text: impl Iterator<Item = char>, acts: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    for c in text {
        if acts(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character acts on a terminal or cannot be seen: controls (C0, DEL, C1), line and paragraph separators, and
/// what Unicode lists as ignorable by default or as an interlinear mark: zero-width characters, bidirectional overrides,
/// fillers, tags, variation selectors. The selector of emoji style stays; it cannot be told from the emoji.
fn is_unseen(c: char) -> bool {
    let ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || ignorable
}

#[cfg(test)]
mod tests {
    use super::{cut, json_shown, on_one_line, shown};

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, expected) in [
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J\u{9d}8;;x\u{9c}", "\\u{9b}2J\\u{9d}8;;x\\u{9c}"),
            ("over\rwritten\u{8}\u{7f}", "over\\rwritten\\u{8}\\u{7f}"),
            ("\0\u{b}\u{c}", "\\u{0}\\u{b}\\u{c}"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        for hidden in [
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2060}',
            '\u{feff}',
            '\u{ad}',
            '\u{61c}',
            '\u{2028}',
            '\u{2029}',
            '\u{3164}',
            '\u{fe01}',
            '\u{e0041}',
            '\u{e0101}',
            '\u{fff9}',
        ] {
            assert_eq!(shown(&format!("a{hidden}b")), format!("a\\u{{{:x}}}b", u32::from(hidden)));
        }
    }

    #[test]
    fn words_lines_and_tabs_stay_as_they_are() {
        for text in ["plain\n\ttext", "größer 水 ❤\u{fe0f} é «» – … ░█", "\\u{1b} as it is written", ""]
        {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn json_stays_json_of_the_same_meaning() {
        let value = serde_json::json!({"id": "\u{1b}[2J\u{9b}a\u{202e}b\u{e0041}\n"});
        let shown = json_shown(&value.to_string());
        assert_eq!(shown, "{\"id\":\"\\u001b[2J\\u009ba\\u202eb\\udb40\\udc41\\n\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(value));
    }

    #[test]
    fn a_place_on_one_line_has_no_line_breaks_and_no_more_than_its_length() {
        assert_eq!(on_one_line("a\nb\tc", 20), "a\\nb\\tc");
        assert_eq!(on_one_line("a\nb\tc", 5), "a\\nb…");
        assert_eq!(on_one_line(&"\u{1b}".repeat(1 << 20), 8), "\\u{1b}\\…");
        assert_eq!((cut("four", 4), cut("fives", 4)), ("four".to_owned(), "fiv…".to_owned()));
    }
}
