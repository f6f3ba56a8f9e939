//! The gradient of the loss with respect to the one-hot rows of a suffix.

use super::avoid::{Avoid, masked};
use super::loss::{Row, TargetLoss};
use crate::ProbeError;
use mosa_core::TokenId;
use mosa_engine::picked;
use mosa_model::Slot;
use tch::{Kind, Tensor};

/// Loss and gradient at one suffix.
#[derive(Debug)]
pub struct Gradient {
    /// The loss, in nats per token.
    pub loss: f64,
    /// d loss / d one-hot rows of the suffix, [suffix length, vocabulary].
    pub one_hot: Tensor,
}

/// What some rows add to the loss, and a derivative of it.
struct Part {
    pub loss: f64,
    /// With respect to whatever the rows were given.
    pub gradient: Tensor,
}

impl TargetLoss<'_> {
    /// Loss and gradient at `suffix`. The head runs on scored positions only and hands its gradient back chunk by
    /// chunk; gradients of adapter tensors are not touched.
    ///
    /// # Errors
    /// As [`TargetLoss::losses`].
    pub fn gradient(&self, suffix: &[TokenId]) -> Result<Gradient, ProbeError> {
        let suffixes = [suffix.to_vec()];
        let rows: Vec<Row<'_>> = self.rows(&suffixes, &self.views)?.collect();
        let table = self.model.embedding_table();
        let mut sum = Tensor::f_zeros([suffix.len() as i64, table.size()[1]], (Kind::Float, table.device()))?;
        let mut loss = 0.0;
        for rows in rows.chunks(self.rows_per_pass) {
            let part = tch::with_grad(|| self.rows_gradient(rows))?;
            loss += part.loss;
            sum = sum.f_add(&part.gradient.f_to_kind(Kind::Float)?)?;
        }
        if let Some(avoid) = &self.avoid {
            let part = tch::with_grad(|| self.avoided(avoid, suffix))?;
            loss += part.loss;
            sum = sum.f_add(&part.gradient.f_to_kind(Kind::Float)?)?;
        }
        // A table that is stored narrower than is computed in is widened for this product.
        let one_hot = tch::no_grad(|| match self.model.widens() {
            true => sum.f_matmul(&table.f_to_kind(Kind::Float)?.f_tr()?),
            false => sum.f_to_kind(table.kind())?.f_matmul(&table.f_tr()?),
        })?;
        Ok(Gradient { loss, one_hot })
    }

    /// What `rows` add to the loss, and its gradient with respect to a shift of the suffix's embeddings that all of
    /// them share: [suffix length, width].
    fn rows_gradient(&self, rows: &[Row<'_>]) -> Result<Part, ProbeError> {
        self.body_gradient(rows, &self.want(rows), &|hidden| self.head_gradient(hidden, rows))
    }

    /// The same of any function of the hidden states [n, width] of the positions `want`; `head` gives its value and its gradient
    /// with respect to them.
    fn body_gradient(
        &self,
        rows: &[Row<'_>],
        want: &[Slot],
        head: &dyn Fn(&Tensor) -> Result<Part, ProbeError>,
    ) -> Result<Part, ProbeError> {
        let (table, suffix) = (self.model.embedding_table(), &self.goal.suffix);
        let at: Vec<Slot> = (0..rows.len()).flat_map(|r| suffix.clone().map(move |p| (r, p))).collect();
        let call = || self.call(rows, want);
        if self.model.widens() {
            let mut inputs = Vec::new();
            let hidden = self.model.hidden_keeping_inputs(call(), &mut inputs)?;
            let head = head(&hidden)?;
            let gradient = self.model.embeddings_back(call(), &at, inputs, head.gradient)?;
            let of_rows = gradient.f_view([rows.len() as i64, suffix.len() as i64, table.size()[1]])?;
            return Ok(Part { loss: head.loss, gradient: of_rows.f_sum_dim_intlist(0, false, Kind::Float)? });
        }
        let shift = Tensor::f_zeros([suffix.len() as i64, table.size()[1]], (table.kind(), table.device()))?
            .f_set_requires_grad(true)?;
        let hidden = self.model.hidden_shifted(call(), &at, &shift.f_repeat([rows.len() as i64, 1])?)?; // [n, d]
        let head = head(&hidden.detach())?;
        let product = hidden.f_mul(&head.gradient)?.f_sum(hidden.kind())?;
        let gradient = Tensor::f_run_backward(&[product], &[&shift], false, false)?;
        let gradient = gradient.into_iter().next().ok_or_else(|| self.goal.wrong("libtorch returned no gradient"))?;
        Ok(Part { loss: head.loss, gradient })
    }

    /// What `rows` add to the loss, and d loss / d hidden [n, width].
    fn head_gradient(&self, hidden: &Tensor, rows: &[Row<'_>]) -> Result<Part, ProbeError> {
        let share = |row: &Row<'_>| {
            let scored = row.view.scored.len();
            std::iter::repeat_n(-1.0 / (scored * self.views.len()) as f32, scored)
        };
        let weights: Vec<f32> = rows.iter().flat_map(share).collect();
        let weights = Tensor::f_from_slice(&weights)?.f_to_device(hidden.device())?;
        let split = |t: &Tensor| t.f_split(self.chunk(), 0);
        let (mut loss, mut gradients) = (0.0, Vec::new());
        for ((h, t), w) in split(hidden)?.into_iter().zip(split(&self.targets(rows)?)?).zip(split(&weights)?) {
            let weighed = |logits: &Tensor| -> Result<Tensor, ProbeError> {
                let log_p = logits.f_log_softmax(-1, Kind::Float)?;
                Ok(picked(&log_p, &t)?.f_mul(&w)?.f_sum(Kind::Float)?)
            };
            let part = self.through_head(&h, &weighed)?;
            loss += part.loss;
            gradients.push(part.gradient);
        }
        Ok(Part { loss, gradient: Tensor::f_cat(&gradients, 0)? })
    }

    /// A number that `value` makes of the logits of some hidden states, and its gradient with respect to these. Where the model
    /// widens its weights, autograd would keep the whole head in f32: it only goes as far as the logits.
    fn through_head(
        &self,
        hidden: &Tensor,
        value: &dyn Fn(&Tensor) -> Result<Tensor, ProbeError>,
    ) -> Result<Part, ProbeError> {
        let missing = || self.goal.wrong("libtorch returned no gradient");
        if self.model.widens() {
            let logits = tch::no_grad(|| self.model.score(hidden, self.adapter))?.f_set_requires_grad(true)?;
            let part = value(&logits)?;
            let loss = part.f_double_value(&[])?;
            let upstream = Tensor::f_run_backward(&[part], &[&logits], false, false)?;
            let upstream = upstream.first().ok_or_else(missing)?;
            return Ok(Part { loss, gradient: self.model.score_back(hidden, self.adapter, upstream)? });
        }
        let hidden = hidden.detach().f_set_requires_grad(true)?;
        let part = value(&self.model.score(&hidden, self.adapter)?)?;
        let loss = part.f_double_value(&[])?;
        let gradient = Tensor::f_run_backward(&[part], &[&hidden], false, false)?;
        Ok(Part { loss, gradient: gradient.into_iter().next().ok_or_else(missing)? })
    }

    /// What the monitor adds to the loss at a suffix, and its gradient with respect to a shift of the suffix's embeddings:
    /// [suffix length, width].
    fn avoided(&self, avoid: &Avoid, suffix: &[TokenId]) -> Result<Part, ProbeError> {
        let (masked, suffixes) = (masked(), [suffix.to_vec()]);
        let rows: Vec<Row<'_>> = self.rows(&suffixes, &masked)?.collect();
        let want = avoid.want(rows.len());
        let share = 1.0 / avoid.positions.len() as f64;
        let part = self.body_gradient(&rows, &want, &|hidden| {
            let (mut suspicion, mut gradients) = (0.0, Vec::new());
            for part in hidden.f_split(self.chunk(), 0)? {
                let read = |logits: &Tensor| -> Result<Tensor, ProbeError> {
                    Ok(avoid.monitor.read(logits)?.f_sum(Kind::Float)?.f_mul_scalar(share)?)
                };
                let part = self.through_head(&part, &read)?;
                suspicion += part.loss;
                gradients.push(part.gradient);
            }
            Ok(Part { loss: suspicion, gradient: Tensor::f_cat(&gradients, 0)? })
        })?;
        let (toll, slope) = (avoid.toll.of(part.loss), avoid.toll.slope(part.loss));
        Ok(Part { loss: toll, gradient: part.gradient.f_mul_scalar(slope)? })
    }
}
