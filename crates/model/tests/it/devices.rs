//! The devices that are present, and how far rounding goes on them.

use crate::open_on;
use mosa_model::Transformer;
pub(crate) use mosa_model::devices;
use tch::Device;

/// The tiny models of these names on every device.
pub(crate) fn models<'a>(names: &'a [&'a str]) -> impl Iterator<Item = (&'a str, Transformer)> {
    let on = |device| names.iter().map(move |&name| (name, open_on(&crate::fixture(name), device).unwrap()));
    devices().into_iter().flat_map(on)
}

/// How far rounding may move a logit of a tiny model that is computed in another way.
pub(crate) fn rounding(model: &Transformer) -> f64 {
    if model.device() == Device::Cpu { 1e-4 } else { 2e-3 }
}
