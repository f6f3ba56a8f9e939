//! Rows that share a pass: with caches and without, from different starts, with different rules of attention.

use crate::devices::{models, rounding};
use crate::{canvas, distance, load, logits, naive};
use mosa_core::{Rng, Stream, TokenId};
use mosa_model::{Attention, Call, DenoisingModel, KvCache, ModelError, Row, Slot, Transformer};
use tch::Tensor;

const FAMILIES: [&str; 3] = ["llada", "dream", "mmada"];

fn forward(model: &Transformer, rows: Vec<Row<'_>>, want: &[Slot]) -> Tensor {
    tch::no_grad(|| model.forward(Call::of(rows, want))).unwrap()
}

/// The positions of a span in row `row`, for a model that scores a position from the one `lookback` before.
fn positions(model: &Transformer, row: usize, span: std::ops::Range<usize>) -> Vec<Slot> {
    let first = if span.start == 0 { 0 } else { span.start + model.spec().lookback };
    (first..span.end).map(|p| (row, p)).collect()
}

/// Canvases of three lengths.
fn canvases(model: &Transformer) -> [Vec<TokenId>; 3] {
    [canvas(model, 10, 12), canvas(model, 6, 9), canvas(model, 17, 13)]
}

#[test]
fn cached_rows_of_any_start_and_length_score_together_as_alone() {
    for (name, model) in models(&FAMILIES) {
        let rows = canvases(&model);
        let spans = [13..18, 4..15, 29..30];
        let all: Vec<Slot> = rows.iter().enumerate().flat_map(|(r, row)| positions(&model, r, 0..row.len())).collect();
        let windows: Vec<Slot> = spans.iter().enumerate().flat_map(|(r, s)| positions(&model, r, s.clone())).collect();
        let (mut shared, mut own) = ([(); 3].map(|()| KvCache::new()), [(); 3].map(|()| KvCache::new()));
        let filled = forward(
            &model,
            rows.iter().zip(&mut shared).map(|(row, cache)| Row::cached(row, 0, cache)).collect(),
            &all,
        );
        let read = forward(
            &model,
            rows.iter()
                .zip(&spans)
                .zip(&mut shared)
                .map(|((row, s), cache)| Row::cached(&row[s.clone()], s.start, cache))
                .collect(),
            &windows,
        );
        let (mut filled_alone, mut read_alone) = (Vec::new(), Vec::new());
        for ((row, span), cache) in rows.iter().zip(&spans).zip(&mut own) {
            let want = positions(&model, 0, 0..row.len());
            filled_alone.push(forward(&model, vec![Row::cached(row, 0, cache)], &want));
            let want = positions(&model, 0, span.clone());
            read_alone.push(forward(&model, vec![Row::cached(&row[span.clone()], span.start, cache)], &want));
            assert_eq!(cache.positions(), row.len());
        }
        let off = distance(&filled, &Tensor::cat(&filled_alone, 0));
        assert!(off < rounding(&model), "{name}: {off}");
        // Dream's positions skip padding, with a cache as without, so a filled row scores as a plain one.
        let plain = Tensor::cat(&rows.iter().map(|row| logits(&model, row)).collect::<Vec<_>>(), 0);
        assert!(distance(&filled, &plain) < rounding(&model), "{name}");
        let off = distance(&read, &Tensor::cat(&read_alone, 0));
        assert!(off < rounding(&model), "{name}: {off}");
    }
}

#[test]
fn rows_with_a_cache_and_rows_without_one_share_a_pass() {
    for (name, model) in models(&FAMILIES) {
        let [first, second, third] = canvases(&model);
        let mut cache = KvCache::new();
        let _ = forward(&model, vec![Row::cached(&third, 0, &mut cache)], &[(0, 0)]);
        let mut empty = KvCache::new();
        let together = forward(
            &model,
            vec![
                Row::new(&first),
                Row::cached(&third[20..], 20, &mut cache),
                Row::new(&second),
                Row::cached(&first, 0, &mut empty),
            ],
            &[(0, 12), (1, 25), (2, 8), (3, 12)],
        );
        let alone = [(&first, 12), (&third, 25), (&second, 8), (&first, 12)].map(|(row, p)| logits(&model, row).get(p));
        let off = distance(&together, &Tensor::stack(&alone, 0));
        assert!(off < rounding(&model), "{name}: {off}");
        assert_eq!((cache.positions(), empty.positions()), (30, 22));
    }
}

