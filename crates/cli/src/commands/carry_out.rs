//! `mosa carry-out`: a worker of another mosa (`workers.rs`).
//!
//! A line of stdin is a command line as a JSON list of words. What the command prints is followed by a line that says how
//! it ended. The end of stdin ends the worker, as Ctrl-C would.

use crate::args::Args;
use crate::failure::Failure;
use crate::workers::{END, Ended};
use crate::{interrupt, output};
use clap::Parser;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

/// Carries out one command line after the other, by `run`.
pub(crate) fn run(run: impl Fn(Args) -> Result<(), Failure>) -> Result<(), Failure> {
    let (sender, requests) = mpsc::channel();
    let is_busy = Arc::new(AtomicBool::new(false));
    let busy = Arc::clone(&is_busy);
    thread::Builder::new().spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for line in lines {
            busy.store(true, Ordering::SeqCst);
            if sender.send(line).is_err() {
                return;
            }
        }
        drop(sender);
        if busy.load(Ordering::SeqCst) {
            interrupt::end();
        }
    })?;
    for request in requests {
        let ended = match carried_out(&request, &run) {
            Ok(()) => Ended::default(),
            Err(failure) => Ended { code: failure.code(), error: Some(failure.to_string()) },
        };
        is_busy.store(false, Ordering::SeqCst);
        output::line(&format!("{END}{}", serde_json::to_string(&ended)?))?;
    }
    Ok(())
}

fn carried_out(request: &str, run: impl Fn(Args) -> Result<(), Failure>) -> Result<(), Failure> {
    let words: Vec<String> = serde_json::from_str(request)?;
    run(Args::try_parse_from(words)?)
}
