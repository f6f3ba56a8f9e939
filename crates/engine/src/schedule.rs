//! How many positions are revealed in a step.

/// LLaDA's quota: `masks` still planned for a block, spread over `steps_left` steps, the first steps taking the
/// remainder. Equal to floor(n / s) each plus one for the first n mod s steps, computed at the start.
pub fn quota(masks: usize, steps_left: usize) -> usize {
    masks.div_ceil(steps_left.max(1))
}

/// Dream's probability that a mask is revealed in each step.
pub fn reveal_probabilities(steps: usize, eps: f64) -> Vec<f32> {
    (0..steps).map(|step| reveal_probability(step, steps, eps)).collect()
}

/// The one of `step`: 1 - s/t for neighbours t > s of linspace(1, eps, steps + 1); 1 in the last step. f32 arithmetic in
/// the order of the published code.
pub(crate) fn reveal_probability(step: usize, steps: usize, eps: f64) -> f32 {
    let at = |i| linspace(1.0, eps as f32, steps + 1, i);
    if step + 1 == steps { 1.0 } else { 1.0 - at(step + 1) / at(step) }
}

/// Dream's number to reveal: int(masks / rows * p), truncated in f32.
pub fn reveal_count(masks: usize, rows: usize, probability: f32) -> usize {
    (masks as f32 / rows as f32 * probability) as usize
}

/// Value `i` of torch.linspace in f32: counted from both ends, so that the last value is exact.
fn linspace(start: f32, end: f32, n: usize, i: usize) -> f32 {
    let step = (end - start) / (n - 1) as f32;
    if i < n / 2 { start + step * i as f32 } else { end - step * (n - 1 - i) as f32 }
}
