//! Counter-based random streams: a draw depends on (seed, stream, step, sample) and on nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a draw is for. Streams never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Gumbel noise of token sampling; lane = canvas position.
    Gumbel = 1,
    /// Scores of random remasking; lane = canvas position.
    Remask = 2,
    /// Independent reveals and noisy ranking of the Dream sampler; lane = canvas position.
    Reveal = 3,
    /// Mask ratios and orders of Monte Carlo likelihoods; step = draw.
    Likelihood = 4,
    /// Initial adapter weights; sample = module number.
    LoraInit = 5,
    /// Order of the training examples; step = epoch.
    DataOrder = 6,
    /// The pair of sentences of a training step.
    Sentences = 7,
    /// Random weights and prompts of benchmarks; sample = tensor number.
    Bench = 8,
    /// Facts of the embedded world; sample = hash of what the fact is about.
    World = 9,
    /// Documents of the embedded world's corpus; step = index of the document.
    Corpus = 10,
    /// Questions of the embedded world's tasks; step = index of the question, sample = hash of the task's name.
    Tasks = 11,
    /// First weights of a model trained from nothing; sample = hash of the tensor's name.
    ModelInit = 20,
    /// Which tokens of a training canvas are masked or revealed; step = optimiser step, sample = example of the step.
    Canvas = 21,
    /// Order of the retain prompts; step = epoch.
    RetainOrder = 22,
    /// Samples of a prompt file; step = hash of the stratum, sample = hash of the record's id.
    Sample = 23,
    /// Phrases that a probe forces or orders; step = offset, sample = hash of the behaviour's id.
    Phrases = 40,
    /// Cases drawn again for an interval; step = draw.
    Bootstrap = 24,
    /// Seeds of the answers that a policy gives while it is trained; step = optimiser step, sample = answer of the step.
    Rollout = 26,
    /// Jitter of waits before a request is repeated; sample = hash of the request.
    Backoff = 41,
    /// Draws of an attack; step = hash of the attack's name and the call's key, sample = hash of the behaviour's id.
    Attack = 42,
    /// Draws of defences inside a decode; lane = canvas position.
    Defence = 43,
    /// Candidates of a suffix search; step = iteration, sample = hash of the goal's id.
    Gcg = 30,
}

/// A ChaCha8 generator whose key is (seed, stream, step, sample).
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The generator at one point of the run.
    pub fn at(seed: u64, stream: Stream, step: u64, sample: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, word) in key.chunks_exact_mut(8).zip([seed, stream as u64, step, sample]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The same point, another independent lane (for example one per canvas position).
    pub fn lane(&self, lane: u64) -> Self {
        let mut rng = self.0.clone();
        rng.set_stream(lane);
        rng.set_word_pos(0);
        Self(rng)
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `out` with uniform bits; the same values as repeated [`Rng::bits`].
    pub fn fill_bits(&mut self, out: &mut [u64]) {
        for slot in out {
            *slot = self.0.next_u64();
        }
    }

    /// Uniform in the open interval (0, 1), on a grid of 2^-53 shifted by half a step.
    pub fn unit(&mut self) -> f64 {
        unit_from(self.bits())
    }

    /// Uniform in 0..n; n must not be 0. Lemire's multiplication without rejection: the bias is below n / 2^64.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Standard normal, by Box-Muller.
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.unit(), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// A uniform permutation of 0..n (Fisher-Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// Maps 64 bits to (0, 1).
fn unit_from(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
}

/// The sample key of a record id (FNV-1a, 64 bits), so that draws follow the record and not its place in a file.
pub fn sample_key(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}
