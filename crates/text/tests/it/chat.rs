use crate::{fixture, json};
use mosa_text::{ChatTemplate, Message, TextError};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source.into(), BTreeMap::from([("bos_token".into(), "<s>".into())])).unwrap()
}

#[test]
fn conversations_render_as_the_golden_texts_for_every_family() {
    for name in ["llada", "dream", "mmada"] {
        let chat = ChatTemplate::load(&fixture(name)).unwrap().unwrap();
        for e in json(fixture(name).join("golden.json"))["chat"].as_array().unwrap() {
            let messages: Vec<Message> = serde_json::from_value(e["messages"].clone()).unwrap();
            let text = chat.render(&messages, e["add_generation_prompt"].as_bool().unwrap()).unwrap();
            assert_eq!(text, e["text"].as_str().unwrap(), "{name} {}", e["name"]);
        }
    }
}

#[test]
fn templates_get_the_whitespace_settings_and_methods_of_transformers() {
    let chat = template(
        "{% if true %}\n    {% for m in messages %}\n{{ bos_token + m['content'].strip() }}\n{% endfor %}\n{% endif %}",
    );
    assert_eq!(chat.render(&[Message::user("  hi \n")], false).unwrap(), "<s>hi\n");
    let chat = template(
        "{% for m in messages %}{% if m.role == 'user' %}{% continue %}{% endif %}{{ m.content }}{% endfor %}",
    );
    let answer = Message { role: "assistant".into(), content: "yes".into() };
    assert_eq!(chat.render(&[Message::user("no"), answer], false).unwrap(), "yes");
}

#[test]
fn markup_in_messages_is_not_escaped() {
    assert_eq!(
        template("{{ messages[0].content }}").render(&[Message::user("<b> & 'c'")], false).unwrap(),
        "<b> & 'c'"
    );
}

#[test]
fn a_template_that_raises_reports_its_own_words() {
    let error = template("{{ raise_exception('roles must alternate') }}").render(&[], false).unwrap_err();
    assert!(matches!(&error, TextError::Template(m) if m.contains("roles must alternate")), "{error}");
}

fn load(dir: &Path, config: &str) -> Result<Option<ChatTemplate>, TextError> {
    std::fs::write(dir.join("tokenizer_config.json"), config).unwrap();
    ChatTemplate::load(dir)
}

#[test]
fn a_template_is_found_in_the_config_in_a_list_or_in_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let user = [Message::user("x")];
    assert!(load(dir.path(), r#"{"chat_template": null}"#).unwrap().is_none());
    let listed = r#"{"eos_token": {"content": "</s>"}, "chat_template": [{"name": "tools", "template": "T"}, {"name": "default", "template": "D{{ eos_token }}"}]}"#;
    assert_eq!(load(dir.path(), listed).unwrap().unwrap().render(&user, false).unwrap(), "D</s>");
    std::fs::write(dir.path().join("chat_template.jinja"), "F{{ eos_token }}").unwrap();
    assert_eq!(load(dir.path(), listed).unwrap().unwrap().render(&user, false).unwrap(), "F</s>");
}

#[test]
fn a_broken_template_is_refused_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    for config in
        [r#"{"chat_template": "{% for %}"}"#, r#"{"chat_template": [{"name": "other", "template": ""}]}"#, "[", "[]"]
    {
        let error = load(dir.path(), config).unwrap_err().to_string();
        assert!(error.contains("tokenizer_config.json"), "{error}");
    }
}

#[test]
fn a_template_may_be_told_values_beside_the_conversation() {
    let source = "{% if thinking is defined and not thinking %}quiet {% endif %}{{ messages[0].content }}{{ depth }}";
    let plain = template(source).render(&[Message::user("hi")], true).unwrap();
    assert_eq!(plain, "hi");
    let told = [("thinking".to_owned(), false.into()), ("depth".to_owned(), 3.into())].into();
    let told = template(source).with_arguments(told).unwrap();
    assert_eq!(told.render(&[Message::user("hi")], true).unwrap(), "quiet hi3");
    let own = [("messages".to_owned(), serde_json::json!([]))].into();
    assert!(template(source).with_arguments(own).unwrap_err().to_string().contains("messages"));
}
