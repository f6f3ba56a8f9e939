//! That every flag of earlier versions still means what it meant, and that requests made in code are those that are typed.

use super::{
    AlignArgs, Args, AttackArgs, Command, GcgArgs, LandscapeArgs, ModelArgs, OrderArgs, PrefillArgs, ProbeArgs,
    ProbeCommand, SteerArgs, WorldCommand, WorldMeasureArgs,
};
use clap::Parser;
use std::path::PathBuf;

fn parsed(line: &str) -> Command {
    let parsed = Args::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
    parsed.command
}

#[test]
fn every_earlier_spelling_is_the_flag_of_today() {
    for (earlier, today) in [
        ("mosa align --model m --data f --out o", "mosa align --model m --prompts f --out o"),
        ("mosa align --model m --behaviors f --out o", "mosa align --model m --prompts f --out o"),
        ("mosa generate --model m --data f", "mosa generate --model m --prompts f"),
        ("mosa generate --model m --behaviors f", "mosa generate --model m --prompts f"),
        ("mosa attack tap --model m --behaviors f --out o", "mosa attack tap --model m --prompts f --out o"),
        ("mosa attack tap --model m --data f --out o", "mosa attack tap --model m --prompts f --out o"),
        ("mosa probe prefill --model m --behaviors f --out o", "mosa probe prefill --model m --prompts f --out o"),
        ("mosa probe gcg --model m --behaviors f --out o", "mosa probe gcg --model m --prompts f --out o"),
        ("mosa probe order --model m --behaviors f --out o", "mosa probe order --model m --prompts f --out o"),
        ("mosa probe steer --model m --behaviors f --out o", "mosa probe steer --model m --prompts f --out o"),
        ("mosa probe landscape --model m --data f --out o", "mosa probe landscape --model m --prompts f --out o"),
        ("mosa bench generate --model m --prompt-len 9", "mosa bench generate --model m --prompt-length 9"),
        ("mosa bench align --model m --prompt-len 9", "mosa bench align --model m --prompt-length 9"),
        ("mosa bench gcg --model m --rows-per-pass 3", "mosa bench gcg --model m --batch-size 3"),
        (
            "mosa bench gcg --model m --prompt-len 9 --suffix-len 3 --target-len 2",
            "mosa bench gcg --model m --prompt-length 9 --suffix-length 3 --target-length 2",
        ),
        ("mosa world measure --model m --out o --n 3", "mosa world measure --model m --out o --sample 3"),
        ("mosa quickstart --n 3", "mosa quickstart --sample 3"),
    ] {
        assert_eq!(format!("{:?}", parsed(earlier)), format!("{:?}", parsed(today)), "{earlier}");
    }
}

#[test]
fn an_earlier_spelling_is_not_in_the_help() {
    let command = super::command();
    let shown = |verb: &clap::Command| verb.clone().render_long_help().to_string();
    let verbs = command.get_subcommands().flat_map(|verb| std::iter::once(verb).chain(verb.get_subcommands()));
    for verb in verbs {
        let help = shown(verb);
        // A task's benchmark is a folder of files, which `utility` calls its data; a fit is made of files by role.
        let data = if ["utility", "fit"].contains(&verb.get_name()) { "--data-file" } else { "--data " };
        for earlier in ["--behaviors", data, "--rows-per-pass", "-len ", "--n "] {
            assert!(!help.contains(earlier), "{earlier} in {help}");
        }
    }
}

#[test]
fn a_seed_is_the_setting_seed() {
    let Command::Align(args) = parsed("mosa align --model m --prompts f --out o --set lr=1e-3 --seed 7") else {
        panic!("is not align")
    };
    assert_eq!(args.settings(), ["lr=1e-3", "seed=7"]);
    let Command::World(args) = parsed("mosa world train --out o --seed 7") else { panic!("is not world") };
    let WorldCommand::Train(args) = args.what else { panic!("is not train") };
    assert_eq!(args.settings(), ["seed=7"]);
}

#[test]
fn a_request_made_in_code_is_the_one_that_is_typed_without_flags() {
    let model = || ModelArgs { model: "m".into(), adapter: None };
    let (file, out) = (|| PathBuf::from("f"), || PathBuf::from("o"));
    let common = || ProbeArgs::new(model(), file(), out());
    let Command::Align(align) = parsed("mosa align --model m --prompts f --out o") else { panic!("is not align") };
    assert_eq!(*align, AlignArgs::new(model(), file(), out()));
    let Command::Attack(attack) = parsed("mosa attack tap") else { panic!("is not attack") };
    assert_eq!(*attack, AttackArgs::new("tap"));
    let Command::World(world) = parsed("mosa world measure --model m --out o") else { panic!("is not world") };
    let WorldCommand::Measure(measure) = world.what else { panic!("is not measure") };
    assert_eq!(*measure, WorldMeasureArgs::new(model(), out()));
    for (name, request) in [
        ("prefill", ProbeCommand::Prefill(PrefillArgs::new(common()))),
        ("gcg", ProbeCommand::Gcg(GcgArgs::new(common()))),
        ("order", ProbeCommand::Order(OrderArgs::new(common()))),
        ("steer", ProbeCommand::Steer(SteerArgs::new(common()))),
        ("landscape", ProbeCommand::Landscape(LandscapeArgs::new(common()))),
    ] {
        let Command::Probe(typed) = parsed(&format!("mosa probe {name} --model m --prompts f --out o")) else {
            panic!("is not a probe")
        };
        assert_eq!(*typed, request, "{name}");
    }
}

#[test]
fn a_request_is_said_as_the_command_line_that_asks_for_it() {
    for line in [
        "mosa probe steer --model m --prompts f --limit 3 --raw --out o --positions 3,9 --template {phrase} --cache dual",
        "mosa probe landscape --model m --adapter a --prompts f --subsets copyright --out o --width 5 --sampler timesteps",
        "mosa probe gcg --model m --prompts f --out o --ascii-only --remasking left_to_right --temperature 0.5 --seed 3",
        "mosa align --model m --objective sft --prompts f --pairing repair --out o --set a=1 --set b=2 --seed 3 --json",
        "mosa attack tap --model m --prompts f --styles a,b --profile smoke --helper world --cases 2 --judge exact,rubric",
        "mosa attack pad --model m --defence diffuguard:alpha=0.1,remask=0.5 --defence self-reminder --out o",
        "mosa attack aos --endpoint u --target-model n --alg topk_margin --batching padded --retry --eos-stop",
    ] {
        let request = parsed(line);
        let said = match &request {
            Command::Align(args) => args.line(),
            Command::Attack(args) => args.line(),
            Command::Probe(command) => command.line(),
            other => panic!("{other:?} is not said"),
        };
        let said = said.unwrap_or_else(|error| panic!("{line}: {error}"));
        let again = Args::try_parse_from(said.words()).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(format!("{:?}", again.command), format!("{request:?}"), "{}", said.quoted());
        assert_eq!(said.words().len(), line.split(' ').count(), "{}", said.quoted());
    }
}