const RULES: [Attention; 5] = [
    Attention::Full,
    Attention::BlockCausal { block: 4 },
    Attention::BlockCausal { block: 7 },
    Attention::Prefix { len: 5 },
    Attention::Prefix { len: 300 },
];

#[test]
fn a_rule_of_attention_is_the_mask_written_down_by_hand() {
    for (name, model) in models(&["llada", "dream"]) {
        let row = canvas(&model, 11, 10);
        let want = positions(&model, 0, 0..row.len());
        let full = naive::logits(name, &model, &row, |_, _| true);
        for rule in RULES {
            let scored = forward(&model, vec![Row { attention: Some(rule), ..Row::new(&row) }], &want);
            let by_hand = naive::logits(name, &model, &row, |q, k| match rule {
                Attention::Full => true,
                Attention::BlockCausal { block } => k < (q / block + 1) * block,
                Attention::Prefix { len } => k < len,
                Attention::Teacher { .. } => rule.sees(q, k),
            });
            let off = distance(&scored, &by_hand);
            assert!(off < 2.0 * rounding(&model), "{name} {rule:?}: {off}");
            let hides = !matches!(rule, Attention::Full | Attention::Prefix { len: 300 });
            assert_eq!(distance(&full, &by_hand) > 1e-2, hides, "{name} {rule:?}");
        }
    }
}

#[test]
fn padding_never_changes_a_row_whatever_it_may_see() {
    for (name, model) in models(&FAMILIES) {
        let rows = canvases(&model);
        for rules in [[RULES[0], RULES[1], RULES[3]], [RULES[2], RULES[4], RULES[1]], [RULES[1]; 3]] {
            let ask = |r: usize| Row { attention: Some(rules[r]), ..Row::new(&rows[r]) };
            let want: Vec<Slot> = (0..3).flat_map(|r| positions(&model, r, 0..rows[r].len())).collect();
            let together = forward(&model, (0..3).map(ask).collect(), &want);
            let alone = (0..3).map(|r| forward(&model, vec![ask(r)], &positions(&model, 0, 0..rows[r].len())));
            let off = distance(&together, &Tensor::cat(&alone.collect::<Vec<_>>(), 0));
            assert!(off < rounding(&model), "{name} {rules:?}: {off}");
        }
    }
}

#[test]
fn a_block_causal_row_computed_block_by_block_scores_as_in_one_pass() {
    for (name, model) in models(&FAMILIES) {
        let attention = Some(Attention::BlockCausal { block: 4 });
        let row = canvas(&model, 9, 9);
        let want = positions(&model, 0, 0..row.len());
        let whole = forward(&model, vec![Row { attention, ..Row::new(&row) }], &want);
        let mut cache = KvCache::new();
        let mut by_block = |start: usize, end: usize| {
            // A shifted model scores the first position of a block from the one before.
            let from = start.saturating_sub(model.spec().lookback);
            let part = Row { attention, ..Row::cached(&row[from..end], from, &mut cache) };
            let want: Vec<Slot> = (start..end).map(|p| (0, p)).collect();
            let scored = forward(&model, vec![part], &want);
            assert_eq!(cache.positions(), end, "a block only adds to the cache");
            let off = distance(&scored, &whole.narrow(0, start as i64, (end - start) as i64));
            assert!(off < rounding(&model), "{name} {start}..{end}: {off}");
        };
        [(0, 4), (4, 8), (8, 12), (12, 16), (16, 18)].into_iter().for_each(|(start, end)| by_block(start, end));
    }
}

