//! Bad task files and bad data: one error that names file, place and fix.

use crate::load;
use mosa_task::{Choice, TaskFile};
use std::path::Path;

const GOOD: &str = r#"task = "own"
protocol = "own"
about = "own"
[data]
files = "rows.jsonl"
[prompt]
form = "text"
question = "{{ question }}"
[gold]
text = "{{ answer }}"
one_of = ["A", "B"]
[ask]
kind = "generate"
[[metric]]
name = "exact"
score = "exact"
extract = [{ regex = '([AB])' }]
"#;
const ROWS: &str = "{\"question\": \"Which?\", \"answer\": \"A\"}\n";

fn error(toml: &str, rows: &str) -> String {
    load(toml, &[("rows.jsonl", rows)], &Choice::default()).unwrap_err().to_string()
}

#[test]
fn the_good_file_is_good() {
    load(GOOD, &[("rows.jsonl", ROWS)], &Choice::default()).unwrap();
}

#[test]
fn a_bad_task_file_is_one_error_with_file_line_and_fix() {
    let cases = [
        ("([AB])'", "[AB]'", "own.toml: line 17: `regex` has no group", "put what counts in parentheses"),
        ("([AB])'", "(?<=is )([AB])'", "own.toml: line 17: `regex`: look-around", "in several steps"),
        ("([AB])'", "(A)\\1'", "own.toml: line 17: `regex`: backreferences are not supported", "in several steps"),
        ("([AB])'", "([AB]'", "own.toml: line 17: `regex`: not a regular expression", "unclosed group"),
        ("about =", "abuot =", "own.toml: line 3: unknown field `abuot`", "`about`"),
        ("kind = \"generate\"", "kind = \"generate\"\ngen_lenght = 3", "own.toml: line 12: ", "gen_lenght"),
        ("{{ question }}", "{{ question }", "own.toml: line 8: `prompt.question`: syntax error", ""),
        (
            "score = \"exact\"",
            "score = \"exact\"\ntolerance = 1.0",
            "own.toml: line 14: ",
            "`tolerance` counts with score number",
        ),
        ("score = \"exact\"", "score = \"choice\"", "own.toml: line 14: ", "go together"),
        ("score = \"exact\"", "score = \"program\"", "own.toml: line 14: ", "`program` is missing"),
        ("kind = \"generate\"", "kind = \"choose\"", "own.toml: line 12: ", "`choices`"),
        ("'([AB])' }", "'([AB])', before = \"x\" }", "own.toml: line 17: ", "has one verb"),
        ("'([AB])' }", "'([AB])', take = \"third\" }", "own.toml: line 17: ", "first"),
        ("files = \"rows.jsonl\"", "files = \"../rows.jsonl\"", "own.toml: line 5: `files`", "below the folder"),
        ("task = \"own\"", "task = \"o/wn\"", "own.toml: line 1: `task`", "letters, digits"),
        ("[prompt]", "[shots]\ncount = 1\nfiles = \"x\"\n[prompt]", "own.toml: line 8: ", "add `answer` to [prompt]"),
        (
            "[[metric]]",
            "[[metric]]\nname = \"exact\"\nscore = \"exact\"\n[[metric]]",
            "own.toml: line 17: ",
            "two metrics",
        ),
    ];
    for (from, to, place, fix) in cases {
        assert!(GOOD.contains(from), "{from}");
        let said = error(&GOOD.replacen(from, to, 1), ROWS);
        assert!(said.starts_with(place), "{to}: {said}");
        assert!(said.contains(fix), "{to}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn bad_data_is_one_error_with_file_line_and_fix() {
    let second = |row: &str| format!("{ROWS}{row}\n");
    let cases = [
        (
            second(r#"{"question": "Which?", "answer": "E"}"#),
            "line 2: the right answer is \"E\" (`answer` is \"E\"), and it can be one of A, B; correct",
        ),
        (second(r#"{"question": "Which?", "answer": 7}"#), "line 2: the right answer is \"7\""),
        (
            second(r#"{"quesion": "Which?", "answer": "A"}"#),
            "line 2: there is no column `question`, which `prompt.question` names; there are: quesion, answer",
        ),
        (second(r#"{"question": "Which?"}"#), "line 2: there is no column `answer`"),
        (second("{"), "line 2: not a JSON object"),
        (String::new(), "the file has no rows; give the complete file"),
    ];
    for (rows, what) in cases {
        let said = error(GOOD, &rows);
        assert!(said.contains("rows.jsonl: ") && said.contains(what), "{said}");
    }
}

#[test]
fn two_rows_with_one_id_and_empty_ids_are_refused() {
    let with_id = GOOD.replace("files = \"rows.jsonl\"", "files = \"rows.jsonl\"\nid = \"{{ id }}\"");
    let row = |id: &str| format!("{{\"id\": \"{id}\", \"question\": \"Which?\", \"answer\": \"A\"}}\n");
    let said = error(&with_id, &(row("x") + &row("y") + &row("x")));
    assert!(said.contains("line 3: the id \"x\" already stands in rows.jsonl, line 1"), "{said}");
    assert!(error(&with_id, &row("")).contains("line 1: the id is empty"));
}

#[test]
fn missing_files_name_what_was_looked_for() {
    let said = load(GOOD, &[("other.jsonl", ROWS)], &Choice::default()).unwrap_err().to_string();
    assert!(said.contains("there is no rows.jsonl in this folder; give the folder that holds it"), "{said}");
    let gone =
        TaskFile::parse(Path::new("own.toml"), GOOD).unwrap().load(Path::new("/nowhere/at/all"), &Choice::default());
    assert!(gone.unwrap_err().to_string().starts_with("/nowhere/at/all: "));
}

#[test]
fn shots_that_are_not_there_are_said_with_the_way_out() {
    let shots =
        GOOD.replace("[prompt]\n", "[shots]\ncount = 2\nfiles = \"dev.jsonl\"\n[prompt]\nanswer = \"{{ answer }}\"\n");
    let said = error(&shots, ROWS);
    assert!(
        said.contains("dev.jsonl: it is not there, and 2 shots are taken from it") && said.contains("--shots 0"),
        "{said}"
    );
    let few = load(&shots, &[("rows.jsonl", ROWS), ("dev.jsonl", ROWS)], &Choice::default()).unwrap_err().to_string();
    assert!(few.contains("dev.jsonl: 2 shots are taken from it, and it has 1 row"), "{few}");
    let bad = load(
        &shots,
        &[
            ("rows.jsonl", ROWS),
            ("dev.jsonl", "{\"question\": \"Q\", \"answer\": \"C\"}\n{\"question\": \"R\", \"answer\": \"A\"}\n"),
        ],
        &Choice::default(),
    );
    assert!(bad.unwrap_err().to_string().contains("dev.jsonl: line 1: the right answer is \"C\""));
    let none =
        load(GOOD, &[("rows.jsonl", ROWS)], &Choice { shots: Some(1), ..Choice::default() }).unwrap_err().to_string();
    assert!(none.contains("--shots 1: the task file has no [shots]"), "{none}");
}

#[test]
fn a_selection_of_nothing_is_refused() {
    let of = |choice: Choice| load(GOOD, &[("rows.jsonl", ROWS)], &choice).unwrap_err().to_string();
    assert!(of(Choice { limit: Some(0), ..Choice::default() }).contains("must be positive"));
    assert!(of(Choice { groups: vec!["x".into()], ..Choice::default() }).contains("the task has no groups"));
}

#[test]
fn a_headless_table_with_too_few_fields_names_its_line() {
    let mmlu = |csv: &str| {
        let dir = crate::folder(&[("test/odd_test.csv", csv)]);
        let file = TaskFile::built_in("mmlu", Some("lm-eval")).unwrap();
        file.load(dir.path(), &Choice { shots: Some(0), ..Choice::default() }).unwrap_err().to_string()
    };
    let said = mmlu("Q,1,2,3,4,A\nQ,1,2,3,A\n");
    assert!(said.contains("odd_test.csv: line 2: the row has 5 fields, of columns without a header 6"), "{said}");
    assert!(
        mmlu("Q,1,2,3,4,E\n")
            .contains("line 1: the right answer is \"E\" (`answer` is \"E\"), and it can be one of A, B, C, D")
    );
    assert!(mmlu("Q,1,2,3,4,4\n").contains("line 1: the right answer is \"E\" (`answer` is \"4\")"));
    assert!(mmlu("question,choice0,choice1,choice2,answer\nQ,1,2,3,A\n").contains("line 1: the row has 5 fields"));
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let endless =
        GOOD.replace("{{ question }}", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}");
    let said = error(&endless, ROWS);
    assert!(said.contains("line 1: `prompt.question` takes more than"), "{said}");
}

#[test]
fn what_could_not_be_scored_is_said_before_anything_is_asked() {
    let number = GOOD.replace("one_of = [\"A\", \"B\"]\n", "").replace("score = \"exact\"", "score = \"number\"");
    let said = error(&number, ROWS);
    assert!(said.contains("rows.jsonl: line 1: the right answer is \"A\", which is no number"), "{said}");
    let program = "score = \"program\"\nprogram = \"{{ extracted }}\"\ncheck = \"{{ tset }}\"";
    let said = error(&GOOD.replace("score = \"exact\"", program), ROWS);
    assert!(said.contains("line 1: there is no column `tset`, which `metric exact check` names"), "{said}");
}

#[test]
fn a_cell_that_is_no_text_is_never_asked_as_one() {
    let cases = [
        (r#"{"question": null, "answer": "A"}"#, "`question` is null"),
        (r#"{"question": ["a"], "answer": "A"}"#, "a list, not a text"),
        (r#"{"question": {"a": 1}, "answer": "A"}"#, "an object, not a text"),
        (r#"{"question": "  ", "answer": "A"}"#, "the question is empty (question)"),
        (r#"{"question": "Which?", "answer": null}"#, "`answer` is null"),
    ];
    for (row, what) in cases {
        let said = error(GOOD, row);
        assert!(said.contains("rows.jsonl: line 1: ") && said.contains(what), "{row}: {said}");
    }
}

#[test]
fn settings_that_count_for_nothing_are_errors_of_the_task_file() {
    let generate = "kind = \"generate\"";
    let cases = [
        (generate, "kind = \"generate\"\nuntil = [\"\"]", "`until` holds an empty text"),
        (generate, "kind = \"generate\"\nblock_length = 0", "must be positive"),
        (generate, "kind = \"generate\"\nsteps = 0", "must be positive"),
        ("one_of = [\"A\", \"B\"]", "one_of = [\"A\", \"A\"]", "`one_of` holds \"A\""),
    ];
    for (old, new, what) in cases {
        let said = error(&GOOD.replace(old, new), ROWS);
        assert!(said.starts_with("own.toml: line ") && said.contains(what), "{new}: {said}");
    }
}

#[test]
fn a_choice_that_is_empty_or_another_one_and_no_draws_are_errors() {
    let choose = |choices: &str, estimate: &str| {
        let toml = GOOD
            .replace(
                "question = \"{{ question }}\"",
                &format!("question = \"{{{{ question }}}}\"\nchoices = {choices}"),
            )
            .replace("kind = \"generate\"", &format!("kind = \"choose\"\nestimate = {estimate}"))
            .replace("score = \"exact\"\nextract = [{ regex = '([AB])' }]", "score = \"choice\"");
        load(&toml, &[("rows.jsonl", ROWS)], &Choice::default()).map(|_| ()).map_err(|e| e.to_string())
    };
    choose("[\" A\", \" B\"]", "{ elbo = 1 }").unwrap();
    assert!(choose("[\"\", \" B\"]", "\"chain\"").unwrap_err().contains("`choices` holds \"\""));
    assert!(choose("[\" B\", \" B\"]", "\"chain\"").unwrap_err().contains("`choices` holds \" B\""));
    assert!(choose("[\" A\", \" B\"]", "{ elbo = 0 }").unwrap_err().contains("`elbo` is a number of draws"));
}

#[test]
fn a_task_file_that_is_not_utf_8_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.toml");
    std::fs::write(&path, b"task = \"own\"\nabout = \"caf\xe9\"\n").unwrap();
    let said = TaskFile::read(&path).unwrap_err().to_string();
    assert!(said.contains("own.toml: line 2: not UTF-8") && said.contains("save the file as UTF-8"), "{said}");
}

#[test]
fn a_row_that_is_one_of_the_named_shots_is_not_asked_behind_its_own_answer() {
    let shots =
        "[shots]\ncount = 1\nfiles = \"rows.jsonl\"\npick = \"rows\"\nrows = [0]\n[prompt]\nanswer = \"{{ answer }}\"";
    let said = error(&GOOD.replace("[prompt]", shots), ROWS);
    assert!(said.contains("rows.jsonl: line 1: this row is itself one of the shots"), "{said}");
}

#[test]
fn a_program_without_its_check_is_an_error_and_no_failure_of_the_model() {
    let toml = GOOD
        .replace("\none_of = [\"A\", \"B\"]", "")
        .replace("score = \"exact\"", "score = \"program\"\nprogram = \"{{ extracted }}\"\ncheck = \"{{ test }}\"");
    let said = error(&toml, "{\"question\": \"Which?\", \"answer\": \"A\", \"test\": \"\"}");
    assert!(said.contains("rows.jsonl: line 1: `test` is empty"), "{said}");
}
