//! The source of a chat template, made ready for minijinja: what Jinja as transformers sets it up knows and minijinja
//! does not, and how large a template may be.
//!
//! Rewritten are `{% generation %}` blocks (to a scope of their own, which is what they are where nobody asks for their
//! place), `a % b` (to a call, since minijinja takes it for a remainder only), and what builds or keeps a value that holds
//! others (to calls that look at its size).

use std::ops::Range;

/// The most bytes of a template. The largest published ones have about 30,000.
const LONGEST: usize = 512 * 1024;
/// The most tags, tokens in one tag, and brackets in each other: they bound the depth of every recursion in the engine.
const MOST_TAGS: usize = 10_000;
const MOST_TOKENS: usize = 4_000;
const DEEPEST: usize = 100;

/// The functions that rewritten sources call.
pub(super) const MODULO: &str = "__mosa_modulo";
pub(super) const HELD: &str = "__mosa_held";
pub(super) const KEPT: &str = "__mosa_kept";

/// The source as the engine takes it; the reason if it is too large.
pub(super) fn prepare(source: &str) -> Result<String, String> {
    if source.len() > LONGEST {
        return Err(format!("it has {} bytes, more than {LONGEST}", source.len()));
    }
    let mut scan = Scan { source, at: 0, edits: Vec::new() };
    let mut tags = 0;
    while let Some(found) = source[scan.at..].find('{') {
        scan.at += found;
        match source.as_bytes().get(scan.at + 1) {
            Some(b'#') => scan.behind("#}"),
            Some(kind @ (b'{' | b'%')) => {
                tags += 1;
                if tags > MOST_TAGS {
                    return Err(format!("it has more than {MOST_TAGS} tags"));
                }
                scan.tag(*kind == b'%')?;
            }
            _ => scan.at += 1,
        }
    }
    Ok(scan.finish())
}

/// What stands at a place instead of what stood there.
struct Edit {
    at: Range<usize>,
    with: String,
    /// Order at the same place: what closes goes first, from the inside out; what opens follows, from the outside in.
    rank: usize,
}

/// A walk through the source.
struct Scan<'s> {
    source: &'s str,
    at: usize,
    edits: Vec<Edit>,
}

