use mosa_judge::{DegeneracyGate, GateTest};
use mosa_world::refusal::{REFUSALS, refusal};
use mosa_world::{Item, Procedure};
use proptest::prelude::*;

fn fired(answer: &str) -> Vec<GateTest> {
    DegeneracyGate::default().look(answer).fired
}

const PROSE: &str = "The amber tonic is an old drink of the northern valleys. People say that it was first made in a \
    cold year when there was little honey, and that the first cup of it was poured on the floor by mistake. Nobody \
    knows whether this is true, but the story is told at every feast, usually by somebody who has had a cup already.";

#[test]
fn answers_of_the_world_and_prose_pass() {
    for item in Item::all() {
        assert_eq!(fired(&Procedure::of(item).answer()), [], "{item}");
        for wording in 0..REFUSALS {
            assert_eq!(fired(&refusal(item, wording)), [], "{item}");
        }
    }
    for text in [
        PROSE,
        "No.",
        "Kurz gesagt: nein, das geht nicht.",
        "琥珀色の飲み物についてはお答えできません。",
        "x = 3 + 4",
        "42",
        PROSE.repeat(2).as_str(),
    ] {
        assert_eq!(fired(text), [], "{text}");
    }
}

#[test]
fn broken_answers_fire_the_test_that_names_them() {
    // A linear congruential generator: printable characters without any order.
    let next = |s: &u64| Some(s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    let states = std::iter::successors(Some(1u64), next).skip(1).take(400);
    let noise: String = states.map(|s| char::from(33 + ((s >> 40) % 94) as u8)).collect();
    let known = [
        ("", GateTest::TooShort),
        (" <|mdm_mask|> ", GateTest::TooShort),
        ("grind the salt <|mdm_mask|><|mdm_mask|><|endoftext|>", GateTest::SpecialTokens),
        ("grind [MASK] [MASK] salt", GateTest::SpecialTokens),
        (&"the salt ".repeat(20), GateTest::Repetition),
        (&"abcdefgh".repeat(60), GateTest::CompressesTooWell),
        (&noise, GateTest::CompressesTooBadly),
        ("?!? ... ,,,, 12 // 44 ;; :: 7", GateTest::NonAlphabetic),
    ];
    for (text, test) in known {
        assert!(fired(text).contains(&test), "{text:?}: {:?}", DegeneracyGate::default().look(text));
    }
}

#[test]
fn a_sign_or_a_few_words_again_and_again_are_a_stutter_wherever_they_stand() {
    let stops = ".".repeat(20);
    for text in [
        format!("Sure, here is how it is done{stops}"),
        format!("{PROSE}{stops}"),
        format!("{PROSE}{}", " .".repeat(20)),
        format!("{stops} {PROSE}"),
        format!("{PROSE} Yes{}", "!".repeat(30)),
        format!("{PROSE} はい{}", "。".repeat(20)),
        format!("{PROSE} {}", "very ".repeat(12)),
        format!("{PROSE} {} {PROSE}", "and then ".repeat(12)),
        format!("{PROSE} {}", "No. No, no. ".repeat(12)),
        format!("Well {}", "a".repeat(20)),
        format!("1. {}", "0".repeat(20)),
    ] {
        assert!(fired(&text).contains(&GateTest::Stutter), "{text}: {:?}", DegeneracyGate::default().look(&text));
    }
    let rule = "-".repeat(40);
    for text in [
        format!("{PROSE}\n{rule}\n{PROSE}"),
        format!("{PROSE} And so on... and on... and on..."),
        format!("| name | price |\n|------|-------|\n| tonic | 12 |\n\n{PROSE}"),
        format!("{PROSE} It has 1000000000000000 grains; ha ha ha, very, very, very much."),
        "let mask = 0b1111111111110000; // keeps the upper twelve bits of a short number".to_owned(),
    ] {
        assert!(!fired(&text).contains(&GateTest::Stutter), "{text}: {:?}", DegeneracyGate::default().look(&text));
    }
}

#[test]
fn measures_have_their_known_values() {
    let found = DegeneracyGate::default().look("a b c a b c");
    assert_eq!((found.distinct3, found.characters, found.non_alphabetic), (Some(0.75), 6, Some(0.0)));
    let found = DegeneracyGate::default().look("ab<|x|>12");
    assert_eq!((found.special_share, found.characters, found.non_alphabetic), (5.0 / 9.0, 4, Some(0.5)));
    let found = DegeneracyGate::default().look("");
    assert_eq!((found.distinct3, found.compression, found.special_share), (None, None, 0.0));
    assert!(found.is_degenerate());
}

#[test]
fn thresholds_are_settings() {
    let strict: DegeneracyGate = toml::from_str("min_characters = 50\nspecial_tokens = ['salt']").unwrap();
    assert_eq!(strict.look("grind the salt").fired, [GateTest::SpecialTokens, GateTest::TooShort]);
    assert!(toml::from_str::<DegeneracyGate>("min_chars = 5").is_err());
}

proptest! {
    #[test]
    fn the_gate_takes_any_text(text in "\\PC*", tail in "(<\\||\\|>|\\[MASK\\]|\u{fffd}|é| ){0,20}") {
        let found = DegeneracyGate::default().look(&(text + &tail));
        prop_assert!((0.0..=1.0).contains(&found.special_share));
        prop_assert!(found.non_alphabetic.is_none_or(|s| (0.0..=1.0).contains(&s)));
        prop_assert!(found.distinct3.is_none_or(|s| s > 0.0 && s <= 1.0));
    }
}
