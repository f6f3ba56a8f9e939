//! The `mosa` command: parse, run, exit code.

mod args;
mod commands;
mod digest;
mod failure;
mod hub;
mod interrupt;
mod live;
mod load;
mod output;
mod room;
mod sampling;
mod settings;
mod training;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    mosa_model::tune_allocator();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::say(&format!("mosa: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Generate(args) => commands::generate::run(&args),
        Command::Align(args) => commands::align::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Merge(args) => commands::merge::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Probe(command) => commands::probe::run(&command),
        Command::Attack(args) => commands::attack::run(&args),
        Command::Judge(args) => commands::judge::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Data(command) => commands::data::run(&command),
        Command::World(args) => commands::world::run(&args),
        Command::Quickstart(args) => commands::quickstart::run(&args),
    }
}
