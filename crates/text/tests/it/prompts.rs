use mosa_text::{Columns, Message, Prompt, PromptRecord, TextError, read_prompts};

fn read(name: &str, content: &str, columns: &str, raw: bool) -> Result<Vec<PromptRecord>, TextError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    let columns = if columns.is_empty() { Columns::default() } else { Columns::parse(columns).unwrap() };
    read_prompts(&path, &columns, raw)
}

fn user(id: &str, text: &str) -> PromptRecord {
    PromptRecord { id: id.into(), prompt: Prompt::Chat(vec![Message::user(text)]) }
}

#[test]
fn jsonl_rows_carry_a_prompt_messages_or_ids() {
    let file = "{\"id\": \"a\", \"prompt\": \"hi\"}\n\n{\"id\": 7, \"messages\": [{\"role\": \"system\", \"content\": \"s\"}]}\n{\"ids\": [1, 2]}\n";
    let rows = read("p.jsonl", file, "", false).unwrap();
    let system = Message { role: "system".into(), content: "s".into() };
    assert_eq!(rows[0], user("a", "hi"));
    assert_eq!(rows[1], PromptRecord { id: "7".into(), prompt: Prompt::Chat(vec![system]) });
    assert_eq!(rows[2], PromptRecord { id: "3".into(), prompt: Prompt::Ids(vec![1, 2]) });
}

#[test]
fn csv_columns_are_found_by_the_names_of_the_benchmarks_or_by_a_map() {
    assert_eq!(
        read("a.csv", "\u{feff}goal,target\n\"say, \"\"x\"\"\",y\n", "", false).unwrap(),
        [user("1", "say, \"x\"")]
    );
    let harmbench = "Behavior,BehaviorID\nb1,first\nb2,second\n";
    assert_eq!(read("b.csv", harmbench, "", false).unwrap(), [user("first", "b1"), user("second", "b2")]);
    assert_eq!(read("c.csv", "frage,nr\nwas?,n1\n", "prompt=frage,id=nr", false).unwrap(), [user("n1", "was?")]);
}

#[test]
fn raw_prompts_skip_the_chat_template() {
    let rows = read("a.json", r#"[{"instruction": "go"}]"#, "", true).unwrap();
    assert_eq!(rows, [PromptRecord { id: "1".into(), prompt: Prompt::Raw("go".into()) }]);
}

#[test]
fn every_malformed_file_is_refused_with_its_line_and_a_fix() {
    for (name, content, columns, expected) in [
        ("p.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \n", "", "line 2"),
        ("p.jsonl", "", "", "no rows"),
        (
            "p.jsonl",
            "{\"id\": \"x\", \"prompt\": \"a\"}\n{\"id\": \"x\", \"prompt\": \"b\"}\n",
            "",
            "already stands in line 1",
        ),
        ("p.jsonl", "{\"prompt\": \"  \"}\n", "", "`prompt` is empty"),
        ("p.jsonl", "{\"text\": \"a\"}\n", "", "there are: text"),
        ("p.jsonl", "{\"prompt\": 5}\n", "", "`prompt` is not text"),
        ("p.jsonl", "{\"messages\": []}\n", "", "`messages` is empty"),
        ("p.jsonl", "{\"messages\": [{\"role\": \"user\"}]}\n", "", "content"),
        ("p.csv", "goal\na\n", "prompt=question", "no column `question`"),
        ("p.csv", "goal,x\na\n", "", "p.csv"),
        ("p.json", "{}", "", "JSON array"),
        ("p.txt", "hello", "", ".jsonl, .json or .csv"),
    ] {
        let error = read(name, content, columns, false).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{content:?}: {error}");
    }
    assert!(Columns::parse("goal").is_err() && Columns::parse("text=goal").is_err());
}
