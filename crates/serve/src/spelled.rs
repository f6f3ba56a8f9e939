//! Tokens as log-probabilities name them: bytes, which may be less than a character, and a spelling of them.

use mosa_core::TokenId;
use mosa_text::{Specials, TextModel};

/// A token in an answer's log-probabilities.
pub(crate) struct Spelled {
    /// Its text; bytes that are no whole character are written `\xNN`.
    pub token: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Spelled {
    /// A token that adds `piece` to the text before it.
    pub(crate) fn new(text: &TextModel, id: TokenId, piece: &str) -> Self {
        let alone = text.tokenizer.decode(&[id], Specials::Keep).unwrap_or_default();
        let broken = alone.contains(char::REPLACEMENT_CHARACTER);
        let own = broken.then(|| text.tokenizer.token(id).and_then(|token| own(&token))).flatten();
        match own {
            Some(bytes) => Self { token: spelled(&bytes), bytes },
            None => {
                // What was no character before it became none with it; that is not its own.
                let piece = if broken { piece } else { piece.trim_start_matches(char::REPLACEMENT_CHARACTER) };
                Self { token: piece.to_owned(), bytes: piece.as_bytes().to_vec() }
            }
        }
    }

    /// Where every token begins, in characters. One that begins within a character begins where that does.
    pub(crate) fn offsets(all: &[Self]) -> Vec<usize> {
        let (mut at, mut part) = (0, Vec::new());
        let mut begins = Vec::with_capacity(all.len());
        for one in all {
            begins.push(at);
            part.extend_from_slice(&one.bytes);
            let open = part.utf8_chunks().last().map_or(0, |last| last.invalid().len());
            // What is no character yet may become one, as long as it can.
            let open = if open > 0 && opens(&part[part.len() - open..]) { open } else { 0 };
            let whole = part.len() - open;
            at += String::from_utf8_lossy(&part[..whole]).chars().count();
            part.drain(..whole);
        }
        begins
    }
}

/// Whether bytes that are no character are the beginning of one.
fn opens(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// The bytes a vocabulary's entry stands for: a byte of SentencePiece, or characters that stand for bytes.
fn own(token: &str) -> Option<Vec<u8>> {
    let hex = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Some(byte) => Some(vec![byte]),
        None => token.chars().map(byte).collect(),
    }
}

/// The byte a character stands for in byte-level vocabularies: those that can be seen for themselves, the others, in
/// order, as the characters from U+0100 on.
fn byte(c: char) -> Option<u8> {
    let seen = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u8::try_from(u32::from(c)) {
        Ok(byte) => seen(byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|byte| !seen(*byte)).nth((u32::from(c) - 0x100) as usize),
    }
}

/// Bytes as text.
fn spelled(bytes: &[u8]) -> String {
    let part = |chunk: std::str::Utf8Chunk<'_>| {
        let rest: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        chunk.valid().to_owned() + &rest
    };
    bytes.utf8_chunks().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::{Spelled, own, spelled};

    #[test]
    fn bytes_are_those_of_the_vocabularys_entry_and_spelled_so_that_they_can_be_read() {
        assert_eq!(own("ĠÃ©t"), Some(" ét".as_bytes().to_vec()));
        assert_eq!(own("ðŁĺĢ"), Some("😀".as_bytes().to_vec()));
        assert_eq!(own("<0xE2>"), Some(vec![0xe2]));
        assert_eq!(own("▁the"), None);
        assert_eq!(spelled(b" \xe2\x80"), " \\xe2\\x80");
        assert_eq!(spelled("é\u{fffd}".as_bytes()), "é\u{fffd}");
    }

    #[test]
    fn a_character_of_several_tokens_counts_once() {
        let one = |bytes: &[u8]| Spelled { token: String::new(), bytes: bytes.to_vec() };
        let all =
            [one(b"a"), one(b"\xf0\x9f"), one(b"\x98"), one(b"\x80b"), one(b"\xff"), one("é".as_bytes()), one(b"")];
        assert_eq!(Spelled::offsets(&all), [0, 1, 1, 1, 3, 4, 5]);
    }
}
