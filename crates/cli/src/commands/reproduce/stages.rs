//! The stages of a reproduction: requests to other verbs, as a user could type them, in the order they are done.

use super::recipe::{AlignEntry, JudgeEntry, Recipe, UtilityEntry};
use crate::args::{
    AlignArgs, AttackArgs, Compute, GcgArgs, HelperArgs, ItemArgs, JudgeArgs, JudgingArgs, LandscapeArgs, ModelArgs,
    OrderArgs, PartArgs, PrefillArgs, ProbeArgs, ProbeCommand, ProgramArgs, SamplingArgs, SandboxName, SelectArgs,
    SentenceArgs, SteerArgs, SubjectArgs, TargetArgs, UtilityArgs,
};
use mosa_attack::OF_THE_PAPER;
use std::path::{Path, PathBuf};

/// Judges' replies, by content.
const CACHE: &str = "cache";
/// Settings that are written into the run folder.
pub(super) const HELPERS: &str = "helpers.toml";
/// The two benchmarks of the paper.
pub(super) const BENCHMARKS: [&str; 2] = ["advbench", "harmbench"];
/// Where in the middle the suffix search is to put its phrase.
const MIDDLE: usize = 30;
/// Seconds that programs of answers may take.
const PROGRAM_SECONDS: u64 = 10;

/// A model that is measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arm {
    /// `original`, or what the recipe calls the alignment.
    pub name: String,
    /// Of its alignment.
    pub seed: Option<u64>,
    /// What it is called in tables: the name, and the seed where there are several.
    pub label: String,
    /// What it was trained for.
    pub objective: Option<String>,
}

/// What a stage measures, as far as the page has to know.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Prefill,
    Search,
    Order,
    Steer,
    Landscape,
    Align,
    Attack {
        benchmark: &'static str,
        attack: &'static str,
    },
    Utility {
        task: String,
    },
    /// Verdicts of a further judge, in the folder of another stage.
    Judge,
}

/// A stage: a request, and what its page is about.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Unique; but for judges also the folder, inside the one of the whole.
    pub name: String,
    /// Where its records are.
    pub folder: PathBuf,
    pub arm: Arm,
    pub kind: Kind,
    pub request: Request,
}

/// What is asked of another verb.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Probe(Box<ProbeCommand>),
    Align(Box<AlignArgs>),
    Attack(Box<AttackArgs>),
    Utility(Box<UtilityArgs>),
    Judge(Box<JudgeArgs>),
}

/// Makes the stages of a recipe. Reads and writes nothing.
pub(super) struct Plan<'a> {
    pub recipe: &'a Recipe,
    pub out: &'a Path,
    pub compute: &'a Compute,
    pub retry: bool,
}

