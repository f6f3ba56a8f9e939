//! Texts in several languages, without a model: repetitions, and whether a text is in the language it should be in.

/// Repetitions in a row from which on they are one phrase that got stuck.
const STUCK: usize = 3;
/// The longest phrase that is looked for, in words (in characters where there are no spaces).
const LONGEST: usize = 20;
/// Mean length of words, in characters, above which a text counts as written without spaces.
const SPACELESS: usize = 20;
/// The share of common English words, as one in so many, from which on a text in Latin letters is English.
const ENGLISH_FROM: usize = 8;
/// Common English words that neither Turkish nor Zulu has.
const ENGLISH: [&str; 10] = ["the", "and", "of", "to", "is", "you", "for", "that", "with", "are"];

/// The text with every phrase that stands three times or more in a row written once. A phrase has letters: numbers and rows
/// of dots stay as they are.
pub(super) fn collapsed(text: &str) -> String {
    let words = text.split_whitespace().count();
    if text.chars().count() > SPACELESS * words.max(1) {
        let chars: Vec<String> = text.chars().map(String::from).collect();
        // A single letter may well stand three times in a row.
        return unstuck(chars.iter().map(String::as_str).collect(), 2);
    }
    unstuck(text.split_inclusive(char::is_whitespace).collect(), 1)
}

fn unstuck(units: Vec<&str>, shortest: usize) -> String {
    let same = |a: &[&str], b: &[&str]| a.iter().zip(b).all(|(x, y)| x.trim() == y.trim());
    let (mut out, mut i) = (String::new(), 0);
    'next: while i < units.len() {
        for n in shortest..=LONGEST.min((units.len() - i) / STUCK) {
            let phrase = &units[i..i + n];
            let times = 1 + units[i + n..].chunks_exact(n).take_while(|other| same(phrase, other)).count();
            if times >= STUCK && phrase.iter().any(|unit| unit.contains(char::is_alphabetic)) {
                out.extend(units[i + (times - 1) * n..i + times * n].iter().copied());
                i += times * n;
                continue 'next;
            }
        }
        out.push_str(units[i]);
        i += 1;
    }
    out
}

/// Whether a text is in another language than `code`, by its letters and, for Latin ones, by common English words. Nothing
/// where there is no telling: other codes, and texts without letters.
pub(super) fn off_language(code: &str, text: &str) -> Option<bool> {
    let latin = |c: char| c.is_ascii_alphabetic() || ('\u{c0}'..='\u{24f}').contains(&c);
    let is_own: &dyn Fn(char) -> bool = match code.split(['-', '_']).next()? {
        "zh" => &|c| ('\u{3400}'..='\u{9fff}').contains(&c),
        "uk" => &|c| ('\u{400}'..='\u{52f}').contains(&c),
        "th" => &|c| ('\u{e00}'..='\u{e7f}').contains(&c),
        "en" | "tr" | "zu" => &latin,
        _ => return None,
    };
    let letters = text.chars().filter(|c| c.is_alphabetic() || is_own(*c)).count();
    let own = text.chars().filter(|c| is_own(*c)).count();
    let english = matches!(code, "tr" | "zu") && is_english(text);
    (letters > 0).then_some(2 * own < letters || english)
}

fn is_english(text: &str) -> bool {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    ENGLISH_FROM * words.iter().filter(|w| ENGLISH.contains(w)).count() >= words.len().max(1)
}