/// A part of an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'s> {
    Word(&'s str),
    Number,
    Text,
    Open(u8),
    Close,
    Operator(&'s str),
}

const OPERATORS: [&str; 6] = ["//", "**", "==", "!=", ">=", "<="];

impl<'s> Scan<'s> {
    /// Goes behind the next `mark`, or to the end.
    fn behind(&mut self, mark: &str) {
        self.at = self.source[self.at..].find(mark).map_or(self.source.len(), |n| self.at + n + mark.len());
    }

    fn replace(&mut self, at: Range<usize>, with: &str) {
        self.edits.push(Edit { at, with: with.into(), rank: 0 });
    }

    fn open(&mut self, at: usize, with: impl Into<String>) {
        let rank = usize::MAX - self.edits.len();
        self.edits.push(Edit { at: at..at, with: with.into(), rank });
    }

    fn close(&mut self, at: usize, with: &str) {
        let rank = self.edits.len();
        self.edits.push(Edit { at: at..at, with: with.into(), rank });
    }

    /// The source with every edit in its place.
    fn finish(mut self) -> String {
        self.edits.sort_by_key(|e| (e.at.start, e.at.end, e.rank));
        let (mut out, mut done) = (String::with_capacity(self.source.len()), 0);
        for edit in &self.edits {
            out.push_str(&self.source[done..edit.at.start]);
            out.push_str(&edit.with);
            done = edit.at.end;
        }
        out.push_str(&self.source[done..]);
        out
    }

    /// One `{{ ... }}` or `{% ... %}`, which begins here.
    fn tag(&mut self, block: bool) -> Result<(), String> {
        let begin = self.at;
        self.at += 2;
        if matches!(self.source.as_bytes().get(self.at), Some(b'-' | b'+')) {
            self.at += 1;
        }
        let mut levels = vec![Level::default()];
        let (mut tokens, mut first) = (0, None);
        while let Some((token, place)) = self.next(block, levels.len() == 1) {
            tokens += 1;
            if tokens > MOST_TOKENS {
                return Err(format!("one tag has more than {MOST_TOKENS} words and signs ({})", self.line(begin)));
            }
            if block && first.is_none() {
                first = Some(token);
                self.keyword(token, place);
                if token == Token::Word("raw") {
                    self.raw();
                    return Ok(());
                }
                if let Some(level) = levels.last_mut() {
                    level.targets = matches!(token, Token::Word("set" | "for" | "with" | "call"));
                    level.setting = token == Token::Word("set");
                }
                continue;
            }
            self.step(&mut levels, token, place);
            if levels.len() > DEEPEST {
                return Err(format!("brackets stand more than {DEEPEST} deep in each other ({})", self.line(begin)));
            }
        }
        if let Some(level) = levels.last_mut() {
            let end = level.last_end;
            self.close_segment(level);
            self.close_setting(level, end);
        }
        Ok(())
    }

    fn line(&self, at: usize) -> String {
        format!("line {}", self.source[..at].matches('\n').count() + 1)
    }

    /// The blocks that only mark what the assistant said.
    fn keyword(&mut self, token: Token<'_>, at: Range<usize>) {
        match token {
            Token::Word("generation") => self.replace(at, "with"),
            Token::Word("endgeneration") => self.replace(at, "endwith"),
            _ => {}
        }
    }

    /// Goes behind `{% endraw %}`.
    fn raw(&mut self) {
        while let Some(found) = self.source[self.at..].find("{%") {
            self.at += found + 2;
            let inside = self.source[self.at..].trim_start_matches(['-', '+']).trim_start();
            if inside.starts_with("endraw") {
                self.behind("%}");
                return;
            }
        }
        self.at = self.source.len();
    }

    /// The next token of a tag; `None` behind the tag's end. `outer`: no bracket is open.
    fn next(&mut self, block: bool, outer: bool) -> Option<(Token<'s>, Range<usize>)> {
        let source = self.source;
        self.at += source[self.at..].len() - source[self.at..].trim_start().len();
        let (begin, rest) = (self.at, &source[self.at..]);
        let end = if block { "%}" } else { "}}" };
        if outer {
            let close = rest.strip_prefix(['-', '+']).unwrap_or(rest);
            if close.starts_with(end) {
                self.at += rest.len() - close.len() + end.len();
                return None;
            }
        }
        let c = rest.chars().next()?;
        let (token, length) = match c {
            '\'' | '"' => (Token::Text, text_length(rest, c)),
            '(' | '[' | '{' => (Token::Open(c as u8), 1),
            ')' | ']' | '}' => (Token::Close, 1),
            c if c.is_ascii_digit() => (Token::Number, number_length(rest)),
            c if c.is_alphanumeric() || c == '_' => {
                let n = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Word(&rest[..n]), n)
            }
            _ => {
                let two = OPERATORS.iter().find(|o| rest.starts_with(**o)).map_or(c.len_utf8(), |o| o.len());
                (Token::Operator(&rest[..two]), two)
            }
        };
        self.at += length;
        Some((token, begin..self.at))
    }

    /// One token of an expression.
    fn step(&mut self, levels: &mut Vec<Level>, token: Token<'s>, place: Range<usize>) {
        let nested = levels.len() > 1;
        let Some(level) = levels.last_mut() else { return };
        match token {
            Token::Open(kind) => {
                let call = level.after_operand && kind != b'{';
                let open = Some((place.start, kind, call));
                let inner = Level { open, targets: level.targets, ..Level::default() };
                level.begin(place.start);
                levels.push(inner);
            }
            Token::Close if nested => {
                let Some(mut inner) = levels.pop() else { return };
                self.close_segment(&mut inner);
                self.close_bracket(&inner, place.end);
                if let Some(level) = levels.last_mut() {
                    level.names |= inner.names;
                    level.operand(place);
                }
            }
            Token::Close | Token::Number | Token::Text => level.operand(place),
            Token::Word(word) => self.word(level, word, place),
            Token::Operator(sign) => self.operator(level, sign, place),
        }
    }

    fn word(&mut self, level: &mut Level, word: &str, place: Range<usize>) {
        let before = level.before;
        let named = matches!(before, Before::Dot | Before::Is);
        let ends = matches!(word, "and" | "or" | "in" | "if" | "else" | "not" | "recursive" | "as" | "import");
        if ends && !named {
            self.close_segment(level);
            level.targets &= word != "in";
            return;
        }
        level.names |= !matches!(word, "true" | "false" | "none" | "True" | "False" | "None");
        level.operand(place);
        let test = word == "is" && !named || word == "not" && before == Before::Is;
        level.before = if test { Before::Is } else { Before::Other };
        level.after_operand = !test;
    }

    fn operator(&mut self, level: &mut Level, sign: &str, place: Range<usize>) {
        match sign {
            "%" if level.begun.is_some() && level.after_operand => {
                self.close_operand(level);
                let begun = level.begun.unwrap_or(place.start);
                self.open(begun, format!("{MODULO}("));
                self.replace(place, ",");
                level.modulo = true;
                level.sign();
            }
            "*" | "/" | "//" | "%" => {
                self.close_operand(level);
                level.sign();
            }
            "." | "|" => {
                level.dotted |= sign == "." && level.assigned.is_none();
                level.sign();
                level.before = Before::Dot;
            }
            "**" => level.sign(),
            // A sign in front of an operand, not between two.
            "-" | "+" if !level.after_operand => level.begin(place.start),
            _ => {
                self.close_segment(level);
                level.commas += usize::from(sign == ",");
                if sign == "=" && level.open.is_none() {
                    level.targets = false;
                    level.commas = 0;
                    level.assigned = Some(place.end);
                }
            }
        }
    }

    /// The end of the operand behind a `%`.
    fn close_operand(&mut self, level: &mut Level) {
        if std::mem::take(&mut level.modulo) {
            self.close(level.last_end, ")");
        }
    }

    /// The end of a chain of products.
    fn close_segment(&mut self, level: &mut Level) {
        self.close_operand(level);
        level.begun = None;
        level.sign();
    }

    /// A list, a dictionary or a tuple that is not made of constants alone is looked at when it is made.
    fn close_bracket(&mut self, inner: &Level, end: usize) {
        let Some((begin, kind, call)) = inner.open else { return };
        let holds = match kind {
            b'(' => inner.commas > 0,
            _ => true,
        };
        if holds && inner.names && !call && !inner.targets {
            self.open(begin, format!("{HELD}("));
            self.close(end, ")");
        }
    }

    /// `{% set x = a, b %}` makes a tuple, and `{% set n.x = a %}` keeps a value in a namespace.
    fn close_setting(&mut self, level: &Level, end: usize) {
        let Some(begin) = level.assigned.filter(|begin| level.setting && *begin < end) else { return };
        if level.commas > 0 {
            self.open(begin, format!(" {HELD}(("));
            self.close(end, "))");
        } else if level.dotted {
            self.open(begin, format!(" {KEPT}("));
            self.close(end, ")");
        }
    }
}

