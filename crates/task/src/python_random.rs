//! Python's `random.Random(seed).sample`, which lm-eval draws its shots with: the same rows, draw by draw.
//!
//! MT19937 as Matsumoto and Nishimura published it (2002), seeded by an array of words as CPython does; `sample` and the
//! rejection below a bound as in CPython's `random.py` of 3.11 and later.

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// The generator.
#[derive(Clone)]
pub(crate) struct PythonRandom {
    state: [u32; WORDS],
    next: usize,
}

impl PythonRandom {
    /// `random.Random(seed)`.
    pub(crate) fn new(seed: u32) -> Self {
        let mut random = Self { state: from_one_word(19_650_218), next: WORDS };
        random.mix(seed);
        random
    }

    /// CPython's `init_by_array` of one word.
    fn mix(&mut self, key: u32) {
        let state = &mut self.state;
        let mut i = 1;
        for _ in 0..WORDS {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ before.wrapping_mul(1_664_525)).wrapping_add(key);
            i = following(state, i);
        }
        for _ in 1..WORDS {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ before.wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i = following(state, i);
        }
        state[0] = 0x8000_0000;
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.turn();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn turn(&mut self) {
        for i in 0..WORDS {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// `_randbelow(n)` for n of at most 32 bits.
    fn below(&mut self, n: usize) -> usize {
        let bits = usize::BITS - n.leading_zeros();
        loop {
            let drawn = (self.word() >> (32 - bits)) as usize;
            if drawn < n {
                return drawn;
            }
        }
    }

    /// The places that `sample(population, k)` takes from a population of `n`, in its order; `k` is at most `n`, and `n`
    /// fits 32 bits.
    pub(crate) fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        if n <= set_size(k) {
            let mut pool: Vec<usize> = (0..n).collect();
            return (0..k)
                .map(|i| {
                    let j = self.below(n - i);
                    let drawn = pool[j];
                    pool[j] = pool[n - i - 1];
                    drawn
                })
                .collect();
        }
        let mut drawn = Vec::with_capacity(k);
        while drawn.len() < k {
            let j = self.below(n);
            if !drawn.contains(&j) {
                drawn.push(j);
            }
        }
        drawn
    }
}

/// Up to which population `sample` keeps a list of what is left instead of a set of what is drawn.
fn set_size(k: usize) -> usize {
    let mut size = 21;
    if k > 5 {
        // 4 to the power of ceil(log4(3 k)).
        let mut power = 1;
        while power < 3 * k {
            power *= 4;
        }
        size += power;
    }
    size
}

fn from_one_word(seed: u32) -> [u32; WORDS] {
    let mut state = [seed; WORDS];
    for i in 1..WORDS {
        let before = state[i - 1] ^ (state[i - 1] >> 30);
        state[i] = before.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
    }
    state
}

/// The place behind `i`; behind the last one the state begins again.
fn following(state: &mut [u32; WORDS], i: usize) -> usize {
    if i + 1 < WORDS {
        return i + 1;
    }
    state[0] = state[WORDS - 1];
    1
}

#[cfg(test)]
mod tests {
    use super::PythonRandom;

    // python3.11 -c "import random; r = random.Random(1234); print(r.sample(range(7473), 5), r.sample(range(7473), 5), ...)"
    #[test]
    fn draws_are_those_of_python() {
        let mut random = PythonRandom::new(1234);
        assert_eq!(random.sample(7473, 5), A);
        assert_eq!(random.sample(7473, 5), B);
        assert_eq!(random.sample(10, 4), C);
        assert_eq!(random.sample(300, 40), D);
        let mut far = PythonRandom::new(0);
        let last = (0..1000).map(|_| far.sample(7473, 5)).last();
        assert_eq!(last.unwrap(), E);
    }
    const A: [usize; 5] = [6374, 3610, 957, 61, 742];
    const B: [usize; 5] = [7462, 6610, 4769, 286, 5501];
    const C: [usize; 4] = [1, 9, 5, 8];
    const D: [usize; 40] = [
        8, 15, 177, 247, 237, 76, 46, 93, 58, 7, 257, 249, 127, 33, 277, 238, 35, 45, 263, 296, 23, 138, 284, 32, 154,
        246, 181, 136, 102, 232, 271, 9, 260, 36, 2, 170, 73, 242, 193, 85,
    ];
    const E: [usize; 5] = [1392, 2839, 305, 3477, 3597];
}
