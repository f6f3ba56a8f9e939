//! How alike two texts are, without a model.

use mosa_core::sample_key;

/// Dimensions of the hashed vectors.
const WIDTH: usize = 512;

/// Name and version, for records: what a sentence encoder would be named by.
pub const ENCODER: &str = "char-trigram-512/1";

/// Cosine of the hashed character trigrams of two texts, 0 to 1; 0 where a text is empty. It stands where the published
/// attacks use a sentence encoder: cheap, offline and the same everywhere, but blind to meaning.
pub fn similarity(a: &str, b: &str) -> f64 {
    let (a, b) = (vector(a), vector(b));
    let dot: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    match norm(&a) * norm(&b) {
        0.0 => 0.0,
        n => dot / n,
    }
}

fn vector(text: &str) -> Vec<f64> {
    let padded = format!("  {}  ", text.to_lowercase());
    let chars: Vec<char> = padded.chars().collect();
    let mut v = vec![0.0; WIDTH];
    if text.trim().is_empty() {
        return v;
    }
    for gram in chars.windows(3) {
        v[(sample_key(&gram.iter().collect::<String>()) % WIDTH as u64) as usize] += 1.0;
    }
    v
}