/// What stands in front of a word.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    /// A dot or a bar: a name follows.
    Dot,
    /// `is` or `is not`: a test follows.
    Is,
}

/// What stands between two brackets, or in a tag outside all of them.
#[derive(Default)]
struct Level {
    /// Where the bracket opens, which one it is, and whether it belongs to the operand in front of it.
    open: Option<(usize, u8, bool)>,
    /// Where the chain of products begins.
    begun: Option<usize>,
    /// Where the last operand ends.
    last_end: usize,
    /// Whether a `%` waits for the end of its second operand.
    modulo: bool,
    after_operand: bool,
    before: Before,
    commas: usize,
    /// Whether anything in it is not a constant.
    names: bool,
    /// Names that are bound, not values, stand here.
    targets: bool,
    setting: bool,
    /// Whether the target of a `set` is an attribute.
    dotted: bool,
    /// Where the value of a `set` begins.
    assigned: Option<usize>,
}

impl Level {
    fn begin(&mut self, at: usize) {
        self.begun.get_or_insert(at);
        self.after_operand = false;
    }

    fn operand(&mut self, place: Range<usize>) {
        self.begun.get_or_insert(place.start);
        self.last_end = place.end;
        self.after_operand = true;
        self.before = Before::Other;
    }

    fn sign(&mut self) {
        self.after_operand = false;
        self.before = Before::Other;
    }
}

/// Bytes of the quoted text at the beginning.
fn text_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of the number at the beginning: digits, a fraction, an exponent.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        let run = bytes.get(from..).unwrap_or_default().iter();
        from + run.take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    let signed = matches!(bytes.get(end), Some(b'-' | b'+'));
    if signed && !rest.starts_with("0x") && matches!(bytes.get(end - 1), Some(b'e' | b'E')) {
        end = digits(end + 1);
    }
    end
}
