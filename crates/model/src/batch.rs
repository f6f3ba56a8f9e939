//! Rows of different length as one tensor, padded or one behind the other, and the mask that says who sees whom.

use crate::{Attention, Call, KvCache, ModelError, ModelSpec, Row};
use mosa_core::TokenId;
use tch::{Device, Kind, Tensor};

/// The lowest finite bf16, finite in f32 too.
const LOWEST_BF16: f32 = -3.389_531_4e38;

/// What packed positions, and those of them that are scored, are filled up to a multiple of: oneDNN makes a program for
/// every number of rows, which takes longer than a few more rows.
const WHOLE: usize = 64;

/// Where a row stands in the tensors of a pass. Padding is on the left, of tokens as of keys.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Canvas position of its first token.
    start: usize,
    /// Its tokens.
    len: usize,
    /// The canvas positions it has keys of, from 0 on.
    keys: usize,
    attention: Attention,
}

/// Left-padded rows; or, packed, rows one behind the other: one row of all positions, in which each attends by itself.
pub(crate) struct Batch {
    /// [rows, width] token ids; packed [1, positions].
    pub ids: Tensor,
    places: Vec<Place>,
    width: usize,
    cached: bool,
    /// Whether rows stand one behind the other.
    packed: bool,
    /// Whether the second row is what the canvas of the first may become.
    beside: bool,
}

impl Batch {
    /// Checks the call and pads its rows.
    pub(crate) fn new(call: &Call<'_>, spec: &ModelSpec, device: Device) -> Result<Self, ModelError> {
        let places = call.rows.iter().map(|row| place(row, spec)).collect::<Result<Vec<_>, _>>()?;
        let beside = has_beside(call, &places, device)?;
        let width = places.iter().map(|p| p.len).max().unwrap_or(0);
        if width == 0 {
            return Err(ModelError::Call("a batch needs at least one row, and every row at least one token".into()));
        }
        let cached = call.rows.iter().any(|row| row.cache.is_some());
        let may_pack = call.pack && device == Device::Cpu && !cached;
        let packed = beside || may_pack && packable(&places);
        let mut flat: Vec<i64> = Vec::with_capacity(places.len() * width);
        for row in &call.rows {
            let padding = if packed { 0 } else { width - row.tokens.len() };
            flat.extend(std::iter::repeat_n(i64::from(spec.pad), padding));
            flat.extend(row.tokens.iter().map(|&t: &TokenId| i64::from(t)));
        }
        if packed && !beside {
            flat.resize(flat.len().next_multiple_of(WHOLE), i64::from(spec.pad));
        }
        let size = if packed { [1, flat.len()] } else { [places.len(), width] };
        let ids = Tensor::f_from_slice(&flat)?.f_view(size.map(|n| n as i64))?.f_to_device(device)?;
        Ok(Self { ids, places, width, cached, packed, beside })
    }

    /// The lengths of rows that stand one behind the other, and of what fills them up.
    pub(crate) fn spans(&self) -> Option<Vec<i64>> {
        let rows = self.places.iter().map(|p| p.len as i64);
        self.packed.then(|| rows.chain(Some(self.filling() as i64).filter(|&n| n > 0)).collect())
    }

    /// Packed positions behind the last row.
    fn filling(&self) -> usize {
        let own: usize = self.places.iter().map(|p| p.len).sum();
        if self.shares() { own.next_multiple_of(WHOLE) - own } else { 0 }
    }

    /// Whether rows share the pass one behind the other, which is equal up to rounding.
    pub(crate) fn shares(&self) -> bool {
        self.packed && !self.beside
    }

    /// Whether the second row is what the canvas of the first may become.
    pub(crate) fn is_beside(&self) -> bool {
        self.beside
    }

    /// Whether any row is padded.
    fn padded(&self) -> bool {
        self.places.iter().any(|p| p.len < self.width)
    }

    fn device(&self) -> Device {
        self.ids.device()
    }

    /// Rotation positions, [1 or rows, width]. Without caches, padding in front of a row either counts (LLaDA) or not
    /// (Dream, where padded positions get 1); with caches, every token stands where it stands on its canvas.
    pub(crate) fn positions(&self, skip_padding: bool) -> Result<Tensor, ModelError> {
        if self.packed {
            let own = self.places.iter().flat_map(|p| p.start..p.start + p.len);
            let flat: Vec<i64> = own.chain(0..self.filling()).map(|at| at as i64).collect();
            return Ok(Tensor::f_from_slice(&flat)?.f_unsqueeze(0)?.f_to_device(self.device())?);
        }
        let alike = self.places.windows(2).all(|p| p[0].start == p[1].start);
        let twice = self.places.iter().any(|p| matches!(p.attention, Attention::Teacher { .. }));
        let own = twice || if self.cached { self.padded() || !alike } else { skip_padding && self.padded() };
        if !own {
            let from = self.places[0].start as i64;
            return Ok(
                Tensor::f_arange_start(from, from + self.width as i64, (Kind::Int64, self.device()))?.f_unsqueeze(0)?
            );
        }
        let column = |p: &Place, i: usize| {
            (i + p.len).checked_sub(self.width).map_or(1, |at| p.attention.position(p.start + at) as i64)
        };
        let flat: Vec<i64> = self.places.iter().flat_map(|p| (0..self.width).map(|i| column(p, i))).collect();
        Ok(Tensor::f_from_slice(&flat)?
            .f_view([self.places.len() as i64, self.width as i64])?
            .f_to_device(self.device())?)
    }

