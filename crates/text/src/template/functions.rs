//! What templates call: the operators, functions, filters and methods that minijinja lacks or does not bound.

use super::source::{HELD, KEPT, MODULO};
use super::{TOO_LONG, clock, json};
use minijinja::value::{Kwargs, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, functions};

/// How deep a value that a template makes may be nested, and how many values it may hold in all.
const DEEPEST: usize = 64;
const MOST_VALUES: usize = 100_000;

/// Puts everything into an environment.
pub(super) fn register(env: &mut Environment<'_>) {
    env.set_unknown_method_callback(method);
    env.add_function("raise_exception", |message: String| -> Result<Value, Error> { Err(refused(message)) });
    env.add_function("strftime_now", |format: String| clock::now(&format).map_err(refused));
    env.add_function(MODULO, modulo);
    env.add_function(HELD, |state: &State, value: Value| held(state, value));
    env.add_function(KEPT, kept);
    env.add_function("dict", |state: &State, from: Option<Value>, more: Kwargs| {
        held(state, functions::dict(from, more)?)
    });
    env.add_function("namespace", namespace);
    env.add_filter("tojson", json::tojson);
    env.add_filter("batch", |state: &State, value: Value, count: usize, fill: Option<Value>| {
        room(count)?;
        held(state, filters::batch(state, value, count, fill)?)
    });
    env.add_filter("slice", |state: &State, value: Value, count: usize, fill: Option<Value>| {
        room(count)?;
        held(state, filters::slice(state, value, count, fill)?)
    });
    env.add_filter("wordcount", |text: &str| text.split_whitespace().count());
    env.add_filter("center", |text: &str, width: Option<usize>| {
        let width = width.unwrap_or(80);
        room(width)?;
        padded(text, "center", &[Value::from(width)])
    });
    env.add_filter("striptags", minijinja_contrib::filters::striptags);
    env.add_function("cycler", minijinja_contrib::globals::cycler);
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    env.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map)
    });
    // Not in Jinja.
    for name in ["zip", "chain"] {
        env.remove_filter(name);
    }
    env.remove_global("debug");
}

