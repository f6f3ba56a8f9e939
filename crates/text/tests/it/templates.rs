//! Templates as transformers renders them: what each writes was taken from jinja2 with the settings of transformers.

use crate::chat::template;
use mosa_text::{ChatTemplate, Message};
use std::path::Path;

fn conversation() -> Vec<Message> {
    let turn = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
    vec![
        turn("system", " Be  kind. "),
        turn("user", "Hi 'there' <b>\n\né"),
        turn("assistant", "<think>a b</think>\n\nOk 100% {x}"),
    ]
}

fn renders(cases: &[(&str, &str)]) {
    for (source, text) in cases {
        let rendered = template(source).render(&conversation(), true);
        assert_eq!(rendered.as_deref().unwrap_or("(an error)"), *text, "{source}: {rendered:?}");
    }
}

#[test]
fn generation_blocks_are_transparent_and_a_scope_of_their_own() {
    renders(&[
        (
            "{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %};{% endfor %}",
            "system;user;assistant;",
        ),
        (
            "{%- for m in messages -%}\n  {%- generation -%}\n  {{ m.role }}\n  {%- endgeneration -%}\n{%- endfor -%}",
            "systemuserassistant",
        ),
        ("{% generation %}\n  a\n{% endgeneration %}\nb", "  a\nb"),
        ("{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}", "21"),
        ("{% raw %}{% generation %}{{ x % y }}{% endraw %}", "{% generation %}{{ x % y }}"),
        ("{# {% generation %} #}{{ '{% generation %}' }}", "{% generation %}"),
    ]);
}

#[test]
fn a_percent_sign_formats_text_and_divides_numbers() {
    renders(&[
        ("{{ '<%s>' % messages[0].role }}", "<system>"),
        ("{{ '%s %d %.2f 100%%' % ('a', 3, 3.14159) }}", "a 3 3.14 100%"),
        ("{{ '%(role)s!' % messages[0] }}", "system!"),
        ("{{ '%r %s %s %s %d' % ('a', none, true, [1, 'b'], 3.7) }}", "'a' None True [1, 'b'] 3"),
        ("{{ '%5s|%-5s|%05d|%x' % ('a', 'b', 42, 255) }}", "    a|b    |00042|ff"),
        ("{{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 % 2 }}", "1 2 -2 1.5"),
        (
            "{{ 2 * 5 % 3 }} {{ 20 % 7 % 4 }} {{ 1 + 7 % 3 * 2 }} {{ 2 ** 3 % 5 }} {{ 'x' ~ 5 % 3 ~ 'y' }}",
            "1 2 3 3 x2y",
        ),
        ("{{ 'a%sb' % 'x' | upper }} {{ ('a%sb' % 'x') | upper }} {{ '%s' % ('%s' % 'in') }}", "aXb AXB in"),
        ("{% for m in messages %}{{ loop.index0 % 2 == 0 }}{% endfor %}", "TrueFalseTrue"),
        ("{{ not 4 % 2 }} {{ 3 in [1, 3 % 2] }} {{ ['a','b'][3 % 2] }} {{ {'k': '%s' % 1}['k'] }}", "True False b 1"),
        ("{% set n = namespace(x='') %}{% set n.x='%s'%['a'] %}{{ n.x }}", "['a']"),
    ]);
    for wrong in ["{{ '%s %s' % 'a' }}", "{{ '%s' % ('a', 'b') }}", "{{ 5 % 'a' }}", "{{ 5 % 0 }}", "{{ '%d' % 'a' }}"]
    {
        assert!(template(wrong).render(&conversation(), true).is_err(), "{wrong}");
    }
}