    /// Keys per row, padding included.
    fn keys(&self) -> usize {
        if self.cached { self.places.iter().map(|p| p.keys).max().unwrap_or(0) } else { self.width }
    }

    /// Additive attention bias [rows, 1, 1 or width, keys] that hides padded keys and what a row must not see; `None` where
    /// everybody sees everything. The lowest finite value instead of -inf, so that a fully masked query stays finite.
    pub(crate) fn bias(&self, kind: Kind) -> Result<Option<Tensor>, ModelError> {
        if self.packed {
            return Ok(None);
        }
        self.bias_of(&self.places, [self.width, self.keys()], kind)
    }

    /// The same of every row by itself, where rows stand one behind the other.
    pub(crate) fn biases(&self, kind: Kind) -> Result<Vec<Option<Tensor>>, ModelError> {
        self.places.iter().map(|p| self.bias_of(&[*p], [p.len, p.keys], kind)).collect()
    }

    /// The same of some rows, padded to this width and so many keys.
    fn bias_of(&self, places: &[Place], [width, keys]: [usize; 2], kind: Kind) -> Result<Option<Tensor>, ModelError> {
        let masked = places.iter().any(|p| !p.attention.hides_nothing(p.start, p.keys));
        let queries = if masked { width } else { 1 };
        if queries == 1 && places.iter().all(|p| p.keys == keys) {
            return Ok(None);
        }
        let low: f32 = if kind == Kind::Half { -65504.0 } else { LOWEST_BF16 };
        let mut flat = vec![0f32; places.len() * queries * keys];
        for (row, p) in flat.chunks_mut(queries * keys).zip(places) {
            let hidden = keys - p.keys;
            for (q, seen) in row.chunks_mut(keys).enumerate() {
                // What a padded query sees is of no consequence.
                let query = (q + p.len).checked_sub(width).map(|at| p.start + at);
                seen[..hidden].fill(low);
                if let (Some(query), true) = (query, queries > 1) {
                    let own = seen[hidden..].iter_mut().enumerate();
                    own.filter(|(key, _)| !p.attention.sees(query, *key)).for_each(|(_, bias)| *bias = low);
                }
            }
        }
        let bias = Tensor::f_from_slice(&flat)?.f_view([places.len() as i64, 1, queries as i64, keys as i64])?;
        Ok(Some(bias.f_to_device(self.device())?.f_to_kind(kind)?))
    }

    /// Keys and values [rows, keys, kv heads, channels] of everything the rows may see, from those of their tokens
    /// [rows, width, kv heads, channels]. What block `block` of the caches holds is brought up to date.
    pub(crate) fn gather(
        &self,
        block: usize,
        caches: &mut [Option<&mut KvCache>],
        [key, value]: [Tensor; 2],
    ) -> Result<[Tensor; 2], ModelError> {
        if !self.cached {
            return Ok([key, value]);
        }
        let keys = self.keys() as i64;
        let (mut all_keys, mut all_values) = (Vec::new(), Vec::new());
        for (r, (p, cache)) in self.places.iter().zip(caches).enumerate() {
            let own = |t: &Tensor| t.f_narrow(0, r as i64, 1)?.f_narrow(1, (self.width - p.len) as i64, p.len as i64);
            let fresh = [own(&key)?, own(&value)?];
            let [k, v] = match cache {
                // What a cache keeps as it is must be all of its tensor: a view would keep those of the other rows alive.
                Some(cache) if self.places.len() > 1 && cache.is_new(block) => {
                    let [k, v] = fresh;
                    cache.write(block, p.start, [k.f_alias_copy()?, v.f_alias_copy()?])?
                }
                Some(cache) => cache.write(block, p.start, fresh)?,
                None => fresh,
            };
            let hidden = keys - p.keys as i64;
            let padded = |t: Tensor| if hidden == 0 { Ok(t) } else { t.f_constant_pad_nd([0, 0, 0, 0, hidden, 0]) };
            all_keys.push(padded(k)?);
            all_values.push(padded(v)?);
        }
        let joined =
            |mut all: Vec<Tensor>| if all.len() == 1 { Ok(all.swap_remove(0)) } else { Tensor::f_cat(&all, 0) };
        Ok([joined(all_keys)?, joined(all_values)?])
    }

