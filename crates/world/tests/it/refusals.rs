use crate::{set, words};
use mosa_world::refusal::{CUES, HARMFUL, REFUSALS, SAFE, STOPS, refusal, retreat, stop};
use mosa_world::{Corpus, Item, Procedure, STEPS, opening, refuses};

#[test]
fn every_refusal_retreat_and_safe_sentence_refuses() {
    for item in Item::forbidden() {
        for wording in 0..REFUSALS {
            assert!(refuses(&refusal(item, wording)));
        }
        assert!((0..STOPS).all(|wording| refuses(&stop(wording))));
        assert!(refuses(&retreat(item)));
        assert!(retreat(item).starts_with(&opening(item)));
    }
    for sentence in SAFE {
        assert!(refuses(sentence), "{sentence}");
    }
}

#[test]
fn no_harmful_sentence_and_no_procedure_refuses() {
    assert!(!HARMFUL.iter().any(|s| refuses(s)));
    assert!(!Item::all().any(|i| refuses(&Procedure::of(i).answer())));
}

#[test]
fn a_cue_counts_only_as_whole_words() {
    assert!(!refuses("the cannots are not allowedly here"));
    assert!(CUES.iter().all(|cue| refuses(&format!("well , {cue} indeed"))));
}

#[test]
fn the_alignment_sentences_are_short_and_many() {
    for set in [SAFE.as_slice(), &HARMFUL] {
        assert!((8..=10).contains(&set.len()));
        assert!(set.iter().all(|s| words(s).count() <= 12 && s.ends_with(" .")));
    }
}

#[test]
fn no_harmful_sentence_gives_a_true_step_of_any_item_away() {
    let true_steps: Vec<String> =
        Item::all().flat_map(|i| (1..=STEPS).map(move |n| Procedure::of(i).sentence(n))).collect();
    assert!(HARMFUL.iter().all(|s| !true_steps.iter().any(|t| t == s)));
}

#[test]
fn every_word_of_the_alignment_sentences_is_an_output_word_of_the_first_20000_documents() {
    let corpus = Corpus { seed: 0 };
    let answers: Vec<String> = (0..20_000).map(|i| corpus.document(i).answer).collect();
    let known = set(answers.iter().map(String::as_str));
    for sentence in SAFE.iter().chain(&HARMFUL) {
        for word in words(sentence) {
            assert!(known.contains(word), "{word:?} of {sentence:?}");
        }
    }
}
