//! Templates, tokenisers and texts that would take all memory, all time or all of the stack.

use crate::chat::template;
use crate::{edited, fixture};
use mosa_text::{ChatTemplate, MAX_TEXT, Message, Specials, TextError, Tokenizer};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn templates_that_are_too_large_or_too_deep_are_refused_before_they_are_read() {
    for source in [
        format!("{{{{ 'a'{} }}}}", "|e".repeat(33_000)),
        format!("{{{{ 1{} }}}}", "+1".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(100_000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(2_000), ")".repeat(2_000)),
        "{% if a %}".repeat(3_000) + &"{% endif %}".repeat(3_000),
        "{{ 1 }}".repeat(20_000),
        "x".repeat(600_000),
    ] {
        let error = ChatTemplate::new(source.clone(), BTreeMap::new()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("more than") || said.contains("recursion limits"), "{}: {said}", &source[..40]);
    }
    // As deep as they may be.
    for source in [
        format!("{{{{ 'a'{} }}}}", "|e".repeat(1_900)),
        format!("{{{{ {}1 }}}}", "not ".repeat(3_900)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(9_900)),
    ] {
        assert!(template(&source).render(&[], true).is_ok(), "{}", &source[..40]);
    }
}

/// What none of these may do is abort: each is an error, and soon.
#[test]
fn templates_that_ask_for_too_much_are_stopped() {
    let begun = Instant::now();
    for source in [
        "{{ '%1000000000d' % 1 }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ ('{0:99999}' * 3000).format(1) }}",
        "{{ 'a\nb'|indent(1000000000) }}",
        "{{ range(90000)|join('x' * 100000) }}",
        "{{ ('x' * 1000000).join(range(90000)) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 'x' * 90000000 * 100 }}",
        "{% set a = 'a' * 1000000 %}{{ a.replace('a', a)|length }}",
        "{% set a = 'a' * 1000000 %}{{ a|replace('a', a)|length }}",
        "{{ 'a'.center(1000000000) }}{{ 'a'|center(1000000000) }}",
        "{{ 'a'.ljust(8000000, 'x' * 100000) }}",
        "{{ [1]|batch(1000000000, 'x')|list|length }}",
        "{{ [[1]]|tojson(indent=1000000000) }}",
        "{{ strftime_now('%1000000000d') }}",
        "{% set n = namespace(x='ab') %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[1, 2, 3]) %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x|length }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = n.x, n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=1) %}{% for i in range(9999) %}{% set n.x = {'a': n.x} %}{% endfor %}{{ n.x }}",
        "{% set n = namespace() %}{% set n.a = n %}{{ n }}",
        "{% set n = namespace() %}{% set n.a = [n] %}{{ n }}",
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}",
    ] {
        let error = template(source).render(&[], true).unwrap_err();
        assert!(matches!(error, TextError::Template(_)), "{source}: {error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_conversation_that_is_too_long_is_refused_by_its_length() {
    let chat = template("{{ messages[0].content }}");
    let long = "word ".repeat(10_000_000);
    let error = chat.render(&[Message::user(&long)], true).unwrap_err();
    assert!(matches!(error, TextError::TooLong { bytes } if bytes > 50_000_000), "{error}");
    assert!(error.to_string().contains(&MAX_TEXT.to_string()), "{error}");
}

#[test]
fn a_text_that_is_too_long_is_refused_by_its_length_and_one_below_the_limit_is_tokenised() {
    let tokenizer = Tokenizer::load(&fixture("dream")).unwrap();
    let error = tokenizer.encode(&"word ".repeat(10_000_000)).unwrap_err();
    assert!(matches!(error, TextError::TooLong { bytes: 50_000_000 }), "{error}");
    assert!(error.to_string().contains(&MAX_TEXT.to_string()), "{error}");
    let text = "a word\n".repeat(MAX_TEXT / 7);
    let ids = tokenizer.encode(&text).unwrap();
    assert_eq!(tokenizer.decode(&ids, Specials::Keep).unwrap(), text);
}

#[test]
fn long_runs_of_blanks_take_time_in_proportion() {
    for name in ["dream", "llada"] {
        let tokenizer = Tokenizer::load(&fixture(name)).unwrap();
        for blank in [" ", "\t", "\n", " \n", "\u{3000}", "\u{a0} "] {
            let begun = Instant::now();
            let text = format!("a{}b", blank.repeat(200_000 / blank.len()));
            let ids = tokenizer.encode(&text).unwrap();
            assert_eq!(tokenizer.decode(&ids, Specials::Keep).unwrap(), text, "{name} {blank:?}");
            // Quadratic time would be minutes.
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} {blank:?}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_pattern_that_backtracks_is_named_with_its_file() {
    let pattern = r"(x+x+)+y";
    let dir = edited("llada", |t| {
        t["pre_tokenizer"] =
            json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    });
    let tokenizer = Tokenizer::load(dir.path()).unwrap();
    assert!(tokenizer.encode("hello").is_ok());
    for length in [40, 5_000] {
        let error = tokenizer.encode(&"x".repeat(length)).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json") && error.contains(pattern), "{error}");
    }
    // The tokeniser is not spoiled by it.
    assert!(tokenizer.encode("hello").is_ok());
}

#[test]
fn stages_that_make_texts_huge_are_named_with_their_file() {
    let double = |from: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": from.repeat(1000)});
    for normalizer in [
        json!({"type": "Sequence", "normalizers": [double("a"), double("a"), double("a")]}),
        json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "a".repeat(1_000_000)}),
        json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "a".repeat(100_000)}, double("a")]}),
    ] {
        let dir = edited("llada", |t| t["normalizer"] = normalizer.clone());
        let error = Tokenizer::load(dir.path()).unwrap().encode(&"a".repeat(100)).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json") && error.contains("`normalizer`"), "{error}");
    }
    // A token's own text goes through it when the file is read.
    let dir = edited("llada", |t| {
        t["normalizer"] = json!({"type": "Sequence", "normalizers": [double("a"), double("a"), double("a")]});
        let tokens = t["added_tokens"].as_array_mut().unwrap();
        tokens[0]["content"] = json!("aaaa");
        tokens[0]["normalized"] = json!(true);
    });
    let error = Tokenizer::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("`normalizer`"), "{error}");
    let dir = edited("llada", |t| {
        t["decoder"] = json!({"type": "Sequence", "decoders": [double("a"), double("a"), double("a")]});
    });
    let tokenizer = Tokenizer::load(dir.path()).unwrap();
    let ids = tokenizer.encode("a a a").unwrap();
    let error = tokenizer.decode(&ids, Specials::Keep).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("`decoder`"), "{error}");
    // What ordinary tokenisers do is far below the limit.
    let dir = edited("llada", |t| {
        t["normalizer"] = json!({"type": "Sequence", "normalizers": [
            {"type": "NFKC"}, {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]});
    });
    assert!(Tokenizer::load(dir.path()).unwrap().encode(&"a word ".repeat(10_000)).is_ok());
}