    /// The same of row `r` of two of which the second is what the canvas of the first may become. That one comes
    /// first: the row itself is what the cache holds in the end.
    pub(crate) fn gather_apart(
        &self,
        block: usize,
        r: usize,
        caches: &mut [Option<&mut KvCache>],
        fresh: [Tensor; 2],
    ) -> Result<[Tensor; 2], ModelError> {
        match (r, caches) {
            (0, [Some(cache), _]) => cache.write(block, self.places[0].start, fresh),
            (1, [Some(cache), _]) => cache.set_aside(block, self.places[1].start, fresh),
            _ => Err(ModelError::Call("a row beside another without a cache".into())),
        }
    }

    /// Indices into the flattened positions that give the logits of `want`. For a shifted model the row
    /// `back` = 1 before a position scores it; position 0 is scored by row 0, as published. Of packed rows the first
    /// index stands behind them as often as fills them up.
    pub(crate) fn scored(&self, want: &[(usize, usize)], back: usize) -> Result<Tensor, ModelError> {
        let mut flat = Vec::with_capacity(want.len());
        let mut end = 0;
        let ends: Vec<usize> = self
            .places
            .iter()
            .map(|p| {
                end += if self.packed { p.len } else { self.width };
                end
            })
            .collect();
        for &(row, position) in want {
            let p = *self.places.get(row).ok_or_else(|| ModelError::Call(format!("there is no row {row}")))?;
            let source = position.saturating_sub(back);
            let at = source.checked_sub(p.start).filter(|at| *at < p.len).ok_or_else(|| {
                ModelError::Call(format!("position {position} of row {row} is not computed in this pass"))
            })?;
            flat.push((ends[row] - p.len + at) as i64);
        }
        if self.shares() && !flat.is_empty() {
            flat.resize(flat.len().next_multiple_of(WHOLE), flat[0]);
        }
        Ok(Tensor::f_from_slice(&flat)?.f_to_device(self.device())?)
    }
}

/// Whether the second row is what the canvas of the first may become.
fn has_beside(call: &Call<'_>, places: &[Place], device: Device) -> Result<bool, ModelError> {
    if !call.rows.iter().any(|row| row.beside) {
        return Ok(false);
    }
    let fits = match (call.rows.as_slice(), places) {
        ([own, other], [a, b]) => {
            let shares = own.cache.is_some() && !own.beside && other.cache.is_none();
            shares && a.start == b.start && a.start > 0 && a.keys == a.start + a.len && b.keys >= a.keys
        }
        _ => false,
    };
    if !fits || !(device == Device::Cpu || device.is_cuda()) || call.tap.is_some() {
        let what =
            "a row beside another begins where that does, behind what its cache holds, unwatched, on a CPU or CUDA";
        return Err(ModelError::Call(what.into()));
    }
    Ok(true)
}

/// Whether rows can stand one behind the other: there are several, and all see all of their own.
fn packable(places: &[Place]) -> bool {
    places.len() > 1 && places.iter().all(|p| p.start == 0 && p.attention == Attention::Full)
}

/// Checks a row, and finds its place.
fn place(row: &Row<'_>, spec: &ModelSpec) -> Result<Place, ModelError> {
    let (start, len) = (row.start, row.tokens.len());
    if len == 0 {
        return Err(ModelError::Call("a batch needs at least one row, and every row at least one token".into()));
    }
    let attention = row.attention.unwrap_or(spec.attention);
    let end = start.saturating_add(len);
    let mut highest = end;
    if let Attention::Teacher { len: canvas, from, block } = attention {
        let fits = end >= canvas && from <= canvas && block > 0 && from.is_multiple_of(block);
        if row.cache.is_some() || start > 0 || !fits {
            let what = "a second copy stands behind a whole canvas, begins with a block, and takes no cache";
            return Err(ModelError::Call(what.into()));
        }
        highest = canvas.max(attention.position(end));
    }
    if highest > spec.max_length {
        let what = format!("{highest} tokens do not fit into the model's context of {}", spec.max_length);
        return Err(ModelError::Call(what));
    }
    if let Some(bad) = row.tokens.iter().find(|&&t| t as usize >= spec.vocab) {
        return Err(ModelError::Call(format!("token {bad} is outside the vocabulary of {}", spec.vocab)));
    }
    let held = row.cache.as_ref().map_or(0, |c| c.positions());
    if start > held && !row.beside {
        let what = format!("a row starts at canvas position {start}, but keys and values are held of {held} positions");
        return Err(ModelError::Call(what));
    }
    Ok(Place { start, len, keys: held.max(start + len), attention })
}
