//! Reading what helper models reply: JSON in the middle of talk, ratings in brackets, numbered lines.

use serde_json::{Map, Value};

/// The first JSON object in a text, found by matching braces outside strings; talk around it does not matter.
pub fn object(text: &str) -> Option<Map<String, Value>> {
    let mut from = 0;
    while let Some(start) = text[from..].find('{').map(|i| from + i) {
        let end = closing(&text[start..]).map(|n| start + n);
        if let Some(end) = end
            && let Ok(Value::Object(map)) = serde_json::from_str(&text[start..=end])
        {
            return Some(map);
        }
        from = start + 1;
    }
    None
}

/// Where the brace that opens `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

/// The same for JSON with the slips models make: line breaks inside strings, commas before a closing brace, and the last
/// braces missing. A text that breaks off inside a string is no object: half a prompt is none.
pub fn lenient_object(text: &str) -> Option<Map<String, Value>> {
    object(text).or_else(|| object(&repaired(&text[text.find('{')?..])?))
}

/// JSON with its slips repaired; nothing if it ends inside a string.
fn repaired(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 8);
    let (mut open, mut quoted, mut escaped) = (Vec::new(), false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '\n' | '\r' | '\t' if quoted => {
                out.push_str(if c == '\t' { "\\t" } else { "\\n" });
                continue;
            }
            '{' | '[' if !quoted => open.push(if c == '{' { '}' } else { ']' }),
            '}' | ']' if !quoted => {
                open.pop();
                out.truncate(out.trim_end().trim_end_matches(',').len());
            }
            _ => {}
        }
        out.push(c);
        if open.is_empty() {
            break;
        }
    }
    if !open.is_empty() {
        out.truncate(out.trim_end().trim_end_matches(',').len());
        out.extend(open.iter().rev());
    }
    (!quoted).then_some(out)
}

/// The non-empty string under a key.
pub fn string(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key)?.as_str().map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned)
}

/// The number between the first `[[` and `]]`, if it is one of `range`.
pub fn rating(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    bracketed(text)?.parse().ok().filter(|n| range.contains(n))
}

/// Yes or no between the first `[[` and `]]`.
pub fn yes_or_no(text: &str) -> Option<bool> {
    match bracketed(text)?.to_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn bracketed(text: &str) -> Option<&str> {
    let inside = &text[text.find("[[")? + 2..];
    Some(inside[..inside.find("]]")?].trim())
}

/// The lines of a numbered list without their numbers: `1. x`, `2) y`, `3: z`.
pub fn numbered(text: &str) -> Vec<String> {
    let item = |line: &str| {
        let line = line.trim();
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = (rest.len() < line.len()).then_some(rest)?;
        let text = rest.strip_prefix(['.', ')', ':'])?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    text.lines().filter_map(item).collect()
}
