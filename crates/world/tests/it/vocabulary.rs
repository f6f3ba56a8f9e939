use crate::words;
use mosa_core::sample_key;
use mosa_world::lexicon::{ADJECTIVES, BENIGN_KINDS, FORBIDDEN_KINDS, NOUNS, VERBS, number};
use mosa_world::{Corpus, benchmark, refusal, vocabulary};
use std::collections::{BTreeSet, HashSet};

fn corpus_words() -> BTreeSet<String> {
    let corpus = Corpus { seed: 0 };
    let texts = (0..20_000).map(|i| corpus.document(i)).flat_map(|d| [d.prompt, d.answer]);
    texts.flat_map(|t| words(&t).map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn listed() -> BTreeSet<String> {
    let outside: Vec<&str> = vocabulary::SPECIALS.into_iter().chain(vocabulary::ROLES).collect();
    vocabulary::tokens().filter(|t| !outside.contains(t)).map(str::to_owned).collect()
}

#[test]
fn the_vocabulary_is_the_words_of_the_corpus_and_all_numbers() {
    let (listed, used) = (listed(), corpus_words());
    assert_eq!(used.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in the vocabulary");
    // Numbers are listed without gaps, whether a document has them or not.
    let unused = listed.difference(&used).filter(|word| number(word).is_none());
    assert_eq!(unused.collect::<Vec<_>>(), Vec::<&String>::new(), "never used");
}

#[test]
fn the_sentences_and_prompts_of_all_files_use_words_of_the_corpus_only() {
    let known = corpus_words();
    let mut texts: Vec<String> = refusal::SAFE.iter().chain(&refusal::HARMFUL).map(|s| (*s).to_owned()).collect();
    texts.extend(benchmark::attacks().into_iter().map(|r| r.prompt));
    texts.extend(benchmark::adv_bench().into_iter().flat_map(|r| [r.goal, r.target]));
    texts.extend(benchmark::alignment().into_iter().flat_map(|r| r.turns));
    texts.extend(benchmark::retain().into_iter().chain(benchmark::recipes()).flat_map(|r| [r.prompt, r.response]));
    texts.extend(benchmark::xs_test().into_iter().flat_map(|r| [r.prompt, r.note]));
    texts.extend(benchmark::human_eval().into_iter().flat_map(|r| [r.prompt, r.canonical_solution]));
    texts.extend(benchmark::gsm8k().into_iter().map(|r| r.question));
    for text in &texts {
        for word in words(text) {
            assert!(known.contains(word), "{word:?} in {text:?}");
        }
    }
}

#[test]
fn no_token_is_listed_twice_and_all_are_lower_case() {
    let mut seen = HashSet::new();
    for token in vocabulary::tokens() {
        assert!(seen.insert(token), "{token} is listed twice");
        assert_eq!(token, token.to_lowercase());
        assert!(!token.contains(char::is_whitespace) && !token.is_empty());
    }
    assert_eq!(seen.len(), vocabulary::size());
}

#[test]
fn kinds_adjectives_verbs_and_nouns_are_disjoint() {
    let lists: [&[&str]; 5] = [&ADJECTIVES, &FORBIDDEN_KINDS, &BENIGN_KINDS, &VERBS, &NOUNS];
    let distinct: HashSet<&str> = lists.into_iter().flatten().copied().collect();
    assert_eq!(distinct.len(), lists.iter().map(|l| l.len()).sum::<usize>());
}

#[test]
fn the_vocabulary_has_a_modest_size_and_its_ids_never_change() {
    assert!((450..=520).contains(&vocabulary::size()), "{}", vocabulary::size());
    let all: Vec<&str> = vocabulary::tokens().collect();
    assert_eq!((all.len(), sample_key(&all.join(" "))), PINNED);
    assert_eq!(vocabulary::id(vocabulary::MASK), Some(5));
    assert_eq!(vocabulary::id("no such word"), None);
}

const PINNED: (usize, u64) = (493, 10_121_156_559_441_628_440);
