//! A frozen linear layer with an optional LoRA branch.

use crate::error::ModelError;
use crate::lora::Adapter;
use crate::tape::{Leaf, Tape};
use crate::widened::{FEW, Narrowed, in_a_row, products};
use std::cell::OnceCell;
use tch::{Device, Kind, Tensor};

/// y = x Wᵀ + b.
#[derive(Debug)]
pub(crate) struct Linear {
    /// [out, in]. On the CPU it may be narrower than what it is multiplied with, and is then widened for each product.
    pub weight: Tensor,
    /// What the rows of a weight of whole numbers are multiplied with, [out].
    pub scale: Option<Tensor>,
    /// [out].
    pub bias: Option<Tensor>,
    /// Its index among the linear layers of the model, by which an adapter knows it. An output layer that is the embedding
    /// has none.
    pub slot: Option<usize>,
    /// Whether a few rows take mosa's own product in f32 too. It is up to three times as fast as libtorch's, but sums in
    /// another order: models that were there before it keep their bits.
    pub own_few: bool,
}

/// What one or several linear layers are given: activations [.., in], and the adapter they are used with.
pub(crate) struct Input<'a> {
    x: &'a Tensor,
    adapter: Option<&'a Adapter>,
    /// The activations in the adapter's type, made once for all layers.
    converted: OnceCell<Tensor>,
    /// What stands for them where a tape records.
    leaf: OnceCell<Option<Leaf>>,
    /// The activations as oneDNN has them.
    in_onednn: OnceCell<Tensor>,
}

impl<'a> Input<'a> {
    pub(crate) fn new(x: &'a Tensor, adapter: Option<&'a Adapter>) -> Self {
        Self { x, adapter, converted: OnceCell::new(), leaf: OnceCell::new(), in_onednn: OnceCell::new() }
    }

    fn in_kind(&self, kind: Kind) -> Result<Tensor, ModelError> {
        if let Some(x) = self.converted.get().filter(|x| x.kind() == kind) {
            return Ok(x.shallow_clone());
        }
        let x = self.leaf.get().and_then(Option::as_ref).map_or(self.x, |leaf| &leaf.tensor).f_to_kind(kind)?;
        // All factors of an adapter are of one type.
        let _ = self.converted.set(x.shallow_clone());
        Ok(x)
    }

    /// The activations as oneDNN has them.
    fn in_onednn(&self) -> Result<&Tensor, ModelError> {
        if let Some(x) = self.in_onednn.get() {
            return Ok(x);
        }
        let x = self.x.f_contiguous()?.f_to_mkldnn(Kind::Float)?;
        Ok(self.in_onednn.get_or_init(|| x))
    }

    /// The leaf that stands for the activations, where a tape records.
    fn leaf(&self) -> Result<Option<&Leaf>, ModelError> {
        if self.leaf.get().is_none() {
            let _ = self.leaf.set(Tape::cut(self.x)?);
        }
        Ok(self.leaf.get().and_then(Option::as_ref))
    }
}

/// From this many multiply-adds on, oneDNN beats the BLAS of libtorch in f32 by more than it costs to call.
const ONEDNN_FROM: i64 = 8 << 20;

impl Linear {
    /// A layer whose weight is of the type it computes in, or narrower.
    pub(crate) fn new(weight: Tensor, bias: Option<Tensor>, slot: Option<usize>) -> Self {
        Self { weight, scale: None, bias, slot, own_few: false }
    }

    /// [.., in] -> [.., out]; where the adapter has factors for it, plus scale * B A x computed in the adapter's type.
    pub(crate) fn forward(&self, input: &Input<'_>) -> Result<Tensor, ModelError> {
        let [y] = Self::all([self], input)?;
        Ok(y)
    }

    /// What several layers make of the same activations. Where these are a few rows, all weights are read in one go.
    pub(crate) fn all<const N: usize>(layers: [&Self; N], input: &Input<'_>) -> Result<[Tensor; N], ModelError> {
        let x = input.x;
        let narrow: Option<Vec<_>> = layers.iter().map(|layer| layer.narrow_for(x)).collect();
        let made = match narrow.filter(|_| !x.requires_grad()) {
            Some(narrow) => {
                products(&narrow.into_iter().map(|w| (w, x)).collect::<Vec<_>>())?.into_iter().map(Some).collect()
            }
            None => (0..N).map(|_| None).collect::<Vec<_>>(),
        };
        let mut all = Vec::with_capacity(N);
        for (layer, made) in layers.into_iter().zip(made) {
            let y = match made {
                Some(y) => layer.biased(y, x.kind())?,
                None => layer.without_adapter(input)?,
            };
            all.push(layer.adapted(y, input)?);
        }
        all.try_into().map_err(|_| ModelError::Call("a layer made nothing".into()))
    }