impl Plan<'_> {
    /// All of them.
    pub(super) fn stages(&self) -> Vec<Stage> {
        let mut all = Vec::new();
        let arms = self.arms();
        let Some((original, aligned)) = arms.split_first() else { return all };
        for kind in [Kind::Order, Kind::Steer, Kind::Prefill, Kind::Search] {
            self.probe(&mut all, original, kind);
        }
        for arm in aligned {
            all.extend(self.alignment(arm));
            for kind in [Kind::Landscape, Kind::Prefill] {
                self.probe(&mut all, arm, kind);
            }
            if arm.is_mosa() {
                self.probe(&mut all, arm, Kind::Search);
            }
        }
        for arm in &arms {
            for benchmark in BENCHMARKS {
                for attack in OF_THE_PAPER.iter().copied().filter(|a| arm.is_mosa() || !is_adaptive(a)) {
                    self.attack(&mut all, arm, benchmark, attack);
                }
            }
        }
        for arm in &arms {
            all.extend(self.recipe.utility.iter().map(|entry| self.utility(arm, entry)));
        }
        all
    }

    /// The original model, and every alignment with every seed.
    pub(super) fn arms(&self) -> Vec<Arm> {
        let Recipe { align, seeds, .. } = self.recipe;
        let original = Arm { name: "original".into(), seed: None, label: "original".into(), objective: None };
        let of = |entry: &AlignEntry, seed: u64| {
            let several = if seeds.len() > 1 { format!(", seed {seed}") } else { String::new() };
            let label = format!("{}{several}", entry.name);
            Arm { name: entry.name.clone(), seed: Some(seed), label, objective: Some(entry.objective.clone()) }
        };
        let aligned = align.iter().flat_map(|entry| seeds.iter().map(move |seed| of(entry, *seed)));
        std::iter::once(original).chain(aligned).collect()
    }

    /// A file in the run folder.
    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.out.join(name)
    }

    fn adapter(&self, arm: &Arm) -> Option<PathBuf> {
        arm.seed.map(|_| self.path(arm.training()).join("adapter"))
    }

    fn alignment(&self, arm: &Arm) -> Option<Stage> {
        let Recipe { align, data, sizes, model, .. } = self.recipe;
        let entry = align.iter().find(|entry| entry.name == arm.name)?;
        let (name, seed) = (arm.training(), arm.seed?);
        let out = self.path(&name);
        let model = ModelArgs { model: model.clone(), adapter: None };
        let mut request = AlignArgs {
            compute: self.compute.clone(),
            objective: entry.objective.clone(),
            config: Some(entry.config.clone().unwrap_or_else(|| self.path(entry.file()))),
            set: std::iter::once(format!("seed={seed}")).chain(entry.set.iter().cloned()).collect(),
            sentences: self.sentences(),
            ..AlignArgs::new(model, data.sorry_bench.clone(), out.clone())
        };
        request.select.select.sample = Some(sizes.train);
        let request = Request::Align(Box::new(request));
        Some(Stage { name, folder: out, arm: arm.clone(), kind: Kind::Align, request })
    }

    fn sentences(&self) -> SentenceArgs {
        let data = &self.recipe.data;
        SentenceArgs { safe_sentences: data.safe_sentences.clone(), harmful_sentences: data.harmful_sentences.clone() }
    }

    /// A probe of a model, and what further judges say of it.
    fn probe(&self, all: &mut Vec<Stage>, arm: &Arm, kind: Kind) {
        let (name, request) = match kind {
            Kind::Prefill => ("prefill", self.forced(arm)),
            Kind::Search => ("search", self.search(arm)),
            Kind::Order => ("order", self.order(arm)),
            Kind::Steer => ("steer", self.steer(arm)),
            _ => ("landscape", self.landscape(arm)),
        };
        let name = format!("probes/{name}-{}", arm.folder());
        let (folder, judged) = (self.path(&name), kind == Kind::Prefill);
        let request = Request::Probe(Box::new(request));
        all.push(Stage { name, folder, arm: arm.clone(), kind, request });
        if judged {
            self.judged(all);
        }
    }

    fn forced(&self, arm: &Arm) -> ProbeCommand {
        let Recipe { data, sizes, probes, .. } = self.recipe;
        ProbeCommand::Prefill(PrefillArgs {
            offsets: probes.offsets.clone(),
            affirmative: data.affirmative.clone(),
            procedural: data.procedural.clone(),
            judge: self.judging(0),
            sampling: self.sampling(),
            ..PrefillArgs::new(self.probed(arm, "prefill", sizes.prefill))
        })
    }

    fn search(&self, arm: &Arm) -> ProbeCommand {
        let Recipe { sizes, probes, decoding, .. } = self.recipe;
        ProbeCommand::Gcg(GcgArgs {
            offsets: vec![0, MIDDLE.min(decoding.gen_length / 2)],
            iterations: probes.iterations,
            candidates: probes.candidates,
            sampling: self.sampling(),
            ..GcgArgs::new(self.probed(arm, "search", sizes.search))
        })
    }

    fn order(&self, arm: &Arm) -> ProbeCommand {
        let Recipe { data, sizes, probes, .. } = self.recipe;
        let sampling = SamplingArgs {
            gen_length: Some(probes.order_length),
            steps: Some(probes.order_steps),
            confidence_eos_eot_inf: true,
            ..SamplingArgs::default()
        };
        let usual = OrderArgs::new(self.probed(arm, "order", sizes.order));
        ProbeCommand::Order(OrderArgs { benign: Some(data.benign.clone()), sampling, ..usual })
    }

    fn steer(&self, arm: &Arm) -> ProbeCommand {
        let Recipe { data, sizes, probes, .. } = self.recipe;
        let usual = SteerArgs::new(self.probed(arm, "steer", sizes.steer));
        let (positions, phrases) = (probes.steer.clone(), data.procedural.clone());
        ProbeCommand::Steer(SteerArgs { positions, phrases, sampling: self.sampling(), ..usual })
    }

    fn landscape(&self, arm: &Arm) -> ProbeCommand {
        let usual = LandscapeArgs::new(self.probed(arm, "landscape", self.recipe.sizes.landscape));
        ProbeCommand::Landscape(LandscapeArgs { sentences: self.sentences(), sampling: self.sampling(), ..usual })
    }

    fn probed(&self, arm: &Arm, name: &str, n: usize) -> ProbeArgs {
        let out = self.path(format!("probes/{name}-{}", arm.folder()));
        let model = ModelArgs { model: self.recipe.model.clone(), adapter: self.adapter(arm) };
        let mut common = ProbeArgs::new(model, self.recipe.data.advbench.clone(), out);
        common.compute = self.compute.clone();
        common.select.select.sample = Some(n);
        common.batch_size = self.recipe.decoding.batch_size;
        common
    }

    fn sampling(&self) -> SamplingArgs {
        let decoding = &self.recipe.decoding;
        SamplingArgs {
            gen_length: Some(decoding.gen_length),
            steps: decoding.steps,
            block_length: Some(decoding.block_length),
            eos_stop: true,
            ..SamplingArgs::default()
        }
    }

    /// Judging by the judge of this number.
    fn judging(&self, number: usize) -> JudgingArgs {
        let usual = JudgingArgs::default();
        let Some(entry) = self.recipe.judge.get(number) else { return usual };
        let concurrency = entry.endpoint.as_ref().and_then(|e| e.get("max_concurrency")?.as_integer());
        JudgingArgs {
            judge: vec![entry.name.clone()],
            judge_config: Some(self.path(entry.file_name())),
            judge_cache: entry.endpoint.as_ref().map(|_| self.path(CACHE)),
            concurrency: concurrency.and_then(|n| usize::try_from(n).ok()).unwrap_or(usual.concurrency),
            ..usual
        }
    }

    /// Verdicts of all judges but the first on the stage that was made last.
    fn judged(&self, all: &mut Vec<Stage>) {
        let Some(Stage { name, folder, arm, .. }) = all.last().cloned() else { return };
        for (number, entry) in self.recipe.judge.iter().enumerate().skip(1) {
            let request = JudgeArgs {
                run: folder.clone(),
                judging: self.judging(number),
                parts: PartArgs::default(),
                out: None,
                quiet: self.compute.quiet,
            };
            all.push(Stage {
                name: format!("{name}, {}", entry.name),
                folder: folder.clone(),
                arm: arm.clone(),
                kind: Kind::Judge,
                request: Request::Judge(Box::new(request)),
            });
        }
    }

    /// An attack on a model, and what further judges say of it.
    fn attack(&self, all: &mut Vec<Stage>, arm: &Arm, benchmark: &'static str, attack: &'static str) {
        let Recipe { data, sizes, decoding, model, profile, .. } = self.recipe;
        let name = format!("attacks/{}/{benchmark}/{attack}", arm.folder());
        let folder = self.path(&name);
        let request = AttackArgs {
            target: TargetArgs {
                model: Some(model.clone()),
                adapter: self.adapter(arm),
                label: Some(arm.label.clone()),
                batch_size: decoding.batch_size,
                ..TargetArgs::default()
            },
            compute: self.compute.clone(),
            behaviors: Some(if benchmark == "advbench" { data.advbench.clone() } else { data.harmbench.clone() }),
            select: SelectArgs { sample: Some(sizes.attack), ..SelectArgs::default() },
            out: Some(folder.clone()),
            retry: self.retry,
            profile: *profile,
            helpers: HelperArgs { helpers: Some(self.path(HELPERS)), ..HelperArgs::default() },
            judging: self.judging(0),
            sampling: self.sampling(),
            ..AttackArgs::new(attack)
        };
        let (kind, request) = (Kind::Attack { benchmark, attack }, Request::Attack(Box::new(request)));
        all.push(Stage { name, folder, arm: arm.clone(), kind, request });
        self.judged(all);
    }

    fn utility(&self, arm: &Arm, entry: &UtilityEntry) -> Stage {
        let name = format!("utility/{}/{}", arm.folder(), entry.task);
        let folder = self.path(&name);
        let UtilityEntry { task, data, protocol, sample, shots, gen_length } = entry.clone();
        let request = UtilityArgs {
            task: task.clone(),
            shown: None,
            subject: SubjectArgs {
                model: Some(self.recipe.model.clone()),
                adapter: self.adapter(arm),
                label: Some(arm.label.clone()),
                ..SubjectArgs::default()
            },
            defences: crate::args::DefenceArgs::default(),
            compute: self.compute.clone(),
            items: ItemArgs {
                data: Some(data),
                protocol,
                shots,
                shots_file: None,
                groups: None,
                limit: None,
                sample,
                repeats: 1,
            },
            out: Some(folder.clone()),
            parts: PartArgs::default(),
            retry: self.retry,
            programs: ProgramArgs { sandbox: SandboxName::Auto, program_seconds: PROGRAM_SECONDS },
            sampling: SamplingArgs { gen_length, block_length: gen_length, ..SamplingArgs::default() },
        };
        let request = Request::Utility(Box::new(request));
        Stage { name, folder, arm: arm.clone(), kind: Kind::Utility { task }, request }
    }
}

