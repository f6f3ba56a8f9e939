use crate::{parsed, user};
use mosa_text::{Columns, Message, Prompt, PromptRecord, Prompts, TextError, prompts_of, stratified_sample};
use std::path::Path;

fn read(name: &str, content: &str, columns: &str) -> Result<Prompts, TextError> {
    let columns = if columns.is_empty() { Columns::default() } else { Columns::parse(columns).unwrap() };
    prompts_of(Path::new(name), &parsed(name, content, &columns)?, &columns)
}

fn records(name: &str, content: &str, columns: &str) -> Vec<PromptRecord> {
    read(name, content, columns).unwrap().records
}

fn text(id: &str, text: &str) -> PromptRecord {
    PromptRecord::new(id, Prompt::Raw(text.into()))
}

#[test]
fn jsonl_rows_carry_a_prompt_messages_or_ids() {
    let file = "{\"id\": \"a\", \"prompt\": \"hi\"}\n\n{\"id\": 7, \"messages\": [{\"role\": \"system\", \"content\": \"s\"}]}\n{\"ids\": [1, 2]}\n";
    let rows = records("p.jsonl", file, "");
    let system = Message { role: "system".into(), content: "s".into() };
    assert_eq!(rows[0], text("a", "hi"));
    assert_eq!(rows[1], PromptRecord::new("7", Prompt::Chat(vec![system])));
    assert_eq!(rows[2], PromptRecord::new("3", Prompt::Ids(vec![1, 2])));
}

#[test]
fn csv_columns_are_found_by_the_names_of_the_benchmarks_or_by_a_map() {
    assert_eq!(
        records("a.csv", "\u{feff}goal,target\n\"say, \"\"x\"\"\",y\n", ""),
        [PromptRecord { response: Some("y".into()), ..text("1", "say, \"x\"") }]
    );
    let harmbench = "Behavior,BehaviorID\nb1,first\nb2,second\n";
    assert_eq!(records("b.csv", harmbench, ""), [text("first", "b1"), text("second", "b2")]);
    assert_eq!(records("c.csv", "frage,nr\nwas?,n1\n", "prompt=frage,id=nr"), [text("n1", "was?")]);
}

#[test]
fn names_of_columns_are_found_whatever_their_case_and_the_blanks_around_them() {
    let rows = records("a.csv", "\u{feff} ID , PROMPT,Response\n7,hello,hi\n", "");
    assert_eq!(rows, [PromptRecord { response: Some("hi".into()), ..text("7", "hello") }]);
    assert_eq!(records("b.csv", "Frage ,NR\nwas?,n1\n", "prompt=frage,id= nr"), [text("n1", "was?")]);
    assert_eq!(records("c.jsonl", "{\" Prompt\": \"hello\", \"Id\": 3}", ""), [text("3", "hello")]);
    // One that is written exactly so comes first; two that only fit are not chosen between.
    assert_eq!(records("d.csv", "Prompt,prompt\nloud,quiet\n", ""), [text("1", "quiet")]);
    let error = read("e.csv", "Prompt,PROMPT\na,b\n", "").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("`Prompt` or `PROMPT`"), "{error}");
    let error = read("f.csv", "prompt,id, prompt\na,1,b\n", "").unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("`prompt` is there twice"), "{error}");
    let error = read("g.jsonl", "{\"prompt\": \"a\", \"prompt\": \"b\"}", "").unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("`prompt` is there twice"), "{error}");
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
        ("p.json", "{\"prompt\": {\"0\": \"a\", \"1\": \"b\"}}", "", "a file of rows is needed"),
        ("p.jsonl", "{\"messages\": []}\n", "", "`messages` is empty"),
        ("p.jsonl", "{\"messages\": [{\"role\": \"user\"}]}\n", "", "`content` is missing"),
        ("p.csv", "goal\na\n", "prompt=question", "no column `question`"),
        ("p.csv", "goal,x\na\n", "", "line 2: the row has 1 field, the header 2 (goal, x)"),
        ("p.json", "{}", "", "JSON array"),
        ("p.txt", "hello", "", ".jsonl, .ndjson, .json, .csv or .tsv"),
    ] {
        let error = read(name, content, columns).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{content:?}: {error}");
    }
    assert!(Columns::parse("goal").is_err() && Columns::parse("text=goal").is_err());
}

#[test]
fn sorry_bench_files_are_read_as_they_are() {
    let row = |id: u32, style: &str| {
        format!(r#"{{"question_id": {id}, "category": "7", "turns": ["ask {id}"], "prompt_style": "{style}"}}"#)
    };
    let rows = records("q.jsonl", &[row(1, "base"), row(2, "base"), row(1, "slang")].join("\n"), "");
    let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["1/base", "2/base", "1/slang"], "questions count anew in every style");
    assert_eq!(rows[2].prompt, Prompt::Raw("ask 1".into()));
    assert_eq!((rows[2].style.as_deref(), rows[2].category.as_deref()), (Some("slang"), Some("7")));
    // As a table has them.
    let table = "question_id,turns,prompt_style\n1,\"[\"\"ask, then go\"\"]\",base\n";
    assert_eq!(records("q.csv", table, "")[0].prompt, Prompt::Raw("ask, then go".into()));

    let error = read("q.jsonl", r#"{"question_id": 1, "turns": ["a", "b"]}"#, "").unwrap_err().to_string();
    assert!(error.contains("turns") && error.contains("2 turns"), "{error}");
    let error = read("q.csv", "question_id,turns\n1,['ask']\n", "").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("not in JSON"), "{error}");
}

#[test]
fn answers_come_along_where_the_file_has_them() {
    let file = "goal,target,note\nask,Sure,x\nbeg,,y\n";
    let responses =
        |map: &str| read("p.csv", file, map).map(|p| p.records.into_iter().map(|r| r.response).collect::<Vec<_>>());
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
