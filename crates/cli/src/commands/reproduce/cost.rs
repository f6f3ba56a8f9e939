//! What a reproduction will cost: queries, helper and judge calls, forward passes, tokens, hours on a card that was measured.
//! Bounds, not guesses: attacks are taken to run to their ends, and answers to their greatest length.

use super::needs::Found;
use super::rate::Rate;
use super::recipe::Recipe;
use super::stages::{Kind, Plan, Request, Stage};
use crate::output;
use crate::table::header;
use anyhow::{Result, anyhow};
use mosa_align::AlignConfig;
use mosa_attack::attack;
use mosa_client::Price;
use mosa_task::{Ask, Estimate, Task};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// An alignment step of 4 prompts of 192 positions took 0.182 s on the card of [`Rate::of_card`] (case "speed, align, batch 4"): so many
/// forward passes is a prompt worth.
const PASSES_OF_A_PROMPT: f64 = 0.182 / 4.0 * 160.8;
/// A gradient of the suffix search beside a forward pass.
const PASSES_OF_A_GRADIENT: f64 = 3.0;
/// Tokens of a request of a benchmark with its template, of one that an attack wrote, and of a suffix.
const PLAIN: f64 = 64.0;
const WRITTEN: f64 = 256.0;
const SUFFIX: f64 = 20.0;
/// Characters of a token, where prompts are read but no tokenizer is.
const CHARACTERS: f64 = 4.0;
/// Tokens of a call of a helper and of a judge: prompt and reply. The judge's holds the request, the answer and a rubric.
const HELPER: [f64; 2] = [700.0, 250.0];
const JUDGE: [f64; 2] = [900.0, 200.0];
/// Tasks whose data is missing: items, tokens of a prompt with its shots, forward passes of an item, positions of its answer.
const KNOWN_TASKS: [(&str, [f64; 4]); 3] = [
    ("gsm8k", [1319.0, 800.0, 512.0, 512.0]),
    ("mmlu", [14042.0, 700.0, 3.0, 3.0]),
    ("humaneval", [164.0, 200.0, 512.0, 512.0]),
];
/// Seconds until a model is loaded, once a stage: 16 GB at 0.5 GB a second, per weight.
const LOADING: f64 = 32.0 / LLADA;
/// Weights of LLaDA-8B.
const LLADA: f64 = 8.02e9;

/// What something costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// Answers and scores of the model.
    pub queries: f64,
    /// Rows that pass the model.
    pub forwards: f64,
    /// Positions of all of them.
    pub positions: f64,
    pub helper_calls: f64,
    /// By all judges.
    pub judge_calls: f64,
    /// Times that the model is loaded.
    pub loads: f64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.queries += other.queries;
        self.forwards += other.forwards;
        self.positions += other.positions;
        self.helper_calls += other.helper_calls;
        self.judge_calls += other.judge_calls;
        self.loads += other.loads;
    }
}

impl Cost {
    /// `n` answers in `steps` passes each over a prompt and its response.
    fn answers(n: f64, steps: f64, canvas: f64) -> Self {
        Self { queries: n, forwards: n * steps, positions: n * steps * canvas, loads: 1.0, ..Self::default() }
    }

    /// `n` more passes.
    fn and_passes(self, n: f64, canvas: f64) -> Self {
        Self { forwards: self.forwards + n, positions: self.positions + n * canvas, ..self }
    }

    /// Hours on a machine, for a model of so many weights.
    pub(super) fn hours(&self, rate: &Rate, weights: f64) -> f64 {
        let passing = self.positions / rate.positions * (weights / rate.weights);
        (passing + self.loads * LOADING * weights) / 3600.0
    }

    /// Tokens of helpers and judges together.
    pub(super) fn tokens(&self) -> f64 {
        self.helper_calls * HELPER.iter().sum::<f64>() + self.judge_calls * JUDGE.iter().sum::<f64>()
    }
}

/// The costs of a plan.
pub(super) struct Costs<'a> {
    pub plan: &'a Plan<'a>,
    pub found: &'a Found,
    /// Of whom hours are told.
    pub rate: &'a Rate,
}

