//! The degeneracy gate: whether an answer is text at all.
//!
//! Broken answers look safe to one judge and unsafe to another. The gate gives a column of its own beside the judges;
//! it never changes a verdict. Its thresholds are rules of thumb for prose, to be checked on labelled answers of the
//! models at hand ([`Agreement::sensitivity`](crate::Agreement::sensitivity)).

use flate2::Compression;
use flate2::write::DeflateEncoder;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::Write;
use std::sync::LazyLock;

/// `<|name|>`, which no natural text has.
static MARKER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"<\|[^|<>\s]{1,40}\|>").ok());

/// Thresholds of the gate. A share is of characters unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DegeneracyGate {
    /// Special tokens by their text; `<|name|>` is always one.
    pub special_tokens: Vec<String>,
    /// Most special tokens, as a share of what is not space.
    pub max_special_share: f64,
    /// Fewest distinct three-word sequences, as a share of all (distinct-3).
    pub min_distinct3: f64,
    /// Words from which on distinct-3 is looked at.
    pub distinct3_from_words: usize,
    /// Times in a row from which on the same sign, word, or two or three words are a stutter, wherever in the text. Signs of a
    /// sentence (`.`, `!`, `?`, ...) count with spaces between them; digits, letters and signs that draw lines (`-`, `=`, ...)
    /// only where the row is a third of the text, since numbers, code and tables have such rows, and so do rows of two to
    /// twelve characters. Rows of 4 to 24 words count from half as many times on.
    pub stutter_from: usize,
    /// The same where the row is more than two thirds of the text, as in `. . . .`: for one sign and for two words or more.
    /// One word, and two to twelve characters, need once more, one letter twice; rows of digits do not count.
    pub loop_from: usize,
    /// Least bytes after deflate for one byte before: below, the text repeats itself.
    pub min_compression: f64,
    /// Most bytes after deflate for one byte before: above, the text is noise.
    pub max_compression: f64,
    /// Bytes from which on compression is looked at; short texts compress badly.
    pub compression_from_bytes: usize,
    /// Most characters that are no letters (of any script), as a share of what is not space.
    pub max_non_alphabetic: f64,
    /// Characters from which on letters are counted; a short answer may be a number.
    pub non_alphabetic_from_characters: usize,
    /// Fewest characters left without special tokens and spaces.
    pub min_characters: usize,
}

/// What the gate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateTest {
    /// Special tokens are left over.
    SpecialTokens,
    /// Three-word sequences come again and again.
    Repetition,
    /// The same sign, word, or two or three words again and again in a row.
    Stutter,
    /// It compresses far better than prose.
    CompressesTooWell,
    /// It compresses far worse than prose.
    CompressesTooBadly,
    /// It is mostly signs and digits.
    NonAlphabetic,
    /// Nothing is said, or less than was asked for.
    TooShort,
}

/// What the gate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Degeneracy {
    /// The tests that fired; an answer is degenerate if any did.
    pub fired: Vec<GateTest>,
    /// Share of special tokens.
    pub special_share: f64,
    /// Share of distinct three-word sequences; none below three words.
    pub distinct3: Option<f64>,
    /// How often what comes most often in a row does so; see [`DegeneracyGate::stutter_from`] for what counts.
    pub stutter: usize,
    /// Bytes after deflate for one byte before; none without text.
    pub compression: Option<f64>,
    /// Share of characters that are no letters; none without text.
    pub non_alphabetic: Option<f64>,
    /// Characters without special tokens and spaces.
    pub characters: usize,
}

impl Degeneracy {
    /// Whether any test fired.
    pub fn is_degenerate(&self) -> bool {
        !self.fired.is_empty()
    }
}

impl Default for DegeneracyGate {
    fn default() -> Self {
        let special = ["[MASK]", "<mask>", "<pad>", "<unk>", "<s>", "</s>", "[PAD]", "[UNK]", "\u{fffd}"];
        Self {
            special_tokens: special.map(str::to_owned).to_vec(),
            max_special_share: 0.1,
            min_distinct3: 0.5,
            distinct3_from_words: 12,
            stutter_from: 10,
            loop_from: 4,
            min_compression: 0.15,
            max_compression: 0.82,
            compression_from_bytes: 300,
            max_non_alphabetic: 0.75,
            non_alphabetic_from_characters: 20,
            min_characters: 1,
        }
    }
}

impl DegeneracyGate {
    /// Looks at an answer. A test without enough text to decide does not fire.
    pub fn look(&self, answer: &str) -> Degeneracy {
        let stripped = self.stripped(answer);
        let (all, characters) = (visible(answer), visible(&stripped));
        let letters = stripped.chars().filter(|c| c.is_alphabetic()).count();
        let words: Vec<&str> = stripped.split_whitespace().collect();
        let trimmed = stripped.trim();
        let (signs, spoken) = (rows_of_signs(&stripped), rows_of_words(&words));
        let mut found = Degeneracy {
            fired: Vec::new(),
            special_share: share(all - characters.min(all), all).unwrap_or(0.0),
            distinct3: distinct3(&words),
            stutter: signs.iter().chain(&spoken).filter(|row| row.counts()).map(|row| row.times).max().unwrap_or(0),
            compression: share(deflated(trimmed), trimmed.len()),
            non_alphabetic: share(characters - letters.min(characters), characters),
            characters,
        };
        let long = trimmed.len() >= self.compression_from_bytes;
        let wordy = words.len() >= self.distinct3_from_words;
        let enough = characters >= self.non_alphabetic_from_characters;
        let below = |value: Option<f64>, bound: f64| value.is_some_and(|v| v < bound);
        let above = |value: Option<f64>, bound: f64| value.is_some_and(|v| v > bound);
        let tests = [
            (GateTest::SpecialTokens, found.special_share > self.max_special_share),
            (GateTest::Repetition, wordy && below(found.distinct3, self.min_distinct3)),
            (GateTest::Stutter, signs.iter().chain(&spoken).any(|row| self.is_stutter(row))),
            (GateTest::CompressesTooWell, long && below(found.compression, self.min_compression)),
            (GateTest::CompressesTooBadly, long && above(found.compression, self.max_compression)),
            (GateTest::NonAlphabetic, enough && above(found.non_alphabetic, self.max_non_alphabetic)),
            (GateTest::TooShort, characters < self.min_characters),
        ];
        found.fired = tests.into_iter().filter(|(_, fires)| *fires).map(|(test, _)| test).collect();
        found
    }

