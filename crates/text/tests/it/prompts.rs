use mosa_text::{Columns, Message, Prompt, PromptRecord, TextError, read_prompts, stratified_sample};

fn read(name: &str, content: &str, columns: &str, raw: bool) -> Result<Vec<PromptRecord>, TextError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    let columns = if columns.is_empty() { Columns::default() } else { Columns::parse(columns).unwrap() };
    read_prompts(&path, &columns, raw)
}

fn user(id: &str, text: &str) -> PromptRecord {
    PromptRecord::new(id, Prompt::Chat(vec![Message::user(text)]))
}

#[test]
fn jsonl_rows_carry_a_prompt_messages_or_ids() {
    let file = "{\"id\": \"a\", \"prompt\": \"hi\"}\n\n{\"id\": 7, \"messages\": [{\"role\": \"system\", \"content\": \"s\"}]}\n{\"ids\": [1, 2]}\n";
    let rows = read("p.jsonl", file, "", false).unwrap();
    let system = Message { role: "system".into(), content: "s".into() };
    assert_eq!(rows[0], user("a", "hi"));
    assert_eq!(rows[1], PromptRecord::new("7", Prompt::Chat(vec![system])));
    assert_eq!(rows[2], PromptRecord::new("3", Prompt::Ids(vec![1, 2])));
}

#[test]
fn csv_columns_are_found_by_the_names_of_the_benchmarks_or_by_a_map() {
    assert_eq!(
        read("a.csv", "\u{feff}goal,target\n\"say, \"\"x\"\"\",y\n", "", false).unwrap(),
        [PromptRecord { response: Some("y".into()), ..user("1", "say, \"x\"") }]
    );
    let harmbench = "Behavior,BehaviorID\nb1,first\nb2,second\n";
    assert_eq!(read("b.csv", harmbench, "", false).unwrap(), [user("first", "b1"), user("second", "b2")]);
    assert_eq!(read("c.csv", "frage,nr\nwas?,n1\n", "prompt=frage,id=nr", false).unwrap(), [user("n1", "was?")]);
}

#[test]
fn raw_prompts_skip_the_chat_template() {
    let rows = read("a.json", r#"[{"instruction": "go"}]"#, "", true).unwrap();
    assert_eq!(rows, [PromptRecord::new("1", Prompt::Raw("go".into()))]);
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

#[test]
fn sorry_bench_files_are_read_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("question.jsonl");
    let row = |id: u32, style: &str| {
        format!(r#"{{"question_id": {id}, "category": "7", "turns": ["ask {id}"], "prompt_style": "{style}"}}"#)
    };
    std::fs::write(&path, [row(1, "base"), row(2, "base"), row(1, "slang")].join("\n")).unwrap();
    let rows = read_prompts(&path, &Columns::default(), false).unwrap();
    let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["1/base", "2/base", "1/slang"], "questions count anew in every style");
    assert_eq!(rows[2].prompt, Prompt::Chat(vec![Message::user("ask 1")]));
    assert_eq!((rows[2].style.as_deref(), rows[2].category.as_deref()), (Some("slang"), Some("7")));

    std::fs::write(&path, r#"{"question_id": 1, "turns": ["a", "b"]}"#).unwrap();
    let error = read_prompts(&path, &Columns::default(), false).unwrap_err().to_string();
    assert!(error.contains("turns") && error.contains("2 turns"), "{error}");
}

#[test]
fn answers_come_along_where_the_file_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.csv");
    std::fs::write(&path, "goal,target,note\nask,Sure,x\nbeg,,y\n").unwrap();
    let responses = |map: &str| {
        let columns = Columns::parse(map).unwrap();
        read_prompts(&path, &columns, false).map(|rows| rows.into_iter().map(|r| r.response).collect::<Vec<_>>())
    };
    assert_eq!(responses("prompt=goal").unwrap(), [Some("Sure".to_owned()), None]);
    assert_eq!(responses("response=note").unwrap(), [Some("x".to_owned()), Some("y".to_owned())]);
    assert!(responses("response=answer").unwrap_err().to_string().contains("no column `answer`"));
}

#[test]
fn a_sample_is_seeded_keeps_file_order_and_gives_every_style_its_share() {
    let record = |i: usize| PromptRecord {
        style: Some(if i.is_multiple_of(4) { "slang" } else { "base" }.into()),
        ..user(&i.to_string(), "x")
    };
    let sample = |n, seed| stratified_sample((0..40).map(record).collect(), n, seed);
    let taken = sample(20, 1);
    let ids = |rows: &[PromptRecord]| rows.iter().map(|r| r.id.parse::<usize>().unwrap()).collect::<Vec<_>>();
    assert!(ids(&taken).is_sorted());
    assert_eq!(taken.iter().filter(|r| r.style.as_deref() == Some("slang")).count(), 5);
    assert_eq!((ids(&taken), ids(&sample(100, 1)).len()), (ids(&sample(20, 1)), 40));
    assert_ne!(ids(&taken), ids(&sample(20, 2)));
    assert_eq!(sample(7, 3).len(), 7);
}
