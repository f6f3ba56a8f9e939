//! Templates, tokenisers and texts that would take all memory, all time or all of the stack.

use crate::chat::template;
use mosa_text::{ChatTemplate, MAX_TEXT, Message, TextError};
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
        "{{ [1]|batch(1000000000, 'x')|list|length }}",
        "{{ [[1]]|tojson(indent=1000000000) }}",
        "{{ strftime_now('%1000000000d') }}",
        "{% set n = namespace(x='ab') %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
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