impl Costs<'_> {
    /// Stages of one kind together, in the order of their first.
    pub(super) fn by_kind(&self, stages: &[Stage]) -> Result<Vec<(&'static str, Cost)>> {
        let mut all: Vec<(&'static str, Cost)> = Vec::new();
        for stage in stages {
            let (kind, cost) = (group(stage), self.of(stage)?);
            match all.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, sum)) => *sum += cost,
                None => all.push((kind, cost)),
            }
        }
        Ok(all)
    }

    /// What a stage costs at most.
    fn of(&self, stage: &Stage) -> Result<Cost> {
        let Recipe { sizes, probes, decoding, align, profile, .. } = self.plan.recipe;
        let (length, judges) = (decoding.gen_length as f64, self.judges());
        let steps = decoding.steps.unwrap_or(decoding.gen_length) as f64;
        Ok(match &stage.kind {
            Kind::Prefill => {
                let n = (sizes.prefill * probes.offsets.len()) as f64;
                // Judged with the forced words and without.
                Cost { judge_calls: 2.0 * n * judges, ..Cost::answers(n, steps, PLAIN + length) }
            }
            Kind::Search => {
                let (n, canvas) = (2.0 * sizes.search as f64, PLAIN + SUFFIX + length);
                let passes = probes.iterations as f64 * (probes.candidates as f64 + PASSES_OF_A_GRADIENT);
                Cost::answers(n, steps, canvas).and_passes(n * passes, canvas)
            }
            Kind::Order => {
                let canvas = PLAIN + probes.order_length as f64;
                Cost::answers(2.0 * sizes.order as f64, probes.order_steps as f64, canvas)
            }
            Kind::Steer => Cost::answers((sizes.steer * probes.steer.len()) as f64, steps, PLAIN + length),
            // With and without the adapter.
            Kind::Landscape => Cost::answers(2.0 * sizes.landscape as f64, steps + 1.0, PLAIN + length),
            Kind::Align => {
                let entry = align.iter().find(|entry| entry.name == stage.arm.name);
                let config = entry.map(super::config_of).transpose()?.unwrap_or_default();
                alignment(&config, sizes.train)
            }
            Kind::Attack { attack: name, .. } => {
                let cost = self.attack(name, *profile)?;
                let n = sizes.attack as f64;
                let of_all = Cost { loads: 1.0, ..scaled(cost, n) };
                Cost { judge_calls: of_all.judge_calls * judges, ..of_all }
            }
            Kind::Utility { task } => self.utility(task, stage),
            Kind::Judge => Cost::default(),
        })
    }

    /// Judges that ask an endpoint.
    fn judges(&self) -> f64 {
        self.plan.recipe.judge.iter().filter(|judge| judge.endpoint.is_some()).count() as f64
    }

    /// An attack on one behaviour, by its own bounds. Every answer it finds may be judged.
    fn attack(&self, name: &str, profile: crate::args::ProfileName) -> Result<Cost> {
        let decoding = &self.plan.recipe.decoding;
        let steps = decoding.steps.unwrap_or(decoding.gen_length) as f64;
        let attack = attack(name, super::profile(profile), false, &Map::new()).map_err(|what| anyhow!(what))?;
        let (bound, settings) = (attack.cost(), attack.settings());
        let queries = bound.queries as f64;
        let answers = answers(&settings).unwrap_or(queries).min(queries);
        let canvas = WRITTEN + decoding.gen_length as f64;
        // Where suffixes are proposed by gradients of the model itself, it is asked for those too.
        let number = |key: &str| settings[key].as_f64().unwrap_or(0.0);
        let proposed = match settings.get("answer_every") {
            Some(_) => number("max_steps") * (number("candidates") + PASSES_OF_A_GRADIENT),
            None => 0.0,
        };
        let cost = Cost::answers(answers, steps, canvas).and_passes(queries - answers + proposed, canvas);
        Ok(Cost { queries, helper_calls: bound.helper_calls as f64, judge_calls: answers, ..cost })
    }

    fn utility(&self, name: &str, stage: &Stage) -> Cost {
        let known = KNOWN_TASKS.iter().find(|(task, _)| *task == name).map_or([1000.0, 500.0, 256.0, 256.0], |t| t.1);
        let [mut items, mut prompt, mut steps, mut length] = known;
        if let Some(task) = self.found.tasks.get(name) {
            (items, prompt) = (task.items().len() as f64, mean_prompt(task.as_ref()));
            (steps, length) = passes(task.as_ref());
        }
        if let Request::Utility(args) = &stage.request
            && let Some(longer) = args.sampling.gen_length
            && steps > 1.0
        {
            (steps, length) = (longer as f64, longer as f64);
        }
        Cost::answers(items, steps, prompt + length)
    }
}

