//! What ranks tell each other of a step, as bytes: every number keeps its bits, infinities too.

use crate::example::Part;
use crate::loss::{Look, Terms};
use crate::preference::Likelihoods;
use crate::reward::{RewardTerms, SentenceScore};
use mosa_parallel::ParallelError;

/// Something that is written as bytes and read back.
pub(crate) trait Wire: Sized {
    /// Appends its bytes.
    fn put(&self, to: &mut Vec<u8>);

    /// Takes it off the front; `None` if the bytes are of something else.
    fn take(from: &mut &[u8]) -> Option<Self>;

    /// Its bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut to = Vec::new();
        self.put(&mut to);
        to
    }

    /// What the bytes are of.
    ///
    /// # Errors
    /// [`ParallelError::Garbled`].
    fn read(mut from: &[u8]) -> Result<Self, ParallelError> {
        let whole = Self::take(&mut from).filter(|_| from.is_empty());
        whole.ok_or(ParallelError::Garbled("the terms of a step"))
    }
}

impl Wire for u64 {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (first, rest) = from.split_first_chunk::<8>()?;
        *from = rest;
        Some(Self::from_le_bytes(*first))
    }
}

impl Wire for usize {
    fn put(&self, to: &mut Vec<u8>) {
        (*self as u64).put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from)?.try_into().ok()
    }
}

impl Wire for u32 {
    fn put(&self, to: &mut Vec<u8>) {
        u64::from(*self).put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from)?.try_into().ok()
    }
}

impl Wire for f64 {
    fn put(&self, to: &mut Vec<u8>) {
        self.to_bits().put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from).map(Self::from_bits)
    }
}

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (first, rest) = from.split_first()?;
        *from = rest;
        Some(*first != 0)
    }
}

impl Wire for Part {
    fn put(&self, to: &mut Vec<u8>) {
        (*self == Self::Retained).put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::take(from)? { Self::Retained } else { Self::Aligned })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.len().put(to);
        self.iter().for_each(|one| one.put(to));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        // Nothing is made for a length that the bytes do not have.
        let n = usize::take(from).filter(|n| *n <= from.len())?;
        (0..n).map(|_| T::take(from)).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        self.iter().for_each(|one| one.put(to));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

/// A struct is its fields, one after the other; a field that is forgotten does not compile.
macro_rules! fields {
    ($type:ident: $($field:ident),+) => {
        impl Wire for $type {
            fn put(&self, to: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($field.put(to);)+
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Wire::take(from)?),+ })
            }
        }
    };
}
pub(crate) use fields;

fields!(Likelihoods: policy, reference);
fields!(Look: pair, chosen, part);
fields!(SentenceScore: score, start, all, tokens);
fields!(RewardTerms: reward, safe, harmful);
fields!(Terms: record, part, loss, reward, reward_reference, kl, kl_inside, kl_by_offset, has_linear, preference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_come_back_bit_for_bit_and_torn_ones_are_refused() {
        let score = SentenceScore { score: -0.0, start: 7, all: vec![f64::NEG_INFINITY, 1e-300], tokens: 3 };
        let look = Look { pair: 2, chosen: true, part: Likelihoods { policy: 0.1, reference: -0.2 } };
        let terms = Terms {
            record: 5,
            part: Part::Retained,
            loss: 0.1 + 0.2,
            reward: Some(RewardTerms { reward: 1.0, safe: score.clone(), harmful: score }),
            reward_reference: None,
            kl: 1.5,
            kl_inside: 0.5,
            kl_by_offset: vec![(0, 0.25), (9, 1.25)],
            has_linear: true,
            preference: Some(look),
        };
        let bytes = vec![(3usize, terms.clone())].bytes();
        assert_eq!(Vec::<(usize, Terms)>::read(&bytes).expect("whole"), [(3, terms)]);
        for cut in 0..bytes.len() {
            assert!(Vec::<(usize, Terms)>::read(&bytes[..cut]).is_err(), "{cut} bytes");
        }
    }
}
