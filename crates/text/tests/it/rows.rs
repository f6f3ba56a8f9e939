use crate::parsed;
use mosa_text::{Columns, Row, TableRow, parse_headless_rows, parse_rows, text_of_bytes};
use serde_json::{Value, json};
use std::path::Path;

/// Lines and values of the rows of a file.
fn rows(name: &str, content: &str) -> Result<Vec<(usize, Vec<Value>)>, String> {
    let values = |row: Row| row.names().map(|n| row.get(n).unwrap().unwrap().clone()).collect();
    let read = parsed(name, content, &Columns::default()).map_err(|e| e.to_string())?;
    Ok(read.into_iter().map(|TableRow { line, row }| (line, values(row))).collect())
}

fn row(line: usize, values: &[&str]) -> (usize, Vec<Value>) {
    (line, values.iter().map(|v| json!(v)).collect())
}

#[test]
fn a_quote_that_is_never_closed_is_an_error_with_the_line_it_opens_in() {
    for (content, line) in [
        ("id,prompt\n1,\"hello\n2,world\n3,boat\n", 2),
        ("id,prompt\n1,a\n2,\"b\nc\"\n3,\"hello\n", 5),
        ("id,prompt\n1,\"hello\n2,\"world\"\n3,boat\n", 2),
        ("id,prompt\n1,\"say \"hi\" now\"\n", 2),
        ("id,prompt\n1,\"say \\\"hi\\\" now\"\n", 2),
        ("id,\"prompt\n1,hello\n", 1),
    ] {
        let error = rows("q.csv", content).unwrap_err();
        assert!(
            error.contains("q.csv") && error.contains(&format!("line {line}: a quote opens here")),
            "{content:?}: {error}"
        );
    }
}

#[test]
fn a_row_with_a_field_too_many_or_too_few_is_an_error_with_its_line() {
    for (content, expected) in [
        ("id,prompt\n1,hello\n2,world, too\n", "line 3: the row has 3 fields, the header 2 (id, prompt)"),
        ("id,prompt\n\n1,hello\n2\n", "line 4: the row has 1 field, the header 2"),
        ("prompt\nhello, world\n", "line 2: the row has 2 fields, the header 1"),
        ("id;prompt\n1;a;b\n", "a text with a semicolon in it must stand in quotes"),
    ] {
        let error = rows("w.csv", content).unwrap_err();
        assert!(error.contains(expected), "{content:?}: {error}");
    }
}

#[test]
fn quotes_line_ends_and_empty_lines_are_read_as_spreadsheets_write_them() {
    let content = "id,prompt\r\n1,\"two\r\nlines, \"\"quoted\"\"\"\r\n\r\n   \n2,it's 5\" wide\n3,\"\"";
    let wanted = [row(2, &["1", "two\r\nlines, \"quoted\""]), row(6, &["2", "it's 5\" wide"]), row(7, &["3", ""])];
    assert_eq!(rows("a.csv", content).unwrap(), wanted);
    assert_eq!(rows("a.csv", "id,prompt\r1,a\r2,b\r").unwrap(), [row(2, &["1", "a"]), row(3, &["2", "b"])]);
    assert_eq!(rows("a.csv", "id,prompt\n").unwrap(), []);
}

#[test]
fn the_separator_is_seen_from_the_header() {
    for content in [
        "id;prompt\n1;a, b\n",
        "id\tprompt\n1\ta, b\n",
        "id|prompt\n1|a, b\n",
        "id,prompt\n1,\"a, b\"\n",
        "sep=;\nid;prompt\n1;a, b\n",
    ] {
        let read = rows("a.csv", content).unwrap();
        assert_eq!(read[0].1, [json!("1"), json!("a, b")], "{content:?}");
    }
    assert_eq!(rows("a.tsv", "id\tprompt\n1\ta;b\n").unwrap(), [row(2, &["1", "a;b"])]);
    // Of several in the header, the one by which every row has as many fields.
    let both = "id;prompt, in full;note\n1;a, b, c;x\n2;d;y\n";
    assert_eq!(rows("a.csv", both).unwrap()[0], row(2, &["1", "a, b, c", "x"]));
    assert_eq!(rows("a.csv", "sep=;\nid;prompt\n1;\"a\n").unwrap_err().matches("line 3").count(), 1);
}

#[test]
fn blanks_around_fields_are_dropped_where_the_header_has_them_too() {
    let content = "ID, Prompt, Category\n7, \"hello, you\" , a\n8, world, b \n";
    assert_eq!(rows("a.csv", content).unwrap(), [row(2, &["7", "hello, you", "a"]), row(3, &["8", "world", "b"])]);
    assert_eq!(rows("a.csv", "id,prompt\n7, hello \n").unwrap(), [row(2, &["7", " hello "])], "and kept elsewhere");
}