/// Answers of the target among the queries of an attack that asks for scores as well, at most; none where all are answers.
fn answers(settings: &Value) -> Option<f64> {
    let number = |key: &str| settings[key].as_f64();
    if let (Some(steps), Some(every)) = (number("max_steps"), number("answer_every")) {
        return Some((steps / every.max(1.0)).ceil() + 1.0);
    }
    Some(number("keep")? * number("samples")? + number("selected")?)
}

fn scaled(cost: Cost, n: f64) -> Cost {
    let Cost { queries, forwards, positions, helper_calls, judge_calls, loads } = cost;
    Cost {
        queries: n * queries,
        forwards: n * forwards,
        positions: n * positions,
        helper_calls: n * helper_calls,
        judge_calls: n * judge_calls,
        loads,
    }
}

fn alignment(config: &AlignConfig, prompts: usize) -> Cost {
    let n = (config.total_steps(prompts) * config.batch_size) as f64;
    Cost { queries: 0.0, ..Cost::answers(n, PASSES_OF_A_PROMPT, PLAIN + config.canvas_length as f64) }
}

/// Mean tokens of a task's prompts, by their characters.
fn mean_prompt(task: &dyn Task) -> f64 {
    let items = task.items();
    let total: usize = items.iter().map(|item| item.question.prompt.words().len()).sum();
    PLAIN + total as f64 / CHARACTERS / items.len().max(1) as f64
}

/// Passes of an item, and positions of its answer.
fn passes(task: &dyn Task) -> (f64, f64) {
    match task.ask() {
        Ask::Generate(how) => (how.steps.unwrap_or(how.gen_length) as f64, how.gen_length as f64),
        Ask::Choose(how) => match how.estimate {
            Estimate::MeanField | Estimate::Chain => (1.0, 8.0),
            Estimate::Elbo(draws) => (4.0 * draws as f64, 8.0),
        },
    }
}

/// What a stage is summed up under.
fn group(stage: &Stage) -> &'static str {
    match &stage.kind {
        Kind::Prefill => "words forced into the answer (Fig. 3)",
        Kind::Search => "suffix search (Fig. 4)",
        Kind::Steer => "ordering a place in the prompt (Fig. 4)",
        Kind::Order => "order of writing (Fig. 5)",
        Kind::Landscape => "where sentences fit",
        Kind::Align => "alignments (Fig. 7)",
        Kind::Attack { attack, .. } if super::stages::is_adaptive(attack) => "adaptive attacks (Tab. 4)",
        Kind::Attack { .. } => "attacks (Tab. 1, 2)",
        Kind::Utility { .. } => "tasks (Tab. 3)",
        Kind::Judge => "further judges",
    }
}

/// A count with one letter for its size.
pub(super) fn short(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.1}G", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// Hours, in minutes or days where that reads better.
pub(super) fn time(hours: f64) -> String {
    match hours {
        h if h < 1.0 / 60.0 => "under a minute".into(),
        h if h < 1.0 => format!("{:.0} min", 60.0 * h),
        h if h < 96.0 => format!("{h:.1} h"),
        h => format!("{:.0} days", h / 24.0),
    }
}

/// The costs as a table, and the lines below it.
pub(super) fn told(costs: &Costs<'_>, stages: &[Stage]) -> Result<String> {
    let weights = costs.found.parameters.map_or(LLADA, |n| n as f64);
    let by_kind = costs.by_kind(stages)?;
    let mut total = Cost::default();
    by_kind.iter().for_each(|(_, cost)| total += *cost);
    let row = |name: &str, cost: &Cost| {
        vec![
            name.to_owned(),
            short(cost.queries),
            short(cost.forwards),
            short(cost.helper_calls),
            short(cost.judge_calls),
            short(cost.tokens()),
            time(cost.hours(costs.rate, weights)),
        ]
    };
    let names =
        ["at most", "queries", "forward passes", "helper calls", "judge calls", "their tokens", &costs.rate.machine];
    let mut rows = vec![header(&names)];
    rows.extend(by_kind.iter().filter(|(_, cost)| *cost != Cost::default()).map(|(name, cost)| row(name, cost)));
    rows.push(row("in all", &total));
    let mut text = output::table(&rows);
    text.push_str(&format!("\n\n{}", assumptions(costs, &total, weights)));
    Ok(text)
}