    /// What layers without bias make of their own rows of x [rows, in], which stand one behind the other; of several
    /// lists of layers a result each, [rows, out]. All weights are read in one go. See [`Linear::stands_in_a_row`].
    pub(crate) fn in_a_row(x: &Tensor, lists: &[Vec<(&Self, usize)>]) -> Result<Vec<Tensor>, ModelError> {
        let mut weights: Vec<Vec<(&Tensor, usize)>> = Vec::with_capacity(lists.len());
        for list in lists {
            weights.push(list.iter().map(|&(layer, n)| (&layer.weight, n)).collect());
        }
        let made = in_a_row(x, &weights)?;
        made.into_iter().map(|y| Ok(y.f_to_kind(x.kind())?)).collect()
    }

    /// Whether [`Linear::in_a_row`] takes the layer for inputs like this one.
    pub(crate) fn stands_in_a_row(&self, x: &Tensor) -> bool {
        let plain = self.bias.is_none() && self.scale.is_none();
        plain && !x.requires_grad() && self.is_own_for_few(x.kind())
    }

    /// Plus what the adapter makes of the input.
    fn adapted(&self, y: Tensor, input: &Input<'_>) -> Result<Tensor, ModelError> {
        let pair = input.adapter.zip(self.slot).and_then(|(adapter, slot)| adapter.pair(slot));
        let Some(pair) = pair else { return Ok(y) };
        let down = input.in_kind(pair.a.kind())?.f_linear::<&Tensor>(&pair.a, None)?;
        let up = down.f_linear::<&Tensor>(&pair.b, None)?.f_mul_scalar(pair.scale)?;
        Ok(y.f_add(&up.f_to_kind(y.kind())?)?)
    }

    /// A product in f32, plus the bias, in the type of the activations. Sums are f32 whatever that is, as libtorch's.
    fn biased(&self, y: Tensor, kind: Kind) -> Result<Tensor, ModelError> {
        let y = if let Some(bias) = &self.bias { y.f_add(bias)? } else { y };
        Ok(y.f_to_kind(kind)?)
    }

    fn without_adapter(&self, input: &Input<'_>) -> Result<Tensor, ModelError> {
        let x = input.x;
        let Some(narrow) = self.narrow_for(x) else {
            return if self.prefers_onednn(x) {
                self.onednn(input)
            } else {
                Ok(x.f_linear(&self.weight, self.bias.as_ref())?)
            };
        };
        let y = if !x.requires_grad() {
            narrow.product(x)?
        } else if let Some(leaf) = input.leaf()? {
            Tape::product(narrow.product(x)?, leaf, narrow)?
        } else {
            // Autograd keeps the widened weight.
            x.f_linear::<&Tensor>(&narrow.whole()?, None)?
        };
        self.biased(y, x.kind())
    }

    /// The weight, if mosa's own product is the one for `x`: it is narrower, or that is faster and may be done.
    fn narrow_for(&self, x: &Tensor) -> Option<Narrowed<'_>> {
        let narrower = x.kind() == Kind::Float && self.is_narrow();
        (narrower || self.takes_few(x)).then(|| self.held())
    }

    /// Whether `x` has so few rows that the product takes as long as reading the weight, and mosa's own is the one
    /// for them.
    pub(crate) fn takes_few(&self, x: &Tensor) -> bool {
        let few = x.numel() <= FEW * self.weight.size()[1] as usize;
        few && !x.requires_grad() && self.is_own_for_few(x.kind())
    }

    /// Whether mosa multiplies a few rows of this type itself, outside of training.
    pub(crate) fn is_own_for_few(&self, kind: Kind) -> bool {
        let own = self.own_few && kind == self.weight.kind();
        own && self.weight.device() == Device::Cpu || kind == Kind::Float && self.is_narrow()
    }

    /// Whether the weight is narrower than f32 and widened for each product with it.
    pub(crate) fn is_narrow(&self) -> bool {
        self.weight.kind() != Kind::Float && self.weight.device() == Device::Cpu
    }

    /// The weight as it is held.
    pub(crate) fn held(&self) -> Narrowed<'_> {
        Narrowed { values: &self.weight, scale: self.scale.as_ref() }
    }

    /// Makes a weight that is narrower than this type one of this type, for good.
    pub(crate) fn widen(&mut self, kind: Kind) -> Result<(), ModelError> {
        if kind == Kind::Float && self.is_narrow() {
            self.weight = self.held().whole()?;
            self.scale = None;
        }
        Ok(())
    }

    /// d loss / d x from d loss / d y, both f32, of a layer without an adapter whose weight is narrow.
    pub(crate) fn back(&self, upstream: &Tensor) -> Result<Tensor, ModelError> {
        self.held().product_back(upstream)
    }

    /// Only for large f32 products on the CPU outside of training. Depends on shapes alone, never on timing.
    fn prefers_onednn(&self, x: &Tensor) -> bool {
        x.kind() == Kind::Float
            && x.device() == Device::Cpu
            && !x.requires_grad()
            && x.numel() as i64 * self.weight.size()[0] >= ONEDNN_FROM
            && tch::utils::has_mkldnn()
    }

    fn onednn(&self, input: &Input<'_>) -> Result<Tensor, ModelError> {
        let y = input.in_onednn()?.f_mkldnn_linear(&self.weight, self.bias.as_ref())?;
        Ok(y.f_to_dense(Kind::Float, false)?)
    }
}
