//! Tensors that hold something else than numbers.

use tch::Tensor;

/// The name of the first tensor that holds NaN or infinity. One that cannot be looked at counts as whole.
pub(crate) fn first_broken(tensors: Vec<(String, &Tensor)>) -> Option<String> {
    let whole = |t: &Tensor| t.f_isfinite().and_then(|finite| finite.f_all()).and_then(|all| all.f_int64_value(&[]));
    tensors.into_iter().find(|(_, t)| whole(t).is_ok_and(|all| all == 0)).map(|(name, _)| name)
}
