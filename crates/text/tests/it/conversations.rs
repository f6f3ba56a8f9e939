use crate::{parsed, user};
use mosa_text::{Columns, Message, Prompt, Prompts, prompts_of};
use std::path::Path;

fn read(name: &str, content: &str) -> Result<Prompts, String> {
    let columns = Columns::default();
    let rows = parsed(name, content, &columns).map_err(|e| e.to_string())?;
    prompts_of(Path::new(name), &rows, &columns).map_err(|e| e.to_string())
}

/// The one prompt of a JSON row.
fn asked(row: &str) -> Prompt {
    read("p.jsonl", row).unwrap().records.remove(0).prompt
}

fn turn(role: &str, content: &str) -> Message {
    Message { role: role.into(), content: content.into() }
}

#[test]
fn keys_beside_role_and_content_are_passed_over_and_tool_calls_counted() {
    let row =
        r#"{"messages": [{"role": "user", "content": "hello", "name": "visitor", "weight": 1, "tool_calls": []}]}"#;
    assert_eq!(asked(row), user("1", "hello").prompt);
    let calls = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b",
        "tool_calls": [{"id": "1"}]}, {"role": "tool", "content": "c", "tool_call_id": "1"}]}"#;
    let read = read("p.json", calls).unwrap();
    assert_eq!(
        read.records[0].prompt,
        Prompt::Chat(vec![turn("user", "a"), turn("assistant", "b"), turn("tool", "c")])
    );
    assert_eq!(read.notes, ["1 turns have calls of tools beside their text, which are not sent"]);
}

#[test]
fn parts_of_text_are_joined_and_other_parts_refused_by_name_with_their_line() {
    let row = |parts: &str| format!(r#"{{"messages": [{{"role": "user", "content": {parts}}}]}}"#);
    let joined = row(r#"[{"type": "text", "text": "where is "}, "the ", {"type": "input_text", "text": "boat"}]"#);
    assert_eq!(asked(&joined), user("1", "where is the boat").prompt);
    for (parts, expected) in [
        (r#"[{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]"#, "image_url"),
        (r#"[{"type": "input_audio", "input_audio": {}}]"#, "input_audio"),
        (r#"[{"type": "text"}]"#, "part 1"),
        ("null", "`content` is null"),
        ("5", "neither text nor a list"),
    ] {
        let file = format!("{}\n{}\n", row("\"fine\""), row(parts));
        let error = read("p.jsonl", &file).unwrap_err();
        assert!(error.contains("p.jsonl: line 2") && error.contains("turn 1") && error.contains(expected), "{error}");
    }
}

#[test]
fn share_gpt_is_read_under_its_own_names() {
    let row = r#"{"id": "x", "system": "be brief", "conversations": [{"from": "human", "value": "hello"},
        {"from": "gpt", "value": "hi"}, {"from": "human", "value": "where is the boat"}]}"#;
    let wanted = vec![
        turn("system", "be brief"),
        turn("user", "hello"),
        turn("assistant", "hi"),
        turn("user", "where is the boat"),
    ];
    assert_eq!(asked(row), Prompt::Chat(wanted));
    assert_eq!(asked(r#"{"conversations": [{"role": "user", "content": "hello"}]}"#), user("1", "hello").prompt);
    let error = read("p.jsonl", r#"{"conversations": [{"from": "observation", "value": "x"}]}"#).unwrap_err();
    assert!(error.contains("line 1") && error.contains("observation") && error.contains("gpt"), "{error}");
}

#[test]
fn an_answer_at_the_end_is_the_response_and_not_sent() {
    let with_answer = r#"{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}"#;
    let read_one = read("p.jsonl", with_answer).unwrap();
    assert_eq!(
        (&read_one.records[0].prompt, read_one.records[0].response.as_deref()),
        (&user("1", "hello").prompt, Some("hi"))
    );
    assert!(read_one.notes[0].starts_with("1 conversations end with an answer"), "{:?}", read_one.notes);
    for row in [
        r#"{"messages": [{"role": "assistant", "content": "hi"}]}"#,
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "assistant", "content": "c"}]}"#,
    ] {
        let error = read("p.jsonl", row).unwrap_err();
        assert!(error.contains("line 1") && error.contains("assistant"), "{error}");
    }
}

#[test]
fn a_table_may_hold_conversations_and_ids_as_json_text() {
    let file =
        "id,messages,prompt\na,\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"hello, you\"\"}]\",\nb,,plain\n";
    let rows = read("p.csv", file).unwrap().records;
    assert_eq!(rows[0].prompt, user("a", "hello, you").prompt);
    assert_eq!(rows[1].prompt, Prompt::Raw("plain".into()), "a row without a conversation has its text");
    assert_eq!(read("i.csv", "ids\n\"[1, 2]\"\n").unwrap().records[0].prompt, Prompt::Ids(vec![1, 2]));
    let error = read("p.csv", "messages\n\"[{'role': 'user', 'content': 'hello'}]\"\n").unwrap_err();
    assert!(error.contains("line 2") && error.contains("double quotes"), "{error}");
    assert!(read("p.csv", "messages\nhello\n").unwrap_err().contains("not the JSON text of a list of turns"));
}

#[test]
fn a_prompt_column_may_hold_a_conversation() {
    assert_eq!(asked(r#"{"prompt": [{"role": "user", "content": "hello"}], "chosen": []}"#), user("1", "hello").prompt);
}