    fn is_stutter(&self, row: &Row) -> bool {
        let (anywhere, whole) = match row.of {
            Unit::Stop | Unit::Sign => (self.stutter_from, Some(self.loop_from)),
            Unit::Letter => (self.stutter_from, Some(self.loop_from + 2)),
            Unit::Digits => (self.stutter_from, None),
            Unit::Characters | Unit::Word => (self.stutter_from, Some(self.loop_from + 1)),
            Unit::Words => (self.stutter_from, Some(self.loop_from)),
            Unit::Clause => (self.stutter_from.div_ceil(2), Some(self.loop_from)),
        };
        (row.counts() && row.times >= anywhere)
            || (3 * row.length > 2 * row.among && whole.is_some_and(|least| row.times >= least))
    }

    /// The answer with a space in place of each special token.
    fn stripped(&self, answer: &str) -> String {
        let mut text = answer.to_owned();
        for token in self.special_tokens.iter().filter(|t| !t.is_empty()) {
            text = text.replace(token, " ");
        }
        match MARKER.as_ref() {
            Some(marker) => marker.replace_all(&text, " ").into_owned(),
            None => text,
        }
    }
}

/// Whether a sign belongs to a sentence and so has no reason to come in a row: no letter, digit or sign that draws lines.
fn ends_or_parts(sign: char) -> bool {
    const SIGNS: &str = ".,;:!?…。，、；：！？·¿¡'\"’”";
    SIGNS.contains(sign)
}

/// What comes again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A sign of a sentence, or several of them.
    Stop,
    /// Another sign that is no letter or digit.
    Sign,
    Letter,
    /// Digits and the signs between them, of any number.
    Digits,
    /// Two characters or more.
    Characters,
    Word,
    /// Two or three words.
    Words,
    /// More words.
    Clause,
}

/// The same again and again.
struct Row {
    of: Unit,
    /// How often.
    times: usize,
    /// In characters that are not space, or in words.
    length: usize,
    /// Of how many.
    among: usize,
}

impl Row {
    /// Whether it counts wherever it stands in the text.
    fn counts(&self) -> bool {
        matches!(self.of, Unit::Stop | Unit::Word | Unit::Words | Unit::Clause) || 3 * self.length >= self.among
    }
}

/// The longest characters and words that are looked for in rows.
const CHARACTERS: usize = 12;
const WORDS: usize = 24;

/// The rows of one to [`CHARACTERS`] characters, spaces not counted.
fn rows_of_signs(text: &str) -> Vec<Row> {
    let signs: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let unit = |row: &[char]| match row {
        row if row.iter().all(|c| ends_or_parts(*c)) => Unit::Stop,
        row if row.iter().any(|c| c.is_ascii_digit()) && !row.iter().any(|c| c.is_alphabetic()) => Unit::Digits,
        [sign] if !sign.is_alphanumeric() => Unit::Sign,
        [_] => Unit::Letter,
        _ => Unit::Characters,
    };
    (1..=CHARACTERS).flat_map(|length| rows(&signs, length, unit)).collect()
}

/// The rows of one to [`WORDS`] words, in lower case and without the signs around them.
fn rows_of_words(words: &[&str]) -> Vec<Row> {
    let bare = |word: &&str| match word.trim_matches(|c: char| !c.is_alphanumeric()) {
        "" => word.to_lowercase(),
        bare => bare.to_lowercase(),
    };
    let words: Vec<String> = words.iter().map(bare).collect();
    let of = |length: usize| {
        let unit = move |row: &[String]| match length {
            _ if !row.iter().any(|word| word.chars().any(char::is_alphabetic)) => Unit::Digits,
            1 => Unit::Word,
            2 | 3 => Unit::Words,
            _ => Unit::Clause,
        };
        rows(&words, length, unit)
    };
    (1..=WORDS).flat_map(of).collect()
}

/// The rows in which the same `length` parts come at least twice.
fn rows<T: PartialEq>(parts: &[T], length: usize, unit: impl Fn(&[T]) -> Unit) -> Vec<Row> {
    let (mut all, mut equal) = (Vec::new(), 0);
    // Behind the last part a row ends as behind any that differs.
    for at in length..=parts.len() {
        if at < parts.len() && parts[at] == parts[at - length] {
            equal += 1;
            continue;
        }
        if equal >= length {
            let of = unit(&parts[at - length..at]);
            all.push(Row { of, times: equal / length + 1, length: equal + length, among: parts.len() });
        }
        equal = 0;
    }
    all
}

/// Characters that are not space.
fn visible(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

fn distinct3(words: &[&str]) -> Option<f64> {
    let distinct: HashSet<&[&str]> = words.windows(3).collect();
    share(distinct.len(), words.windows(3).count())
}

/// Bytes after deflate at the default level, without a header.
fn deflated(text: &str) -> usize {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail; were it to, the text would count as incompressible.
    match encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()) {
        Ok(bytes) => bytes.len(),
        Err(_) => text.len(),
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
