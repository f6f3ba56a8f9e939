//! The feed-forward part with experts: every position goes through the few its router chooses, and through the shared ones.
//!
//! Shapes in comments: n positions, d width, e experts, k experts per position.

use crate::dense::{Dense, DenseConfig};
use crate::linear::Linear;
use crate::lora::LoraPair;
use crate::parts::Parts;
use crate::router::{Choice, Router, RouterConfig};
use crate::spec::{LinearKind, LinearShape};
use crate::stack::Stack;
use crate::{Adapter, ModelError};
use tch::{Kind, Tensor};

/// Its shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertsConfig {
    /// How experts are chosen.
    pub router: RouterConfig,
    /// The list of experts, inside a block.
    pub list: &'static str,
    /// One expert; its names are those inside it.
    pub expert: DenseConfig,
    /// What every position goes through besides; its names are those inside a block.
    pub shared: Option<DenseConfig>,
}

impl ExpertsConfig {
    /// The router, expert after expert, the shared ones.
    pub(crate) fn linears(&self, width: usize) -> Vec<LinearShape> {
        let RouterConfig { experts, names, .. } = self.router;
        let mut all = vec![LinearShape::new(names.gate, [width, experts], false).of(LinearKind::Router)];
        for e in 0..experts {
            let of_expert = self.expert.linears(width).into_iter();
            all.extend(of_expert.map(|shape| shape.inside(&format!("{}.{e}", self.list)).of(LinearKind::Expert)));
        }
        all.extend(self.shared.iter().flat_map(|shared| shared.linears(width)));
        all
    }

    /// What one position costs: the experts it goes through, not those it does not.
    pub(crate) fn multiply_adds(&self, width: usize) -> f64 {
        let RouterConfig { experts, chosen, .. } = self.router;
        let shared = self.shared.map_or(0.0, |shared| shared.multiply_adds(width));
        (width * experts) as f64 + chosen as f64 * self.expert.multiply_adds(width) + shared
    }
}

/// The experts of one block.
#[derive(Debug)]
pub(crate) struct Experts {
    router: Router,
    experts: Vec<Dense>,
    /// The weights of all experts as one tensor per layer, where the device multiplies them in one go.
    stack: Option<Stack>,
    shared: Option<Dense>,
}

impl Experts {
    /// Those of the block at `path`.
    pub(crate) fn build(config: &ExpertsConfig, path: &str, parts: &Parts<'_>) -> Result<Self, ModelError> {
        let expert = |e: usize| Dense::build(&config.expert, &format!("{path}.{}.{e}", config.list), parts);
        let mut experts = (0..config.router.experts).map(expert).collect::<Result<Vec<_>, _>>()?;
        let shared = config.shared.as_ref().map(|shared| Dense::build(shared, path, parts)).transpose()?;
        let stack = Stack::of(&mut experts)?;
        Ok(Self { router: Router::build(&config.router, path, parts)?, experts, stack, shared })
    }

    /// Normed hidden states [.., d] -> [.., d].
    pub(crate) fn forward(&self, x: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let size = x.size();
        let x = x.f_reshape([-1, size[size.len() - 1]])?; // [n, d]
        let choice = self.router.choose(&x, adapter)?;
        let y = self.routed(&x, &choice, adapter)?;
        let y = match &self.shared {
            Some(shared) => y.f_add(&shared.forward(&x, adapter)?)?,
            None => y,
        };
        Ok(y.f_view(size.as_slice())?)
    }

    /// The weighted sums of what the chosen experts make of every position: [n, d] -> [n, d]. Positions are sorted by
    /// expert, so that each multiplies all of its own at once, and put back into their places.
    fn routed(&self, x: &Tensor, choice: &Choice, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let (n, k) = choice.experts.size2()?;
        let by_expert = choice.experts.f_flatten(0, 1)?;
        let order = by_expert.f_argsort_stable(true, 0, false)?; // [n * k]
        let none = Tensor::f_zeros([self.experts.len() as i64], (Kind::Int64, x.device()))?;
        let counts = none.f_scatter_add(0, &by_expert, &by_expert.f_ones_like()?)?; // [e]
        let sorted = if x.requires_grad() {
            // Back through a permutation every gradient has one source, and the sum over k a fixed order.
            x.f_unsqueeze(1)?.f_expand([n, k, -1], false)?.f_reshape([n * k, -1])?.f_index_select(0, &order)?
        } else {
            x.f_index_select(0, &order.f_floor_divide_scalar(k)?)?
        };
        let adapted = self.experts.iter().any(|expert| factors(expert, adapter).next().is_some());
        let y = match &self.stack {
            Some(stack) if !adapted => stack.forward(&sorted, &counts)?,
            _ => self.on_the_host(&sorted, &counts, adapter.filter(|_| adapted))?,
        };
        let y = y.f_index_select(0, &order.f_argsort(0, false)?)?.f_view([n, k, -1])?;
        let y = y.f_mul(&choice.weights.f_unsqueeze(-1)?)?;
        let kind = y.kind();
        Ok(y.f_sum_dim_intlist(1, false, kind)?.f_to_kind(x.kind())?)
    }

    /// Every expert that has positions, with its slice of them: [n * k, d] -> [n * k, d]. The counts are the one thing of a
    /// block that comes to the host.
    fn on_the_host(&self, sorted: &Tensor, counts: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let counts = Vec::<i64>::try_from(counts)?;
        if adapter.is_none() {
            let parts = self.experts.iter().zip(&counts).map(|(expert, &n)| (expert, n as usize));
            let visited: Vec<_> = parts.filter(|(_, n)| *n > 0).collect();
            if let Some(made) = Dense::in_a_row(sorted, &visited)? {
                return Ok(made);
            }
        }
        let slices = sorted.f_split_with_sizes(counts.as_slice(), 0)?;
        let mut all = Vec::with_capacity(counts.len());
        for ((expert, x), n) in self.experts.iter().zip(&slices).zip(counts) {
            // Factors that are trained get a gradient, be it zero, whether anybody goes through their expert or not.
            if n > 0 || factors(expert, adapter).any(|pair| pair.a.requires_grad()) {
                all.push(expert.forward(x, adapter)?);
            }
        }
        Ok(Tensor::f_cat(&all, 0)?)
    }

    /// What is added to scores for the choice of experts.
    pub(crate) fn bias(&self) -> Option<&Tensor> {
        self.router.bias.as_ref()
    }

    /// In the order adapters count them.
    pub(crate) fn linears(&self) -> Vec<&Linear> {
        let experts = self.experts.iter().flat_map(Dense::linears);
        let shared = self.shared.iter().flat_map(Dense::linears);
        std::iter::once(&self.router.gate).chain(experts).chain(shared).collect()
    }

    /// The same, to change them: whoever may do so gets experts one by one from then on.
    pub(crate) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.stack = None;
        let experts = self.experts.iter_mut().flat_map(Dense::linears_mut);
        let shared = self.shared.iter_mut().flat_map(Dense::linears_mut);
        std::iter::once(&mut self.router.gate).chain(experts).chain(shared).collect()
    }
}

/// What the adapter adds to this expert.
fn factors<'a>(expert: &'a Dense, adapter: Option<&'a Adapter>) -> impl Iterator<Item = &'a LoraPair> {
    let slots = expert.linears().into_iter().filter_map(|linear| linear.slot);
    slots.filter_map(move |slot| adapter?.pair(slot))
}