#[test]
fn a_second_copy_shows_every_block_what_stands_in_those_before_it() {
    for (name, model) in models(&["llada", "mmada"]) {
        for (prompt, block) in [(9, 4), (8, 4), (3, 5), (10, 32)] {
            let (masked, mask) = (canvas(&model, prompt, 14), model.spec().mask);
            // What stands there in the end: the prompt, then anything.
            let written: Vec<TokenId> =
                (0..).zip(&masked).map(|(i, &t)| if t == mask { 5 + i * 7 % 90 } else { t }).collect();
            let (len, from) = (masked.len(), prompt / block * block);
            let row: Vec<TokenId> = masked.iter().chain(&written[from..]).copied().collect();
            let attention = Some(Attention::Teacher { block, len, from });
            let want: Vec<Slot> = (prompt..len).map(|p| (1, p)).collect();
            // Beside a shorter row, so that it is padded elsewhere and pads.
            let short = Row { attention: Some(Attention::BlockCausal { block }), ..Row::new(&masked[..3]) };
            let scored = forward(&model, vec![short, Row { attention, ..Row::new(&row) }], &want);
            for at in prompt..len {
                let start = at / block * block;
                let own: Vec<TokenId> = written[..start].iter().chain(&masked[start..]).copied().collect();
                let end = (start + block).min(len);
                let attention = Some(Attention::BlockCausal { block });
                let alone = forward(&model, vec![Row { attention, ..Row::new(&own[..end]) }], &[(0, at)]);
                let off = distance(&scored.get((at - prompt) as i64), &alone.get(0));
                assert!(off < 2.0 * rounding(&model), "{name} prompt {prompt} block {block} position {at}: {off}");
            }
            let attention = Some(Attention::BlockCausal { block });
            let unwritten = forward(&model, vec![Row { attention, ..Row::new(&masked) }], &[(0, len - 1)]);
            let shown = distance(&scored.get((len - 1 - prompt) as i64), &unwritten.get(0));
            assert_eq!(shown > 1e-2, block < 32, "{name} prompt {prompt} block {block}: {shown}");
        }
    }
}

#[test]
fn a_second_copy_that_begins_inside_a_block_or_has_a_cache_is_refused() {
    let model = load("llada");
    let (row, mut cache) = (canvas(&model, 8, 8), KvCache::new());
    let teacher = |block, len, from| Some(Attention::Teacher { block, len, from });
    let refused = |row: Row<'_>| model.forward(Call::of(vec![row], &[(0, 0)])).is_err();
    assert!(!refused(Row { attention: teacher(4, 12, 8), ..Row::new(&row) }));
    for (block, len, from) in [(4, 12, 6), (4, 17, 8), (0, 12, 8), (4, 4, 8)] {
        assert!(refused(Row { attention: teacher(block, len, from), ..Row::new(&row) }), "{block} {len} {from}");
    }
    assert!(refused(Row { attention: teacher(4, 12, 8), ..Row::cached(&row, 0, &mut cache) }));
}

/// A row of a random call: what it asks for may be impossible.
struct Asked {
    tokens: Vec<TokenId>,
    start: usize,
    cache: Option<usize>,
    attention: Option<Attention>,
}

fn asked(model: &Transformer, rng: &mut Rng) -> Asked {
    let vocab = model.spec().vocab + usize::from(rng.below(40) == 0);
    let len = if rng.below(12) == 0 { 0 } else { 1 + rng.below(12) };
    Asked {
        tokens: (0..len).map(|_| rng.below(vocab) as TokenId).collect(),
        start: if rng.below(3) == 0 { rng.below(16) } else { 0 },
        cache: (rng.below(3) > 0).then(|| rng.below(4)),
        attention: [None, Some(Attention::Full), Some(Attention::BlockCausal { block: rng.below(6) }), Some(RULES[3])]
            [rng.below(4)],
    }
}

