//! The `mosa` command: parse, run, exit code.

mod args;
mod commands;
mod defences;
mod digest;
mod endpoint;
mod failure;
mod files;
mod folder;
mod hub;
mod interrupt;
mod live;
mod load;
mod manifest;
mod output;
mod page;
mod parts;
mod ranks;
mod rewarded;
mod room;
mod sampling;
mod settings;
mod shown;
mod spin;
mod table;
mod training;
mod typed;
mod workers;
mod written;

use args::{Args, Command};
use failure::Failure;
use std::process::ExitCode;

/// Characters of an error that are printed.
const ERROR: usize = 10_000;

fn main() -> ExitCode {
    mosa_model::tune_allocator();
    // SAFETY: the first lines of the program: no thread is started and no tensor made.
    #[allow(unsafe_code)]
    unsafe {
        mosa_model::settle_environment();
    }
    let args = match args::parse() {
        Ok(args) => args,
        Err(error) => wrong_use(&error),
    };
    interrupt::install();
    let ended = run(args);
    if interrupt::asked() {
        interrupt::announce();
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Whatever went wrong after a request to stop came of it.
        Err(failure) if interrupt::asked() => {
            say(&failure);
            interrupt::leave()
        }
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn say(failure: &Failure) {
    if !matches!(failure, Failure::Elsewhere(_)) {
        output::say(&shown::cut(&format!("mosa: {}{failure}", ranks::named()), ERROR));
    }
}

/// Help, or what is wrong with the arguments. Arguments that no terminal should get are quoted without colours.
fn wrong_use(error: &clap::Error) -> ! {
    let acts = |argument: std::ffi::OsString| {
        let text = argument.to_string_lossy();
        shown::shown(&text) != text
    };
    if error.use_stderr() && std::env::args_os().any(acts) {
        output::say(error.to_string().trim_end());
        std::process::exit(error.exit_code());
    }
    error.exit()
}

fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Generate(args) => commands::generate::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Align(args) => commands::align::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Merge(args) => commands::merge::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Probe(command) => commands::probe::run(&command),
        Command::Attack(args) => commands::attack::run(&args),
        Command::Utility(args) => commands::utility::run(&args),
        Command::Defence(command) => commands::defence::run(&command),
        Command::Judge(args) => commands::judge::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Records(command) => commands::records::run(&command),
        Command::Data(command) => commands::data::run(&command),
        Command::World(args) => commands::world::run(&args),
        Command::Quickstart(args) => commands::quickstart::run(&args),
        Command::Reproduce(args) => commands::reproduce::run(&args),
        Command::List(args) => commands::list::run(&args),
        Command::Completions(args) => Ok(commands::completions::run(&args)?),
        Command::Man(args) => Ok(commands::man::run(&args)?),
        Command::CarryOut => commands::carry_out::run(run),
    }
}
