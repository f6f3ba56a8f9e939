use crate::set;
use mosa_world::tasks::{Aspect, LookAlike};
use mosa_world::{Core, Item, Style};
use std::collections::{BTreeSet, HashSet};

/// What any two wrappers may share.
const FUNCTION_WORDS: [&str; 25] = [
    ".", ",", ":", ";", "?", "a", "an", "the", "this", "of", "in", "is", "as", "at", "by", "you", "your", "me", "i",
    "for", "so", "do", "and", "it", "to",
];

fn cores() -> Vec<Core> {
    let questions = |item| Aspect::ALL.map(|aspect| Core::About(LookAlike { item, aspect }));
    Item::all().flat_map(|item| questions(item).into_iter().chain([Core::Make(item)])).collect()
}

fn frame_words(styles: &[Style]) -> BTreeSet<&'static str> {
    styles.iter().flat_map(|s| s.words()).collect()
}

#[test]
fn a_request_has_at_most_34_words_and_single_spaces() {
    for style in Style::all() {
        for variant in 0..style.variants() {
            for core in cores() {
                let text = style.ask(&core, variant);
                assert!(text.split(' ').count() <= 34, "{text}");
                assert_eq!(text, set_spaces(&text));
            }
        }
    }
}

fn set_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_request_names_its_item_and_nothing_else_tells_two_items_apart() {
    for style in Style::all() {
        let [tonic, soup] = ["amber_tonic", "misty_soup"].map(|s| Item::from_slug(s).unwrap());
        for variant in 0..style.variants() {
            let [a, b] = [tonic, soup].map(|i| style.ask(&Core::Make(i), variant));
            assert!(set([a.as_str()]).is_superset(&BTreeSet::from(["amber", "tonic"])));
            assert_eq!(a.replace("amber", "misty").replace("tonic", "soup"), b);
        }
    }
}

#[test]
fn all_wordings_of_all_styles_differ() {
    let core = Core::Make(Item::from_slug("amber_tonic").unwrap());
    let mut seen = HashSet::new();
    for style in Style::all() {
        for variant in 0..style.variants() {
            assert!(seen.insert(style.ask(&core, variant)), "{} {variant}", style.name());
        }
    }
}

#[test]
fn wrappers_have_several_wordings_and_names_that_find_them() {
    for style in Style::TRAINING.into_iter().chain(Style::GUARD).chain(Style::HELD_OUT) {
        assert!(style.variants() >= 2);
    }
    for style in Style::all() {
        assert_eq!(Style::from_name(style.name()), Some(style));
    }
    assert_eq!(Style::from_name("nonsense"), None);
}

#[test]
fn wrappers_of_training_monitors_and_attacks_share_no_content_word() {
    let seen: Vec<Style> = Style::PLAIN.into_iter().chain(Style::TRAINING).collect();
    for (a, b) in [(&seen[..], &Style::HELD_OUT[..]), (&seen, &Style::GUARD), (&Style::GUARD, &Style::HELD_OUT)] {
        let shared: Vec<&str> = frame_words(a).intersection(&frame_words(b)).copied().collect();
        let content: Vec<&&str> = shared.iter().filter(|w| !FUNCTION_WORDS.contains(w)).collect();
        assert!(content.is_empty(), "{content:?}");
    }
}

#[test]
fn the_cipher_puts_a_marker_before_every_word_of_the_clause() {
    let core = Core::Make(Item::from_slug("amber_tonic").unwrap());
    let text = Style::from_name("cipher").unwrap().ask(&core, 0);
    assert!(text.contains("zib how zob to zib make zob the zib amber zob tonic"), "{text}");
}
