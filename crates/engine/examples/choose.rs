//! Questions with four choices, scored by likelihood: one pass a question beside one a choice, and questions that share
//! passes.
//!
//! `cargo run --release --example choose -- CONFIG.json [QUESTIONS FROM TO [BUDGET...]] [--rounds N]` makes random
//! weights of a shape and questions of FROM to TO tokens, and prints for every way the seconds (the median of the
//! rounds, the ways in turn), how often it is as fast as question by question, and how far its scores are from those.

use mosa_core::{Rng, Stream};
use mosa_engine::{Batching, Estimator, Question, Weighed, choose};
use mosa_model::{
    Adapted, DenoisingModel, DeviceChoice, ModelConfig, Transformer, forward_time, set_threads, tune_allocator,
};
use std::path::Path;
use std::time::Instant;
use tch::Kind;

/// What is compared.
struct Way {
    name: String,
    batching: Batching,
    /// Whether every choice is a question of its own.
    apart: bool,
    seconds: Vec<f64>,
    passes: u64,
    outside: f64,
}

impl Way {
    fn new(name: impl Into<String>, batching: Batching, apart: bool) -> Self {
        Self { name: name.into(), batching, apart, seconds: Vec::new(), passes: 0, outside: 0.0 }
    }

    /// ln p of every choice of every question.
    fn run(
        &mut self,
        model: &Transformer,
        questions: &[Question],
    ) -> Result<Vec<Vec<f64>>, Box<dyn std::error::Error>> {
        let asked: Vec<Question> =
            if self.apart { questions.iter().flat_map(each_choice).collect() } else { questions.to_vec() };
        let (start, before) = (Instant::now(), forward_time());
        let found: Result<Vec<Option<Weighed>>, _> =
            choose(Adapted::plain(model), self.batching, &asked, &|| false).into_iter().collect();
        let (seconds, after) = (start.elapsed().as_secs_f64(), forward_time());
        self.passes = after.passes - before.passes;
        self.outside = 1.0 - (after.spent - before.spent).as_secs_f64() / seconds;
        self.seconds.push(seconds);
        let flat: Vec<f64> = found?.into_iter().flatten().flat_map(|w| w.log_p).collect();
        Ok(flat.chunks(4).map(<[f64]>::to_vec).collect())
    }

    fn median(&self) -> f64 {
        let mut all = self.seconds.clone();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    }
}

fn each_choice(question: &Question) -> Vec<Question> {
    question.choices.iter().map(|choice| Question { choices: vec![choice.clone()], ..question.clone() }).collect()
}

fn questions(model: &Transformer, count: usize, lengths: [usize; 2]) -> Vec<Question> {
    let question = |i: usize| {
        let mut rng = Rng::at(7, Stream::Bench, 0, i as u64);
        let length = lengths[0] + rng.below(lengths[1] - lengths[0] + 1);
        let below = model.spec().mask.min(1000) as usize;
        let prompt = (0..length).map(|_| rng.below(below) as u32).collect();
        Question {
            id: i.to_string(),
            prompt,
            choices: (10..14).map(|token| vec![token]).collect(),
            estimator: Estimator::MeanField,
        }
    };
    (0..count).map(question).collect()
}

/// Choices from the likeliest to the least likely one.
fn ranking(log_p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..log_p.len()).collect();
    order.sort_by(|&a, &b| log_p[b].total_cmp(&log_p[a]));
    order
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let rounds = match args.iter().position(|a| a == "--rounds") {
        Some(at) => args.drain(at..).nth(1).ok_or("--rounds needs a number")?.parse()?,
        None => 3,
    };
    let mut args = args.into_iter();
    let config = args.next().ok_or("CONFIG.json is missing")?;
    let numbers: Vec<usize> = args.map(|a| a.parse()).collect::<Result<_, _>>()?;
    let [count, from, to] = [(0, 32), (1, 60), (2, 250)].map(|(i, default)| numbers.get(i).copied().unwrap_or(default));
    let device = DeviceChoice::Cpu.resolve()?;
    tune_allocator();
    set_threads(tch::get_num_threads());
    let model = Transformer::random(&ModelConfig::read(Path::new(&config))?, 3, Kind::Float, device)?;
    let questions = questions(&model, count, [from, to]);
    let mut ways = vec![Way::new("alone", Batching::Rows, false), Way::new("choice by choice", Batching::Rows, true)];
    let budgets = if numbers.len() > 3 { &numbers[3..] } else { &[1024, 2048, 4096][..] };
    ways.extend(budgets.iter().map(|&tokens| Way::new(format!("shared {tokens}"), Batching::Shared { tokens }, false)));
    let scores = ways.iter_mut().map(|way| way.run(&model, &questions)).collect::<Result<Vec<_>, _>>()?;
    ways.iter_mut().for_each(|way| way.seconds.clear());
    for _ in 0..rounds {
        for way in &mut ways {
            way.run(&model, &questions)?;
        }
    }
    for (way, found) in ways.iter().zip(&scores) {
        let pairs = || found.iter().zip(&scores[0]);
        let apart = pairs().flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let same = pairs().filter(|(a, b)| ranking(a) == ranking(b)).count();
        // An example talks on stdout.
        #[allow(clippy::print_stdout)]
        {
            println!(
                "{:17} {:8.3} s  {:5.2} x  {:5} passes  {:4.1}% outside  {same} of {count} rankings  {apart:.1e} apart",
                way.name,
                way.median(),
                ways[0].median() / way.median(),
                way.passes,
                1e2 * way.outside,
            );
        }
    }
    Ok(())
}
