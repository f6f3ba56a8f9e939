//! Sums over ranks whose order does not depend on their number.
//!
//! Every rank is responsible for a part of the numbers: it gets the addends of that part from all ranks, adds them up one by
//! one in the order of the ranks, and gives the result to all. Numbers go in chunks, so that a sum of any size needs
//! little memory beside what is summed.

use crate::{Addends, Exchange, ParallelError};
use tch::{Device, Kind, Tensor};

/// Numbers of a chunk that a rank is responsible for, times ranks, is about this.
const CHUNK: usize = 8 << 20;

/// How numbers get from rank to rank; tensors are flat, contiguous f32 on [`Transport::device`].
pub(crate) trait Transport: Exchange {
    /// Where the tensors are.
    fn device(&self) -> Device;

    /// Sends a run of `from` to every rank and fills a run of `to` from every rank; with the lengths of the runs.
    fn all_to_all(&self, from: (&Tensor, &[usize]), to: (&Tensor, &[usize])) -> Result<(), ParallelError>;

    /// Fills `to` with `from` of every rank, in order.
    fn all_gather(&self, from: &Tensor, to: &Tensor) -> Result<(), ParallelError>;
}

/// [`Exchange::sum`] over a transport.
pub(crate) fn sum(ranks: &dyn Transport, like: &[&Tensor], own: Addends) -> Result<Vec<Tensor>, ParallelError> {
    let _no_grad = tch::no_grad_guard();
    let total: usize = like.iter().map(|t| t.numel()).sum();
    let device = ranks.device();
    let flat = own.into_all().into_iter().map(|tensors| flattened(tensors, device));
    let flat = flat.collect::<Result<Vec<_>, _>>()?;
    let counts = counts(ranks, flat.len(), total)?;
    let out = Tensor::f_zeros([total as i64], (Kind::Float, device))?;
    if counts.iter().any(|n| *n > 0) {
        let whole = (CHUNK / ranks.size()).max(1);
        let buffers = Buffers::new(whole, ranks, &counts)?;
        for start in (0..total).step_by(whole * ranks.size()) {
            let part = whole.min((total - start).div_ceil(ranks.size()));
            buffers.sum(ranks, &Chunk { flat: &flat, out: &out, start, part, total, counts: &counts })?;
        }
    }
    let mut at = 0;
    let shaped = |like: &&Tensor| -> Result<Tensor, ParallelError> {
        let n = like.numel() as i64;
        let own = out.f_narrow(0, at, n)?.f_view(like.size().as_slice())?;
        at += n;
        Ok(own.f_to_device(like.device())?.f_to_kind(like.kind())?)
    };
    like.iter().map(shaped).collect()
}

/// One row of numbers; the tensors are dropped.
fn flattened(tensors: Vec<Tensor>, device: Device) -> Result<Tensor, ParallelError> {
    let rows = tensors.into_iter().map(|t| t.f_to_device(device)?.f_flatten(0, -1)).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::f_cat(&rows, 0)?)
}

/// How many addends every rank has; their sizes must be the same.
fn counts(ranks: &dyn Transport, own: usize, total: usize) -> Result<Vec<usize>, ParallelError> {
    let said = [own as u64, total as u64].map(u64::to_le_bytes).concat();
    let read = |bytes: Vec<u8>| -> Option<[u64; 2]> {
        let number = |part: &[u8]| Some(u64::from_le_bytes(part.try_into().ok()?));
        Some([number(bytes.get(..8)?)?, number(bytes.get(8..)?)?])
    };
    let all: Option<Vec<[u64; 2]>> = ranks.gather(&said)?.into_iter().map(read).collect();
    match all {
        Some(all) if all.iter().all(|[_, n]| *n == total as u64) => Ok(all.iter().map(|[n, _]| *n as usize).collect()),
        _ => Err(ParallelError::Garbled("sums of different sizes")),
    }
}

/// What is summed at a time.
struct Chunk<'a> {
    flat: &'a [Tensor],
    out: &'a Tensor,
    /// Where it begins.
    start: usize,
    /// Numbers that each rank is responsible for; the last ranks may have fewer.
    part: usize,
    total: usize,
    counts: &'a [usize],
}

/// Memory that all chunks use.
struct Buffers {
    from: Tensor,
    to: Tensor,
    own: Tensor,
    all: Tensor,
}

impl Chunk<'_> {
    /// Where the part of a rank begins, and its length.
    fn of(&self, rank: usize) -> (usize, usize) {
        let start = (self.start + rank * self.part).min(self.total);
        (start, (start + self.part).min(self.total) - start)
    }
}

impl Buffers {
    fn new(part: usize, ranks: &dyn Transport, counts: &[usize]) -> Result<Self, ParallelError> {
        let room = |n: usize| Tensor::f_zeros([n as i64], (Kind::Float, ranks.device()));
        let (own, all) = (counts[ranks.rank()], counts.iter().sum::<usize>());
        Ok(Self {
            from: room(part * own * ranks.size())?,
            to: room(part * all)?,
            own: room(part)?,
            all: room(part * ranks.size())?,
        })
    }

    fn sum(&self, ranks: &dyn Transport, chunk: &Chunk<'_>) -> Result<(), ParallelError> {
        let piece = |t: &Tensor, start: usize, n: usize| t.f_narrow(0, start as i64, n as i64);
        let mut at = 0;
        let mut sent = Vec::with_capacity(ranks.size());
        for rank in 0..ranks.size() {
            let (start, n) = chunk.of(rank);
            for flat in chunk.flat {
                piece(&self.from, at, n)?.f_copy_(&piece(flat, start, n)?)?;
                at += n;
            }
            sent.push(n * chunk.flat.len());
        }
        let (_, mine) = chunk.of(ranks.rank());
        let received: Vec<usize> = chunk.counts.iter().map(|count| count * mine).collect();
        ranks.all_to_all((&self.from, &sent), (&self.to, &received))?;
        let (sum, addends) = (piece(&self.own, 0, mine)?, received.iter().sum::<usize>() / mine.max(1));
        for number in 0..addends {
            let addend = piece(&self.to, number * mine, mine)?;
            match number {
                0 => sum.shallow_clone().f_copy_(&addend)?,
                _ => drop(sum.shallow_clone().f_add_(&addend)?),
            }
        }
        ranks.all_gather(&piece(&self.own, 0, chunk.part)?, &piece(&self.all, 0, chunk.part * ranks.size())?)?;
        let whole = chunk.of(ranks.size() - 1);
        let n = whole.0 + whole.1 - chunk.start;
        piece(chunk.out, chunk.start, n)?.f_copy_(&piece(&self.all, 0, n)?)?;
        Ok(())
    }
}