fn refused(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn room(count: usize) -> Result<(), Error> {
    match count <= MOST_VALUES {
        true => Ok(()),
        false => Err(refused(format!("{count} values are more than {MOST_VALUES}"))),
    }
}

/// Passes a value on unless it is too deep, holds too much, or holds a namespace (which could hold itself).
fn held(state: &State, value: Value) -> Result<Value, Error> {
    let mut seen = 0;
    look(&value, 0, &mut seen)?;
    state.consume_fuel(seen as u64)?;
    Ok(value)
}

fn look(value: &Value, depth: usize, seen: &mut usize) -> Result<(), Error> {
    *seen += 1;
    if depth > DEEPEST {
        return Err(refused(format!("a value of the template is nested more than {DEEPEST} deep")));
    }
    if *seen > MOST_VALUES {
        return Err(refused(format!("a value of the template holds more than {MOST_VALUES} values")));
    }
    no_namespace(value)?;
    match value.kind() {
        ValueKind::Seq => {
            for item in value.try_iter()? {
                look(&item, depth + 1, seen)?;
            }
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                look(&value.get_item(&key)?, depth + 1, seen)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn no_namespace(value: &Value) -> Result<(), Error> {
    match value.as_object().is_some_and(|o| o.type_name().contains("Namespace")) {
        true => Err(refused("a namespace cannot be put into another value")),
        false => Ok(()),
    }
}

/// A value that is about to be kept in a namespace, where it can grow from turn to turn of a loop.
fn kept(value: Value) -> Result<Value, Error> {
    no_namespace(&value)?;
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        room(value.len().unwrap_or(0))?;
    }
    Ok(value)
}

fn namespace(defaults: Option<ValueOrKwargs>) -> Result<Value, Error> {
    if let Some(given) = &defaults
        && given.kind() == ValueKind::Map
    {
        for key in given.try_iter()? {
            no_namespace(&given.get_item(&key)?)?;
        }
    }
    functions::namespace(defaults)
}

/// `a % b`: of text, printf formatting as in Python; of numbers, the remainder with the sign of `b`.
fn modulo(state: &mut State, a: Value, b: Value) -> Result<Value, Error> {
    if a.kind() == ValueKind::String {
        return format(state, a, b);
    }
    let numbers = [&a, &b].iter().all(|v| matches!(v.kind(), ValueKind::Number | ValueKind::Bool));
    if !numbers {
        return Err(refused(format!("tried to use % operator on unsupported types {} and {}", a.kind(), b.kind())));
    }
    let whole = |v: &Value| i128::try_from(v.clone()).ok().filter(|_| v.kind() == ValueKind::Bool || v.is_integer());
    if let (Some(x), Some(y)) = (whole(&a), whole(&b)) {
        let rest = x.checked_rem(y).ok_or_else(|| refused(format!("unable to calculate {a} % {b}")))?;
        return Ok(Value::from(if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest }));
    }
    let (x, y) = (f64::try_from(a.clone())?, f64::try_from(b.clone())?);
    if y == 0.0 {
        return Err(refused(format!("unable to calculate {a} % {b}")));
    }
    let rest = x % y;
    Ok(Value::from(match rest != 0.0 && (rest < 0.0) != (y < 0.0) {
        true => rest + y,
        false if rest == 0.0 => 0.0_f64.copysign(y),
        false => rest,
    }))
}

/// `text % values`: values of a tuple one by one, a mapping by its keys, anything else as the one value.
fn format(state: &mut State, text: Value, values: Value) -> Result<Value, Error> {
    let mut given = match values.downcast_object_ref::<Tuple>() {
        Some(tuple) => tuple.to_vec(),
        None => vec![values.clone()],
    };
    let text = text.as_str().unwrap_or_default();
    let (mut format, mut fields, mut named, mut rest) = (String::with_capacity(text.len()), 0, false, text);
    while let Some(at) = rest.find('%') {
        let spec = Field::read(&rest[at..]);
        format.push_str(&rest[..at]);
        rest = &rest[at + spec.text.len()..];
        widths(spec.text)?;
        named |= spec.named;
        fields += spec.stars;
        if spec.letter.is_some_and(|c| c != '%') {
            if let Some(value) = given.get_mut(fields).filter(|_| !spec.named) {
                *value = spec.as_python(value);
            }
            fields += 1;
        }
        match spec.letter {
            Some('r' | 'a') if !spec.named => format.extend([&spec.text[..spec.text.len() - 1], "s"]),
            _ => format.push_str(spec.text),
        }
    }
    format.push_str(rest);
    if !named && given.len() > fields && values.kind() != ValueKind::Map {
        return Err(refused("not all arguments converted during string formatting"));
    }
    given.insert(0, Value::from(format));
    state.apply_filter("format", &given)
}

/// One field of a printf format, from its `%` to its letter.
struct Field<'s> {
    text: &'s str,
    letter: Option<char>,
    /// Whether its value is found by name.
    named: bool,
    /// Widths that are values themselves.
    stars: usize,
}

impl<'s> Field<'s> {
    /// The field at the beginning of `text`, which starts with a `%`.
    fn read(text: &'s str) -> Self {
        let key = text[1..].strip_prefix('(').and_then(|inside| inside.find(')')).map_or(1, |n| n + 3);
        let flag = |c: char| c.is_ascii_digit() || "#- +.*hlL".contains(c);
        let at = text[key..].find(|c| !flag(c)).map_or(text.len(), |n| key + n);
        let letter = text[at..].chars().next();
        let end = at + letter.map_or(0, char::len_utf8);
        Self { text: &text[..end], letter, named: key > 1, stars: text[key..at].matches('*').count() }
    }

    /// The value as the letter takes it in Python: `d` cuts a fraction off, `r` shows quotes.
    fn as_python(&self, value: &Value) -> Value {
        match self.letter {
            Some('d' | 'i' | 'u') if value.kind() == ValueKind::Number && !value.is_integer() => {
                f64::try_from(value.clone()).map_or_else(|_| value.clone(), |x| Value::from(x.trunc() as i128))
            }
            Some('r' | 'a') => {
                let listed = Value::from(vec![value.clone()]).to_string();
                Value::from(&listed[1..listed.len() - 1])
            }
            _ => value.clone(),
        }
    }
}

/// The largest width or precision of a field; refuses those that only fill memory.
fn widths(spec: &str) -> Result<usize, Error> {
    let numbers = spec.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
    let widest = numbers.map(|n| n.parse::<usize>().unwrap_or(usize::MAX)).max().unwrap_or(0);
    match widest > MOST_VALUES {
        true => Err(refused(format!("a width of {widest} is more than {MOST_VALUES}"))),
        false => Ok(widest),
    }
}

/// Methods of Python's text, lists and dictionaries; those that can make long texts are bounded here.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        bounded(text, name, args)?;
        if let Some(found) = of_text(text, name, args)? {
            return Ok(found);
        }
    }
    if value.kind() == ValueKind::Seq && name == "index" {
        let place = value.try_iter()?.position(|item| args.first() == Some(&item));
        return place.map(Value::from).ok_or_else(|| refused("the value is not in the list"));
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// Refuses a method whose result would be too long, before it is made.
fn bounded(text: &str, name: &str, args: &[Value]) -> Result<(), Error> {
    let length = |v: &Value| v.as_str().map_or(64, str::len);
    let result = match (name, args) {
        ("replace", [old, new, ..]) => {
            let found = old.as_str().map_or(0, |old| text.matches(old).count());
            text.len().saturating_add(found.saturating_mul(length(new)))
        }
        ("join", [values, ..]) => {
            let mut sum = 0_usize;
            for value in values.try_iter()?.take(TOO_LONG) {
                sum = sum.saturating_add(text.len()).saturating_add(length(&value));
            }
            sum
        }
        ("format", _) => {
            let mut one = args.iter().map(length).max().unwrap_or(0);
            for spec in text.split('{').skip(1).filter_map(|field| field.split_once(':')) {
                one = one.max(widths(spec.1.split('}').next().unwrap_or_default())?);
            }
            text.len().saturating_add(text.matches('{').count().saturating_mul(one))
        }
        ("ljust" | "rjust" | "center" | "zfill", [width, ..]) => usize::try_from(width.clone()).unwrap_or(0),
        _ => 0,
    };
    match result > TOO_LONG {
        true => Err(refused(format!("{name}: the result would be longer than {TOO_LONG} bytes"))),
        false => Ok(()),
    }
}

/// Methods of text that minijinja's Python methods lack.
fn of_text(text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let first = args.first().and_then(Value::as_str);
    let pair = |found: Option<(&str, &str)>, mark: &str, none: [&str; 3]| {
        let parts = found.map_or(none, |(a, b)| [a, mark, b]);
        Value::from(Tuple::from(parts.map(Value::from).to_vec()))
    };
    Ok(Some(match (name, first) {
        ("removeprefix", Some(mark)) => Value::from(text.strip_prefix(mark).unwrap_or(text)),
        ("removesuffix", Some(mark)) => Value::from(text.strip_suffix(mark).unwrap_or(text)),
        ("partition", Some(mark)) => pair(text.split_once(mark), mark, [text, "", ""]),
        ("rpartition", Some(mark)) => pair(text.rsplit_once(mark), mark, ["", "", text]),
        ("index" | "rindex", Some(mark)) => {
            let at = if name == "index" { text.find(mark) } else { text.rfind(mark) };
            let at = at.ok_or_else(|| refused("substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        ("rsplit", Some(mark)) if !mark.is_empty() => {
            let most = args.get(1).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
            let mut parts: Vec<&str> = match most {
                Some(most) => text.rsplitn(most.saturating_add(1), mark).collect(),
                None => text.rsplit(mark).collect(),
            };
            parts.reverse();
            Value::from(parts.into_iter().map(Value::from).collect::<Vec<_>>())
        }
        ("swapcase", None) => Value::from(text.chars().map(swapped).collect::<String>()),
        ("casefold", None) => Value::from(text.to_lowercase()),
        ("isdecimal", None) => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        ("ljust" | "rjust" | "center" | "zfill", None) => Value::from(padded(text, name, args)?),
        _ => return Ok(None),
    }))
}

fn swapped(c: char) -> String {
    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
}

/// Text filled up to a width.
fn padded(text: &str, name: &str, args: &[Value]) -> Result<String, Error> {
    let width = args.first().and_then(Value::as_i64).ok_or_else(|| refused(format!("{name} needs a width")))?;
    let fill = args.get(1).and_then(Value::as_str).unwrap_or(if name == "zfill" { "0" } else { " " });
    if fill.chars().count() != 1 {
        return Err(refused(format!("{name}: the fill character must be exactly one character long")));
    }
    let width = usize::try_from(width).unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    // Python's rule for what cannot be shared evenly.
    let odd = usize::from(missing % 2 == 1 && width % 2 == 1);
    let left = match name {
        "ljust" => 0,
        "center" => missing / 2 + odd,
        _ => missing,
    };
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if name == "zfill" => text.split_at(text.len() - digits.len()),
        _ => ("", text),
    };
    Ok(format!("{sign}{}{digits}{}", fill.repeat(left), fill.repeat(missing - left)))
}
