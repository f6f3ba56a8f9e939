//! A Jinja template with the settings transformers renders chat templates with, and with bounds: on its size, on the work
//! it may do, on what it may write, and on the stack it may use.

mod clock;
mod functions;
mod json;
mod source;

use crate::quiet::caught;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// The most bytes a template writes, or makes in one call: far more than any context holds.
const TOO_LONG: usize = 8 * 1024 * 1024;
/// Steps a rendering may take; 64 bytes of text that it makes cost as much as one.
const FUEL: u64 = 4_000_000;
/// Bytes of stack for reading and rendering. Sources are bounded so that this is enough.
const STACK: usize = 64 * 1024 * 1024;

/// How long a rendering may take. What fuel does not see (a list that doubles itself, unrolled inside one step) ends here.
const LONGEST: Duration = Duration::from_secs(10);

const NAME: &str = "chat";

/// A template that was read.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    environment: Arc<Environment<'static>>,
    /// As it was read.
    pub(crate) source: Arc<str>,
}

impl Template {
    /// Reads a template; `globals` are the values it may name beside those of a rendering. The reason if it cannot be read.
    pub(crate) fn new(source: &str, globals: BTreeMap<String, Value>) -> Result<Self, String> {
        let read = source.into();
        let source = source::prepare(source).map_err(|e| format!("the template is too large: {e}"))?;
        let environment = on_stack(|| environment(source, globals).map_err(|e| in_words(&e)))??;
        Ok(Self { environment: Arc::new(environment), source: read })
    }

    /// What it writes. The reason if it refuses, or does or writes too much; one that takes too long goes on unseen.
    pub(crate) fn render(&self, scope: &Value) -> Result<String, String> {
        let (environment, scope) = (Arc::clone(&self.environment), scope.clone());
        let (done, rendered) = mpsc::channel();
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            let _ = done.send(caught(|| rendered_by(&environment, scope)));
        });
        thread.map_err(no_stack)?;
        match rendered.recv_timeout(LONGEST) {
            Ok(outcome) => outcome.map_err(broke_down)?,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it takes longer than {} s", LONGEST.as_secs())),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("the template engine broke down".into()),
        }
    }
}

fn rendered_by(environment: &Environment<'static>, scope: Value) -> Result<String, String> {
    let template = environment.get_template(NAME).map_err(|e| in_words(&e))?;
    let mut page = Page::default();
    match template.render_captured_to(scope, &mut page) {
        Ok(_) => String::from_utf8(page.written).map_err(|e| e.to_string()),
        Err(_) if page.full => Err(format!("it writes more than {TOO_LONG} bytes")),
        Err(e) => Err(in_words(&e)),
    }
}

fn environment(source: String, globals: BTreeMap<String, Value>) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    functions::register(&mut environment);
    for (name, value) in globals {
        environment.add_global(name, value);
    }
    environment.add_template_owned(NAME, source)?;
    Ok(environment)
}

/// An error and what caused it.
fn in_words(error: &Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return format!("it takes more than {FUEL} steps, or makes more text than they allow; it may loop for ever");
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Does `work` on a thread with a stack of a known size.
fn on_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || caught(work));
        match thread.map_err(no_stack)?.join() {
            Ok(done) => done.map_err(broke_down),
            Err(_) => Err("the template engine broke down".into()),
        }
    })
}

fn no_stack(error: io::Error) -> String {
    format!("no thread with {STACK} bytes of stack can be started for it: {error}")
}

fn broke_down(why: String) -> String {
    format!("the template engine broke down: {why}")
}

/// What a template writes, up to a limit.
#[derive(Default)]
struct Page {
    written: Vec<u8>,
    full: bool,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written.len() + bytes.len() > TOO_LONG {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
