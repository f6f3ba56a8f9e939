//! The room words take. The reader's font is not known, so widths are estimates on the wide side.

use super::pen::TEXT;

/// About how wide a text is.
pub(super) fn width(text: &str) -> i32 {
    (text.chars().map(share).sum::<f64>() * f64::from(TEXT)).ceil() as i32
}

/// The text if it fits into `room`, else its beginning and an ellipsis.
pub(super) fn fit(text: &str, room: i32) -> String {
    if width(text) <= room {
        return text.into();
    }
    let mut left = f64::from(room) / f64::from(TEXT) - share('…');
    let kept = text.chars().take_while(|c| {
        left -= share(*c);
        left >= 0.0
    });
    kept.chain(['…']).collect()
}

/// The width of a character in heights.
fn share(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 0.92,
        'A'..='Z' => 0.7,
        c if (c as u32) >= 0x1100 => 1.0,
        _ => 0.58,
    }
}
