//! Several attempts at one item.

/// The chance that at least one of `k` attempts is right, estimated without bias from `c` right ones among `n`:
/// 1 - C(n-c, k) / C(n, k). `None` if fewer than `k` were made, `k` is 0, or `c` is above `n`.
///
/// Computed as 1 - Π (1 - k/i) over i from n-c+1 to n, which neither overflows nor cancels. M. Chen et al., Evaluating
/// Large Language Models Trained on Code (arXiv 2107.03374), equation 1. The mean over items is pass@k.
pub fn pass_at_k(n: usize, c: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || c > n {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    Some(1.0 - (n - c + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>())
}
