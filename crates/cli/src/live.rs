//! What people see while answers are being decoded.

use crate::interrupt;
use crate::output::Bar;
use anyhow::Result;
use mosa_core::{Canvas, TokenId};
use mosa_engine::{Control, Observer, StepRecord};
use mosa_text::{Specials, TextModel};

/// A position that is still masked.
const HIDDEN: &str = "░";

/// Draws on stderr where that is a terminal: one answer as it is unmasked, or a progress bar over many. Passes
/// interrupts on to the engine.
pub(crate) struct Live<'a> {
    text: &'a TextModel,
    bar: Bar,
    one: bool,
    steps: usize,
}

impl<'a> Live<'a> {
    pub(crate) fn new(text: &'a TextModel, prompts: usize, quiet: bool) -> Result<Self> {
        let one = prompts == 1;
        let style = if one { "{msg}" } else { "{bar:30} {pos}/{len} answers  {elapsed}<{eta}  {msg}" };
        let bar = Bar::new(quiet, (!one).then_some(prompts), style)?;
        bar.tick();
        Ok(Self { text, bar, one, steps: 0 })
    }

    /// Writes to stdout with the drawing taken off the terminal.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// After an answer is complete.
    pub(crate) fn answered(&self) {
        if !self.one {
            self.bar.inc(1);
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// The response with masks drawn as blocks and special tokens left out.
    fn draw(&self, response: &[TokenId], mask: TokenId) -> String {
        let mut out = String::new();
        for run in response.chunk_by(|a, b| (*a == mask) == (*b == mask)) {
            if run[0] == mask {
                out.push_str(&HIDDEN.repeat(run.len()));
            } else {
                out.push_str(&self.text.tokenizer.decode(run, Specials::Skip).unwrap_or_default());
            }
        }
        out
    }
}

impl Observer for Live<'_> {
    fn after_step(&mut self, _row: usize, canvas: &Canvas, _record: Option<&StepRecord>) -> Control {
        self.steps += 1;
        if self.one && !self.bar.is_hidden() {
            let left = canvas.masked(canvas.response_start()..canvas.len()).len();
            let shown = self.draw(canvas.response(), canvas.mask());
            self.bar.set_text(&format!("step {}, {left} tokens to go\n{shown}", self.steps));
        } else {
            self.bar.set_message(format!("{} passes", self.steps));
        }
        if interrupt::asked() { Control::Interrupt } else { Control::Continue }
    }
}
