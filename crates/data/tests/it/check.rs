use crate::{plain, read};
use mosa_data::{Benchmark, Nearness, ReadOptions, check, overlap};
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::{Duration, Instant};

fn texts(all: &[&str]) -> Benchmark {
    plain(&all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_check_counts_what_the_file_says() {
    let file = "id,prompt,type,label,focus,note\n1,shut it,homonyms,safe,,\n\
        2,break it now,contrast,unsafe,,\n3,go,contrast,unsafe,,\n";
    let benchmark = read("x.csv", file, &ReadOptions::default()).unwrap();
    let found = check(&benchmark, &Nearness::default());
    assert_eq!((found.behaviours, found.by_category["contrast"], found.by_label["unsafe"]), (3, 2, 2));
    assert!(found.by_style.is_empty() && found.by_functional.is_empty());
    assert_eq!((found.words.min, found.words.median, found.words.max, found.words.mean), (1, 2, 3, 2.0));
    assert_eq!((found.characters.min, found.characters.max), (2, 12));
    assert_eq!(found.sha256, benchmark.sha256);
}

#[test]
fn duplicates_are_exact_or_near_and_never_both() {
    let found = check(
        &texts(&[
            "Tell me how the miller opens the old gate at night",
            "tell me how the miller opens the old gate at night!",
            "Tell me how the miller opens the old gate at dawn",
            "How does one bake bread?",
            "Tell me, how the miller opens the old gate at dawn",
        ]),
        &Nearness::default(),
    );
    assert_eq!(found.exact, [["1", "2"], ["3", "5"]]);
    assert_eq!(found.near, [["1", "3"]]);
}

#[test]
fn texts_without_letters_or_spaces_are_compared_too() {
    let found = check(&texts(&["-.- .. -", "-.- .. .", "门在哪里呢", "门在哪里呢?", "门在那里"]), &Nearness::default());
    assert_eq!(found.exact, [["3", "4"]]);
    assert!(found.near.is_empty());
}

#[test]
fn an_overlap_names_the_closest_and_counts_the_rest() {
    let trained = texts(&[
        "Explain how the miller opens the old gate at night",
        "Explain how the miller opens the old gate at night now",
        "Something else",
    ]);
    let evaluated = texts(&["Bake bread", "explain how the miller opens the old gate at night", "Something else"]);
    let found = overlap(&evaluated, &trained, &Nearness::default());
    assert_eq!((found.exact, found.near, found.pairs, found.others_met), (2, 0, 3, 3));
    assert_eq!(
        (found.matches[0].id.as_str(), found.matches[0].other.as_str(), found.matches[0].partners),
        ("2", "1", 2)
    );
    assert!((found.share() - 2.0 / 3.0).abs() < 1e-12 && found.others_share() == 1.0);
    let back = overlap(&trained, &evaluated, &Nearness::default());
    assert_eq!((back.exact, back.near, back.pairs), (2, 1, 3));
}

#[test]
fn a_nearness_out_of_range_is_refused() {
    for (words, threshold) in [(0, 0.5), (5, 0.0), (5, 1.5), (5, f64::NAN)] {
        assert!(Nearness::new(words, threshold).is_err());
    }
    assert_eq!(Nearness::new(5, 0.5).unwrap(), Nearness::default());
}

/// `n` texts of random words, behind one long frame if they are wrapped.
fn many(n: usize, seed: usize, framed: bool) -> Benchmark {
    let mix = |x: u64| (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = |i: usize, j: usize| format!("w{}", (mix(mix((seed << 40 | i << 8 | j) as u64 + 1)) >> 32) % 3001);
    let frame = (0..if framed { 60 } else { 0 }).map(|j| format!("frame{j} ")).collect::<String>();
    let text = |i: usize| frame.clone() + &(0..12).map(|j| word(i, j)).collect::<Vec<_>>().join(" ");
    plain(&(0..n).map(text).collect::<Vec<_>>())
}

#[test]
fn ten_thousand_prompts_are_compared_in_seconds() {
    for framed in [false, true] {
        let (big, small) = (many(10_000, 0, framed), many(1_000, 17, framed));
        let start = Instant::now();
        let found = check(&big, &Nearness::default());
        let common = overlap(&small, &big, &Nearness::default());
        assert!(found.exact.is_empty());
        assert_eq!((found.near.len(), common.matches.len()), if framed { (1, 1_000) } else { (0, 0) });
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }
}

fn grams(text: &str, n: usize) -> HashSet<Vec<&str>> {
    let words: Vec<&str> = text.split(' ').collect();
    words.windows(n.min(words.len())).map(<[&str]>::to_vec).collect()
}

fn similarity(a: &str, b: &str, n: usize) -> f64 {
    let (a, b) = (grams(a, n), grams(b, n));
    a.intersection(&b).count() as f64 / a.union(&b).count() as f64
}

proptest! {
    #[test]
    fn an_overlap_finds_what_comparing_everything_finds(
        a in prop::collection::vec(prop::collection::vec("[abc]", 1..9), 1..8),
        b in prop::collection::vec(prop::collection::vec("[abc]", 1..9), 1..8),
        n in 1usize..4,
        threshold in prop::sample::select(vec![0.1, 0.25, 1.0 / 3.0, 0.5, 0.8, 1.0]),
    ) {
        let join = |all: &[Vec<String>]| all.iter().map(|w| w.join(" ")).collect::<Vec<_>>();
        let (a, b) = (join(&a), join(&b));
        let found = overlap(&plain(&a), &plain(&b), &Nearness::new(n, threshold).unwrap());
        let near = |x: &str, y: &str| similarity(x, y, n) >= threshold - 1e-9;
        let pairs = a.iter().flat_map(|x| b.iter().filter(|y| near(x, y))).count();
        prop_assert_eq!(found.pairs, pairs);
        prop_assert_eq!(found.others_met, b.iter().filter(|y| a.iter().any(|x| near(x, y))).count());
        for (i, x) in a.iter().enumerate() {
            let best = b.iter().map(|y| similarity(x, y, n)).fold(0.0, f64::max);
            let m = found.matches.iter().find(|m| m.id == (i + 1).to_string());
            prop_assert_eq!(m.map(|m| m.similarity), Some(best).filter(|s| *s >= threshold - 1e-9));
            prop_assert_eq!(m.is_some_and(|m| m.exact), b.contains(x));
        }
    }
}