#[test]
fn random_calls_are_answered_or_refused_and_a_refused_one_leaves_the_caches_alone() {
    let model = load("dream");
    let mut caches = [(); 4].map(|()| KvCache::new());
    let (mut answered, mut refused) = (0, 0);
    for round in 0..400 {
        let mut rng = Rng::at(5, Stream::Bench, round, 0);
        let mut rows: Vec<Asked> = (0..rng.below(4)).map(|_| asked(&model, &mut rng)).collect();
        // A cache is of one row.
        let mut taken = Vec::new();
        for row in &mut rows {
            row.cache = row.cache.filter(|cache| !taken.contains(cache));
            taken.extend(row.cache);
        }
        let want: Vec<Slot> = (0..rng.below(5)).map(|_| (rng.below(3), rng.below(14))).collect();
        let before = caches.each_ref().map(KvCache::positions);
        let mut free: Vec<Option<&mut KvCache>> = caches.iter_mut().map(Some).collect();
        let call: Vec<Row<'_>> = rows
            .iter()
            .map(|row| {
                let cache = row.cache.and_then(|c| free[c].take());
                Row { start: row.start, cache, attention: row.attention, ..Row::new(&row.tokens) }
            })
            .collect();
        match tch::no_grad(|| model.forward(Call::of(call, &want))) {
            Ok(logits) => {
                assert_eq!(logits.size(), [want.len() as i64, model.spec().vocab as i64]);
                assert_eq!(logits.isfinite().all().int64_value(&[]), 1, "round {round}");
                answered += 1;
            }
            Err(ModelError::Call(_)) => {
                assert_eq!(before, caches.each_ref().map(KvCache::positions), "round {round}");
                refused += 1;
            }
            Err(other) => panic!("round {round}: {other}"),
        }
    }
    assert!(answered > 40 && refused > 40, "{answered} answered, {refused} refused");
}

#[test]
fn what_stands_beside_a_row_leaves_its_bits_alone_and_has_its_own() {
    let model = load("sdar");
    let row = canvas(&model, 9, 6);
    let mut next = row.clone();
    next[10] = 17;
    let want = |row: usize, span: std::ops::Range<usize>| span.map(move |p| (row, p)).collect::<Vec<Slot>>();
    let filled = || {
        let mut cache = KvCache::new();
        let _ = forward(&model, vec![Row::cached(&row[..12], 0, &mut cache)], &[(0, 9)]);
        cache
    };
    let alone = |tokens: &[TokenId], span: std::ops::Range<usize>, cache: &mut KvCache| {
        forward(&model, vec![Row::cached(&tokens[span.clone()], span.start, cache)], &want(0, span))
    };
    // The same block as it may become, and the next block behind it.
    for end in [12, 15] {
        let (mut cache, mut own, mut other) = (filled(), filled(), filled());
        let rows = vec![Row::cached(&row[9..12], 9, &mut cache), Row::beside(&next[9..end], 9)];
        let both = forward(&model, rows, &[want(0, 9..12), want(1, 9..end)].concat());
        assert!(both.narrow(0, 0, 3).equal(&alone(&row, 9..12, &mut own)));
        assert!(both.narrow(0, 3, end as i64 - 9).equal(&alone(&next, 9..end, &mut other)));
        assert_eq!(cache.positions(), 12);
        let behind = |cache: &mut KvCache, from: usize| {
            forward(&model, vec![Row::cached(&next[from..15], from, cache)], &want(0, from..15))
        };
        if end == 15 {
            cache.adopt().unwrap();
            assert_eq!(cache.positions(), 15);
            assert!(behind(&mut cache, 12).equal(&behind(&mut other, 12)));
        } else {
            assert!(behind(&mut cache, 12).equal(&behind(&mut own, 12)));
        }
    }
}

#[test]
fn a_row_beside_another_needs_one_to_stand_beside() {
    let model = load("sdar");
    let row = canvas(&model, 9, 6);
    let refused = |rows: Vec<Row<'_>>| matches!(model.forward(Call::of(rows, &[(0, 9)])), Err(ModelError::Call(_)));
    assert!(refused(vec![Row::beside(&row[9..12], 9)]));
    assert!(refused(vec![Row::new(&row), Row::beside(&row[9..12], 9)]));
    let mut cache = KvCache::new();
    let _ = forward(&model, vec![Row::cached(&row[..12], 0, &mut cache)], &[(0, 9)]);
    assert!(refused(vec![Row::cached(&row[9..12], 9, &mut cache), Row::beside(&row[6..12], 6)]), "another start");
    assert!(refused(vec![Row::cached(&row[9..12], 9, &mut cache), Row::beside(&row[9..11], 9)]), "fewer positions");
}