impl Arm {
    /// Its part of the names of folders.
    fn folder(&self) -> String {
        self.seed.map_or_else(|| self.name.clone(), |seed| format!("{}-seed{seed}", self.name))
    }

    /// The folder of its alignment.
    fn training(&self) -> String {
        format!("align/{}", self.folder())
    }

    /// Whether it is what the adaptive attacks and the second suffix search are about.
    pub(super) fn is_mosa(&self) -> bool {
        self.objective.as_deref() == Some("mosa")
    }
}

impl AlignEntry {
    /// Where its settings are in the run folder, if they come with mosa.
    pub(super) fn file(&self) -> String {
        format!("align-{}.toml", self.name)
    }
}

impl JudgeEntry {
    /// Where its settings are in the run folder.
    pub(super) fn file_name(&self) -> String {
        format!("judge-{}.toml", self.name)
    }
}

/// Whether an attack is one of those aimed at the middle of the answer.
pub(super) fn is_adaptive(attack: &str) -> bool {
    attack.ends_with("-adaptive")
}

impl Request {
    /// The request as a command line, as far as verbs can say theirs; where it is computed is not said.
    pub(super) fn said(&self) -> serde_json::Result<String> {
        Ok(match self {
            Self::Probe(args) => args.line()?.quoted(),
            Self::Align(args) => args.line()?.quoted(),
            Self::Attack(args) => args.line()?.quoted(),
            Self::Utility(args) => {
                let out = args.out.as_deref().unwrap_or(Path::new("")).display();
                format!("mosa utility {} --out {out} ...", args.task)
            }
            Self::Judge(args) => {
                format!("mosa judge {} --judge {} ...", args.run.display(), args.judging.judge.join(","))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;
    use std::collections::BTreeSet;

    fn recipe(line: &str) -> Recipe {
        match Args::try_parse_from(line.split(' ')).map(|args| args.command) {
            Ok(Command::Reproduce(args)) => Recipe::read(&args).unwrap_or_else(|error| panic!("{error:#}")),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn stages(recipe: &Recipe) -> Vec<Stage> {
        let (out, compute) = (Path::new("rp"), Compute::default());
        Plan { recipe, out, compute: &compute, retry: false }.stages()
    }

    #[test]
    fn every_stage_of_the_recipe_that_comes_with_mosa_has_a_name_of_its_own_and_a_line_that_can_be_typed() {
        let all = stages(&recipe("mosa reproduce"));
        let names: BTreeSet<&str> = all.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        // Attacks: 8 on each of three models and 3 more on MOSA, on two benchmarks.
        let count = |which: &dyn Fn(&Kind) -> bool| all.iter().filter(|stage| which(&stage.kind)).count();
        assert_eq!(count(&|kind| matches!(kind, Kind::Attack { .. })), 2 * (3 * 8 + 3));
        assert_eq!(count(&|kind| matches!(kind, Kind::Utility { .. })), 9);
        // The second judge judges every attack, and words forced into three models.
        assert_eq!(count(&|kind| *kind == Kind::Judge), 2 * (3 * 8 + 3) + 3);
        for stage in all.iter().filter(|stage| !matches!(stage.kind, Kind::Utility { .. } | Kind::Judge)) {
            let line = stage.request.said().unwrap_or_else(|error| panic!("{error}"));
            Args::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn every_seed_is_a_model_and_every_alignment_is_measured() {
        let more = "--set seeds=[0,1] --set align=[{name=\"mosa\",objective=\"mosa\"},{name=\"b\",objective=\"mosa\"}]";
        let recipe = recipe(&format!("mosa reproduce {more}"));
        let all = stages(&recipe);
        let labels: BTreeSet<&str> = all.iter().map(|stage| stage.arm.label.as_str()).collect();
        assert_eq!(labels, BTreeSet::from(["original", "mosa, seed 0", "mosa, seed 1", "b, seed 0", "b, seed 1"]));
        assert!(all.iter().any(|stage| stage.name == "attacks/b-seed1/harmbench/ept-adaptive"));
    }

    #[test]
    fn a_manifest_has_what_changes_a_number_and_no_word_of_how_endpoints_are_reached() {
        let judge = "{name=\"rubric\",endpoint={base=\"http://a/v1\",model=\"m\",api_key_env=\"KEY\",retries=3}}";
        let recipe = recipe(&format!("mosa reproduce --set judge=[{judge}]"));
        let said = recipe.said().unwrap_or_else(|error| panic!("{error}"));
        let endpoint = said["judge"][0]["endpoint"].as_object().map(|e| e.keys().cloned().collect::<Vec<_>>());
        assert_eq!(endpoint, Some(vec!["base".to_owned(), "model".to_owned()]));
        let again = Recipe::from_manifest(&said).unwrap_or_else(|error| panic!("{error}"));
        let names = |recipe: &Recipe| stages(recipe).into_iter().map(|stage| stage.name).collect::<Vec<_>>();
        assert_eq!(names(&again), names(&recipe));
    }
}