#[test]
fn json_is_what_transformers_gives_to_templates() {
    renders(&[
        ("{{ messages[1] | tojson }}", r#"{"role": "user", "content": "Hi 'there' <b>\n\né"}"#),
        ("{{ messages[1].content | tojson(ensure_ascii=true) }}", r#""Hi 'there' <b>\n\n\u00e9""#),
        ("{{ '\u{1f600}' | tojson(true) }}", r#""\ud83d\ude00""#),
        (
            "{{ {'b': 1, 'a': [1, 2.0, none, true, {}]} | tojson(indent=2, sort_keys=true) }}",
            "{\n  \"a\": [\n    1,\n    2.0,\n    null,\n    true,\n    {}\n  ],\n  \"b\": 1\n}",
        ),
        (
            "{{ {'b': [1, 2]} | tojson(separators=(',', ':')) }} {{ {1: 1e20, none: 1e-7} | tojson }}",
            r#"{"b":[1,2]} {"1": 1e+20, "null": 1e-07}"#,
        ),
    ]);
}

#[test]
fn templates_get_the_names_methods_and_tests_of_transformers() {
    renders(&[
        (
            "{{ tools is none }} {{ documents is none }} {{ add_generation_prompt }} {{ foo is defined }}|{{ foo }}|{{ bos_token }}",
            "True True True False||<s>",
        ),
        (
            "{{ messages[2].content.split('</think>')[-1].lstrip('\\n') }}|{{ 'a-b-c'.rsplit('-', 1) }}|{{ 'a b'.partition(' ') }}|{{ 'ab'.removeprefix('a') }}",
            "Ok 100% {x}|['a-b', 'c']|('a', ' ', 'b')|b",
        ),
        ("{% for k, v in messages[0].items() %}{{ k }}={{ v.strip() }};{% endfor %}", "role=system;content=Be  kind.;"),
        (
            "{% set n = namespace(a=[]) %}{% for m in messages[::-1] %}{% set n.a = n.a + [m.role] %}{% endfor %}{{ n.a }}",
            "['assistant', 'user', 'system']",
        ),
        (
            "{% macro f(m) %}[{{ m.role }}{{ caller() if caller }}]{% endmacro %}{{ f(messages[0]) }}{% call f(messages[1]) %}x{% endcall %}",
            "[system][userx]",
        ),
        (
            "{% set a, b = 1, messages[0].role %}{{ a }}{{ b }}{% for (k, v) in {'x': 1}.items() %}{{ k }}{{ v }}{% endfor %}",
            "1systemx1",
        ),
        (
            "{{ 'a' is sequence }} {{ messages[0] is sequence }} {{ raise_exception is callable }} {{ 'x'.center(3) }}|",
            "True True True  x |",
        ),
    ]);
}

#[test]
fn the_date_is_todays() {
    // Noon or midnight may pass between the two.
    let written = template("{{ strftime_now('%Y-%m-%d|%%|%f|%Z|') }}").render(&[], true).unwrap();
    let parts: Vec<&str> = written.split('|').collect();
    assert_eq!((parts[1], parts[2].len(), parts[3], parts[4]), ("%", 6, "", ""), "{written}");
    let days = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let year: u64 = parts[0][..4].parse().unwrap();
    // A year is 365.2425 days; the year's first and last days may be off by one.
    assert!(
        (1970 + (days * 10_000 - 20_000) / 3_652_425..=1970 + (days * 10_000 + 20_000) / 3_652_425).contains(&year)
    );
    assert_eq!(parts[0].len(), 10);
}

fn written(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        std::fs::write(dir.join(name), text).unwrap();
    }
}

#[test]
fn a_template_is_found_where_transformers_looks_and_the_first_place_wins() {
    let dir = tempfile::tempdir().unwrap();
    let found = || ChatTemplate::load(dir.path()).unwrap().map(|t| t.render(&[], true).unwrap());
    assert_eq!(found(), None);
    for (name, text, expected) in [
        ("chat_template.json", r#"{"chat_template": "processor"}"#, "processor"),
        ("chat_template.json", r#"{"chat_template": [{"name": "default", "template": "listed"}]}"#, "listed"),
        ("tokenizer_config.json", r#"{"chat_template": {"tool_use": "T", "default": "D"}}"#, "D"),
        (
            "tokenizer_config.json",
            r#"{"bos_token": "<s>", "additional_special_tokens": ["<x>"], "chat_template": "{{ bos_token }}{{ additional_special_tokens }}"}"#,
            "<s>['<x>']",
        ),
        ("additional_chat_templates/tool_use.jinja", "T", "<s>['<x>']"),
        ("additional_chat_templates/default.jinja", "A", "A"),
        ("chat_template.jinja", "F", "F"),
    ] {
        written(dir.path(), &[(name, text)]);
        assert_eq!(found().as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn several_templates_without_a_default_are_refused_by_their_names() {
    let listed = r#"{"chat_template": [{"name": "rag", "template": "R"}, {"name": "tool_use", "template": "T"}]}"#;
    for (name, text) in [
        ("tokenizer_config.json", listed),
        ("chat_template.json", listed),
        ("additional_chat_templates/tool_use.jinja", "T"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), &[(name, text)]);
        let error = ChatTemplate::load(dir.path()).unwrap_err().to_string();
        let file = name.split('/').next().unwrap();
        assert!(error.contains("default") && error.contains("tool_use") && error.contains(file), "{error}");
    }
}

#[test]
fn a_template_that_fails_names_its_file() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &[("chat_template.jinja", "{{ messages[0].nope.deep }}")]);
    let error = ChatTemplate::load(dir.path()).unwrap().unwrap().render(&conversation(), true).unwrap_err().to_string();
    assert!(error.contains("chat_template.jinja"), "{error}");
}
