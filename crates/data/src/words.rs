//! The words of a text, for comparisons.

/// Lower-case words without the punctuation at their ends. What has no letters or digits (Morse code) stays as it is,
/// and characters of scripts without spaces are words of their own: SORRY-Bench has prompts in both.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().flat_map(word).collect()
}

fn word(token: &str) -> Vec<String> {
    let bare = token.trim_matches(|c: char| !c.is_alphanumeric());
    let bare = if bare.is_empty() { token } else { bare };
    let mut words = Vec::new();
    let mut latin = String::new();
    for c in bare.chars() {
        if spaceless(c) {
            words.extend((!latin.is_empty()).then(|| std::mem::take(&mut latin)));
            words.push(c.to_string());
        } else {
            latin.extend(c.to_lowercase());
        }
    }
    words.extend((!latin.is_empty()).then_some(latin));
    words
}

/// Kana and Han characters.
fn spaceless(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}