#[test]
fn json_is_read_by_its_content_whatever_the_file_is_called() {
    let wanted = [row(1, &["hello"]), row(2, &["world"])];
    for content in [
        "{\"prompt\": \"hello\"}\n{\"prompt\": \"world\"}\n",
        "[{\"prompt\": \"hello\"},\n{\"prompt\": \"world\"}]",
        "\u{feff}{\"data\": [{\"prompt\": \"hello\"},\n {\"prompt\": \"world\"}]}",
        "{\"version\": 1, \"features\": [{\"name\": \"prompt\"}], \"rows\": [{\"row_idx\": 0, \"row\": {\"prompt\": \"hello\"}},\n{\"row_idx\": 1, \"row\": {\"prompt\": \"world\"}}]}",
        "{\"prompt\":\n\"hello\"} {\"prompt\": \"world\"}",
    ] {
        for name in ["a.json", "a.jsonl", "a.ndjson"] {
            assert_eq!(rows(name, content).unwrap(), wanted, "{name}: {content}");
        }
    }
    let pretty = "[\n  {\n    \"prompt\": \"hello\"\n  },\n  {\n    \"prompt\": \"world\"\n  }\n]\n";
    assert_eq!(rows("a.json", pretty).unwrap(), [row(2, &["hello"]), row(5, &["world"])], "the line a row begins in");
}

#[test]
fn one_row_with_a_list_in_it_is_not_taken_for_an_object_around_rows() {
    for content in [
        r#"{"messages": [{"role": "user", "content": "hello"}]}"#,
        r#"{"prompt": "hello", "data": [{"a": 1}]}"#,
        r#"{"question": "hello", "choices": [{"a": 1}]}"#,
    ] {
        assert_eq!(rows("a.jsonl", content).unwrap().len(), 1, "{content}");
    }
    let columns = Columns::parse("prompt=frage").unwrap();
    let read =
        parse_rows(Path::new("a.jsonl"), r#"{"frage": "was?", "data": [{"a": 1}, {"a": 2}]}"#, &columns).unwrap();
    assert_eq!(read.len(), 1);
}

#[test]
fn json_that_is_no_table_is_refused_with_its_line_and_a_fix() {
    for (name, content, expected) in [
        ("a.json", r#"{"train": [{"prompt": "a"}], "other": [{"prompt": "b"}]}"#, "several lists (train, other)"),
        ("a.json", "[{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}]", "line 2: a comma or the end"),
        ("a.json", "[{\"prompt\": \"a\"},\n{\"prompt\": }]", "line 2: not a JSON object"),
        ("a.json", "[\"hello\"]", "{\"prompt\": \"...\"}"),
        ("a.json", "[{\"prompt\": \"a\"}]\n[]", "line 2: text behind the end"),
        ("a.json", "[{\"prompt\": \"a\"},", "is missing"),
        ("a.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"\n{\"prompt\": \"c\"}\n", "line 2"),
        ("a.json", "{\n\"prompt\": \"a\",\n\"id\" 3}", "line 3"),
        ("a.jsonl", "hello\n", "line 1"),
        ("a.jsonl", &"[".repeat(100_000), "line 1"),
    ] {
        let error = rows(name, content).unwrap_err();
        assert!(error.contains(expected) && error.starts_with(name), "{expected}: {}", &error[..error.len().min(300)]);
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_named_with_their_line() {
    let of = |bytes: &[u8]| text_of_bytes(Path::new("l.csv"), bytes).map(str::to_owned).map_err(|e| e.to_string());
    assert_eq!(of("\u{feff}id\n".as_bytes()).unwrap(), "id\n");
    let latin = of(b"id,prompt\n1,caf\xe9\n").unwrap_err();
    assert!(latin.contains("l.csv: line 2: not UTF-8") && latin.contains("save"), "{latin}");
    assert!(of(&[0xff, 0xfe, b'i', 0]).unwrap_err().contains("UTF-16"));
}

#[test]
fn a_table_without_a_header_has_the_columns_that_are_named() {
    let names = ["a".to_owned(), "b".to_owned()];
    let of = |name: &str, content: &str| {
        let read = parse_headless_rows(Path::new(name), content, &names, |first| first[0] == "a");
        let read = read.map_err(|e| e.to_string())?;
        Ok(read.into_iter().map(|t| (t.line, Value::Object(t.row.into_object()))).collect::<Vec<_>>())
    };
    let two = vec![(1, json!({"a": "x; y|z", "b": "1\n2"})), (3, json!({"a": " p", "b": ""}))];
    assert_eq!(of("t.csv", "x; y|z,\"1\n2\"\n p,\n"), Ok(two));
    assert_eq!(of("t.tsv", "x, y\t1\n").unwrap()[0].1, json!({"a": "x, y", "b": "1"}));
    assert_eq!(of("t.csv", "a,c\n1,2\n").unwrap(), [(2, json!({"a": "1", "c": "2"}))]);
    assert_eq!(of("t.jsonl", "{\"c\": 1}").unwrap(), [(1, json!({"c": 1}))]);
    let said: Result<_, String> = of("t.csv", "x,1\ny\n");
    assert!(said.unwrap_err().contains("t.csv: line 2: the row has 1 field, of columns without a header 2 (a, b)"));
}