fn assumptions(costs: &Costs<'_>, total: &Cost, weights: f64) -> String {
    let known = if costs.found.parameters.is_some() { "" } else { " (the model is not here; taken to be LLaDA-8B)" };
    let mut lines = vec![
        "Bounds: attacks end sooner where they succeed, and answers where they end; in the smoke profiles over whole benchmarks \
         (BENCHMARKS.md) attacks took between a sixth and all of theirs."
            .to_owned(),
        format!(
            "Hours: {:.0} positions a second of a model of {:.2} billion weights ({}), in proportion for {:.3} billion{known}; a pass \
             is one row over its prompt ({PLAIN:.0} tokens of a benchmark's, {WRITTEN:.0} of an attack's) and its whole response; \
             without a cache, and {:.0} s to load 8 billion weights in each stage.",
            costs.rate.positions,
            costs.rate.weights / 1e9,
            costs.rate.source,
            weights / 1e9,
            LOADING * LLADA
        ),
        format!(
            "Tokens: {:.0} and {:.0} of prompt and reply for a helper's call, {:.0} and {:.0} for a judge's.",
            HELPER[0], HELPER[1], JUDGE[0], JUDGE[1]
        ),
        "Memory: an alignment of LLaDA-8B held 24.6 GB of the card, decoding 17 to 19 GB (the same file).".to_owned(),
    ];
    lines.extend(price(costs.plan.recipe, total));
    if costs.found.device == Some(tch::Device::Cpu) && !costs.found.is_measured {
        let cpu = Rate::of_cpu();
        let hours = time(total.hours(&cpu, weights));
        lines.push(format!("On this machine's CPU, if it is as fast as {}: {hours} ({}).", cpu.machine, cpu.source));
    }
    lines.join("\n")
}

/// What the endpoints ask for it, where the recipe says their prices.
fn price(recipe: &Recipe, total: &Cost) -> Option<String> {
    let mut prices: BTreeMap<&str, Vec<Price>> = BTreeMap::new();
    for (role, settings) in recipe.endpoints() {
        let kind = if role.starts_with("judge") { "judge" } else { "helper" };
        prices.entry(kind).or_default().extend(settings.ok().map(|s| s.price));
    }
    let mean = |kind: &str, at: &dyn Fn(&Price) -> f64| {
        let all = prices.get(kind)?;
        Some(all.iter().map(at).sum::<f64>() / all.len().max(1) as f64)
    };
    let of = |kind: &str, calls: f64, [prompt, reply]: [f64; 2]| {
        let asked =
            mean(kind, &|p| p.prompt_per_million)? * prompt + mean(kind, &|p| p.completion_per_million)? * reply;
        Some(calls * asked / 1e6)
    };
    let helpers = of("helper", total.helper_calls, HELPER).unwrap_or(0.0);
    let judges = of("judge", total.judge_calls, JUDGE).unwrap_or(0.0);
    let all = helpers + judges;
    (all > 0.0)
        .then(|| format!("Money, at the prices of the recipe: {helpers:.2} for helpers, {judges:.2} for judges."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hours_grow_with_positions_and_weights() {
        let rate = Rate::of_card();
        // So many passes of 192 positions as the card makes in an hour.
        let cost = Cost { positions: 160.8 * 192.0 * 3600.0, ..Cost::default() };
        assert!((cost.hours(&rate, LLADA) - 1.0).abs() < 1e-9);
        assert!((cost.hours(&rate, 2.0 * LLADA) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn of_attacks_that_score_only_a_part_of_the_queries_are_answers() {
        assert_eq!(answers(&json!({"max_steps": 200, "answer_every": 10, "candidates": 64})), Some(21.0));
        assert_eq!(answers(&json!({"keep": 16, "samples": 5, "selected": 2})), Some(82.0));
        assert_eq!(answers(&json!({"width": 10})), None);
        for name in mosa_attack::OF_THE_PAPER.iter() {
            let attack =
                attack(name, mosa_attack::Profile::Standard, false, &Map::new()).unwrap_or_else(|e| panic!("{e}"));
            let scores = name.starts_with("pal") || name.starts_with("adv-prefix");
            assert_eq!(answers(&attack.settings()).is_some(), scores, "{name}");
        }
    }

    #[test]
    fn counts_and_times_are_short() {
        let counts = [999.0, 12_345.0, 1.2e6, 3.4e9].map(short);
        assert_eq!(counts, ["999", "12k", "1.2M", "3.4G"]);
        assert_eq!([0.001, 0.5, 3.25, 240.0].map(time), ["under a minute", "30 min", "3.2 h", "10 days"]);
    }
}
