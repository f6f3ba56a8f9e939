//! A page on made-up answers to tasks and attacks, to look at: writes it to the path given, or to report.html.

use mosa_attack::{CaseRecord, Reason, Used};
use mosa_eval::{Run, report};
use mosa_records::{SampleRecord, SampleScore, VerdictRecord, View};
use serde_json::{Value, json};

/// What the models are like: their label, the shares they get right (mathematics, knowledge, code), the share of safe
/// prompts they refuse, and the shares at which two attacks work.
type Model = (&'static str, [f64; 3], f64, [f64; 2]);

const MODELS: [Model; 4] = [
    ("original", [0.70, 0.66, 0.33], 0.04, [0.62, 0.48]),
    ("initial", [0.67, 0.68, 0.30], 0.10, [0.31, 0.27]),
    ("MOSA", [0.68, 0.66, 0.31], 0.12, [0.05, 0.04]),
    ("system prompt", [0.63, 0.64, 0.30], 0.27, [0.30, 0.22]),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "report.html".into());
    Ok(std::fs::write(path, report(&runs()).html()?)?)
}

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for (m, (model, shares, refused, attacks)) in MODELS.iter().enumerate() {
        runs.push(task(model, "gsm8k", &samples("gsm8k", m, 1319, 1, shares[0])));
        // Shards of one run; the last model's second half is not there yet.
        let mmlu = samples("mmlu", m, 2000, 1, shares[1]);
        for (i, half) in mmlu.chunks(1000).enumerate().take(if m == 3 { 1 } else { 2 }) {
            let mut run = task(model, "mmlu", half);
            run.name = format!("{}-{}", run.name, i + 1);
            run.manifest["shard"] = json!(format!("{}/2", i + 1));
            runs.push(run);
        }
        runs.push(task(model, "humaneval", &samples("humaneval", m, 164, 8, shares[2])));
        runs.push(task(model, "xstest", &met(m, *refused)));
        runs.push(attack(model, "tap", m, attacks[0]));
        runs.push(attack(model, "ept", m, attacks[1]));
    }
    runs
}

/// A number in 0..1 that is the same for the same place.
fn chance(model: usize, item: usize, attempt: usize, lane: usize) -> f64 {
    // Half of it belongs to the item, so that models agree more than by chance.
    let hash = |x: usize| {
        let x = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((x ^ (x >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let own = hash(1 + lane + 97 * item);
    let rest = hash(7 + lane + 31 * model + 1009 * attempt + 65_537 * item);
    if hash(3 + lane + 13 * item) < 0.75 { own } else { rest }
}

fn task(model: &str, task: &str, samples: &[SampleRecord]) -> Run {
    let adapter = (model != "original").then_some("a1b2c3d4");
    Run {
        name: format!("{model}-{task}"),
        manifest: json!({
            "command": "utility", "label": model, "model": "models/sample", "hashes": {"adapter": adapter},
            "task": task, "protocol": "llada", "metrics": metrics(task), "dtype": "bf16",
        }),
        samples: samples.to_vec(),
        digest: format!("{model} {task}"),
        ..Run::default()
    }
}

fn metrics(task: &str) -> Value {
    match task {
        "gsm8k" => json!(["flexible-extract", "strict-match"]),
        "mmlu" => json!(["acc"]),
        "humaneval" => json!(["pass"]),
        _ => json!(["conduct"]),
    }
}

fn sample(task: &str, index: usize, attempt: usize) -> SampleRecord {
    SampleRecord {
        task: task.into(),
        protocol: "p".into(),
        id: format!("{task}/{index}"),
        attempt,
        index,
        group: None,
        prompt: json!(format!("Question {index}")),
        prefix: String::new(),
        gold: "4".into(),
        answer: "It is 4.".into(),
        choices: Vec::new(),
        scores: Vec::new(),
        finish: "stop".into(),
        forwards: 200 + index % 57,
        defences: Vec::new(),
    }
}

fn samples(task: &str, model: usize, items: usize, attempts: usize, share: f64) -> Vec<SampleRecord> {
    let of = |index: usize, attempt: usize| {
        let p = chance(model, index, attempt, task.len());
        let score = |metric: &str, right: bool, found: bool| SampleScore {
            metric: metric.into(),
            extracted: found.then(|| "4".into()),
            verdict: if right { "right".into() } else { "wrong".into() },
            correct: Some(right),
        };
        let names = metrics(task).as_array().cloned().unwrap_or_default();
        let scores = names.iter().filter_map(Value::as_str).enumerate();
        let mut sample = sample(task, index, attempt);
        sample.scores = scores.map(|(i, name)| score(name, p < share - 0.04 * i as f64, p < 0.96)).collect();
        if task == "mmlu" {
            sample.group =
                Some(["anatomy", "astronomy", "college mathematics", "law", "world religions"][index % 5].into());
        }
        if task == "humaneval" && index % 50 == 7 {
            (sample.scores[0].correct, sample.scores[0].verdict) = (None, "sandbox error".into());
        }
        if p > 0.97 {
            sample.finish = "length".into();
        }
        sample
    };
    (0..items).flat_map(|index| (0..attempts).map(move |attempt| (index, attempt))).map(|(i, a)| of(i, a)).collect()
}

/// 250 safe prompts and 200 contrasts, and how they were met.
fn met(model: usize, refused: f64) -> Vec<SampleRecord> {
    let of = |index: usize| {
        let (safe, p) = (index < 250, chance(model, index, 0, 5));
        let share = if safe { refused } else { 0.75 + 0.5 * refused };
        let verdict = match p / share {
            x if x < 0.7 => "full refusal",
            x if x < 1.0 => "partial refusal",
            _ => "full compliance",
        };
        let mut sample = sample("xstest", index, 0);
        sample.group = Some(if safe { "safe" } else { "contrast" }.into());
        let correct = Some((verdict == "full compliance") == safe);
        sample.scores =
            vec![SampleScore { metric: "conduct".into(), extracted: None, verdict: verdict.into(), correct }];
        sample
    };
    (0..450).map(of).collect()
}

fn attack(model: &str, name: &str, m: usize, share: f64) -> Run {
    let mut run = Run {
        name: format!("{model}-{name}"),
        manifest: json!({"command": format!("attack {name}"), "label": model, "settings": {"profile": "paper"}}),
        digest: format!("{model} {name}"),
        ..Run::default()
    };
    for id in 0..100 {
        let answer = format!("{name}/case-{id}#0");
        run.cases.push(CaseRecord {
            attack: name.into(),
            case: format!("case-{id}"),
            category: None,
            reason: Reason::Exhausted,
            error: None,
            selected: Some(answer.clone()),
            candidates: vec![answer.clone()],
            used: Used { queries: 20, helper_calls: 40, forwards: 5000, proposals: 0 },
            events: Vec::new(),
        });
        run.verdicts.push(VerdictRecord {
            answer,
            view: View::Answer,
            judge: "rubric".into(),
            success: Some(chance(m, id, 0, name.len() + 40) < share),
            status: "ok".into(),
            ..VerdictRecord::default()
        });
    }
    run
}
