use crate::read;
use mosa_data::{Columns, DataError, Functional, Kind, Label, Pairing, ReadOptions, join_answers};

const HARMBENCH: &str = "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n\
    open the old gate,standard,locks,,,gate\n\
    open the door in the text,contextual,locks,context,The door has two bolts.,door\n\
    recite the ballad,copyright,copyright,\"lyrics, hash_check\",,ballad\n";

fn advbench(targets: [usize; 3]) -> String {
    let mut csv = String::from("goal,target\n");
    for row in 0..520 {
        let of = [61, 63, 64].iter().position(|r| *r == row).map_or(row, |i| targets[i]);
        csv += &format!("\"Tell how a{row} meets b{row}, c{row}\",\"Sure, here is how a{of} meets b{of}\"\n");
    }
    csv
}

fn target(of: usize) -> Option<String> {
    Some(format!("Sure, here is how a{of} meets b{of}"))
}

#[test]
fn harmbench_is_read_with_contexts_and_without_copyright_and_says_so() {
    let benchmark = read("hb.csv", HARMBENCH, &ReadOptions::default()).unwrap();
    assert_eq!(benchmark.kind, Kind::HarmBench);
    assert_eq!(benchmark.behaviours.iter().map(|b| b.id.as_str()).collect::<Vec<_>>(), ["gate", "door"]);
    let door = benchmark.get("door").unwrap();
    assert_eq!(door.prompt(), "The door has two bolts.\n\n---\n\nopen the door in the text");
    assert_eq!((door.functional, door.category.as_deref()), (Some(Functional::Contextual), Some("locks")));
    assert_eq!((door.tags.as_slice(), door.index), (["context".to_owned()].as_slice(), 1));
    assert_eq!(benchmark.notes[0], "functional categories: 1 standard, 1 contextual");
    assert!(benchmark.notes[1].starts_with("left out: 1 copyright; "), "{:?}", benchmark.notes);
    assert_eq!(benchmark.sha256.len(), 64);
}

#[test]
fn the_subsets_of_harmbench_are_chosen() {
    let with = |subsets: &[Functional]| {
        let options = ReadOptions { subsets: subsets.to_vec(), ..ReadOptions::default() };
        read("hb.csv", HARMBENCH, &options).map(|b| b.behaviours.into_iter().map(|b| b.id).collect::<Vec<_>>())
    };
    assert_eq!(with(&[Functional::Standard]).unwrap(), ["gate"]);
    assert_eq!(with(&Functional::ALL).unwrap(), ["gate", "door", "ballad"]);
    let error = with(&[]).unwrap_err().to_string();
    assert!(error.contains("hb.csv") && error.contains("1 standard, 1 contextual, 1 copyright"), "{error}");
}

#[test]
fn optimizer_targets_are_joined_by_id() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("targets.json");
    let with = |json: &str| {
        std::fs::write(&file, json).unwrap();
        read("hb.csv", HARMBENCH, &ReadOptions { targets: Some(file.clone()), ..ReadOptions::default() })
    };
    let benchmark = with(r#"{"door": "Sure, the door", "other": "Sure"}"#).unwrap();
    assert_eq!(benchmark.get("door").unwrap().target.as_deref(), Some("Sure, the door"));
    assert_eq!(benchmark.get("gate").unwrap().target, None);
    assert!(benchmark.notes.iter().any(|n| n == "targets of 1 of 2 behaviours joined by BehaviorID"));
    for (json, expected) in [
        (r#"{"other": "Sure"}"#, "different sets"),
        (r#"{"door": "a", "door": "b"}"#, "appears twice"),
        ("[]", "not a JSON object of targets"),
    ] {
        let error = with(json).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("targets.json"), "{error}");
    }
}

#[test]
fn mis_paired_targets_of_advbench_are_reported_and_repaired_on_demand() {
    let of = |csv: &str, pairing| read("a.csv", csv, &ReadOptions { pairing, ..ReadOptions::default() }).unwrap();
    let targets = |b: &mosa_data::Benchmark| [61, 63, 64].map(|r: usize| b.behaviours[r].target.clone());
    let sound = of(&advbench([61, 63, 64]), Pairing::Keep);
    assert_eq!((sound.kind, sound.notes.len()), (Kind::AdvBench, 0));
    assert_eq!((sound.behaviours[0].id.as_str(), sound.behaviours[519].id.as_str()), ("advbench_1", "advbench_520"));
    for order in [[63, 64, 61], [64, 61, 63], [63, 61, 64]] {
        let kept = of(&advbench(order), Pairing::Keep);
        assert!(kept.notes[0].contains("61, 63 and 64") && kept.notes[0].contains("kept"), "{:?}", kept.notes);
        assert_eq!(targets(&kept), order.map(target));
        let repaired = of(&advbench(order), Pairing::Repair);
        assert!(repaired.notes[0].ends_with("repaired"));
        assert_eq!(repaired.behaviours, sound.behaviours);
    }
}

#[test]
fn a_shorter_table_of_goals_is_not_taken_for_advbench() {
    let benchmark = read("a.csv", "goal,target\nask,Sure\n", &ReadOptions::default()).unwrap();
    let row = &benchmark.behaviours[0];
    assert_eq!((benchmark.kind, row.id.as_str(), row.target.as_deref()), (Kind::Plain, "1", Some("Sure")));
}

#[test]
fn both_other_forms_of_advbench_have_its_ids() {
    let subset = ",goal,target,category,Original index\n0,ask,\"Sure, ask\",\"locks,doors\",7\n";
    let subset = read("s.csv", subset, &ReadOptions::default()).unwrap();
    let row = &subset.behaviours[0];
    assert_eq!(
        (subset.kind, row.id.as_str(), row.category.as_deref()),
        (Kind::AdvBench50, "advbench_8", Some("locks,doors"))
    );
    let form = "Behavior,Category,Tags,ContextString,BehaviorID\nask,,,,advbench_8\n";
    let form = read("f.csv", form, &ReadOptions::default()).unwrap();
    assert_eq!((form.kind, form.behaviours[0].id.as_str()), (Kind::AdvBenchHarmBench, "advbench_8"));
    assert_eq!(form.behaviours[0].category, None);
}

#[test]
fn strongreject_jailbreakbench_and_xstest_are_recognised() {
    let strong =
        read("s.csv", "category,source,forbidden_prompt\nlocks,custom,ask\n", &ReadOptions::default()).unwrap();
    let row = &strong.behaviours[0];
    assert_eq!((strong.kind, row.id.as_str(), row.text.as_str()), (Kind::StrongReject, "strongreject_1", "ask"));
    assert_eq!((row.category.as_deref(), row.source.as_deref()), (Some("locks"), Some("custom")));

    let jbb = "Index,Goal,Target,Behavior,Category,Source\n5,open it,\"Sure, open\",Gates,Locks,Original\n";
    let jbb = read("j.csv", jbb, &ReadOptions::default()).unwrap();
    let row = &jbb.behaviours[0];
    assert_eq!(
        (jbb.kind, row.id.as_str(), row.index, row.text.as_str()),
        (Kind::JailbreakBench, "Gates", 5, "open it")
    );
    assert_eq!((row.target.as_deref(), row.category.as_deref()), (Some("Sure, open"), Some("Locks")));

    let xstest =
        "id,prompt,type,label,focus,note\n1,shut it,homonyms,safe,shut,\n2,break it,contrast_homonyms,unsafe,,\n";
    let xstest = read("x.csv", xstest, &ReadOptions::default()).unwrap();
    assert_eq!(xstest.kind, Kind::XsTest);
    assert_eq!(xstest.behaviours.iter().map(|b| b.label).collect::<Vec<_>>(), [Some(Label::Safe), Some(Label::Unsafe)]);
    assert_eq!(xstest.behaviours[1].category.as_deref(), Some("contrast_homonyms"));
}

#[test]
fn null_turns_of_sorry_bench_are_skipped_and_counted() {
    let file = [
        r#"{"question_id": 1, "category": "7", "turns": ["ask"], "prompt_style": "base"}"#,
        r#"{"question_id": 1, "category": "7", "turns": ["ask, pray"], "prompt_style": "slang"}"#,
        r#"{"question_id": 2, "category": "7", "turns": null, "prompt_style": "slang"}"#,
        r#"{"question_id": 3, "category": "8", "turns": [null], "prompt_style": "slang"}"#,
    ];
    let benchmark = read("question.jsonl", &file.join("\n"), &ReadOptions::default()).unwrap();
    assert_eq!(benchmark.kind, Kind::SorryBench);
    assert_eq!(benchmark.behaviours.iter().map(|b| b.id.as_str()).collect::<Vec<_>>(), ["1/base", "1/slang"]);
    assert_eq!(benchmark.behaviours[1].style.as_deref(), Some("slang"));
    assert_eq!(benchmark.notes, ["2 rows with null turns skipped (lines 3, 4)"]);
    let table = "question_id,category,turns,prompt_style\n1,7,\"[\"\"ask\"\"]\",base\n2,7,[null],base\n3,7,,base\n";
    let table = read("question.csv", table, &ReadOptions::default()).unwrap();
    assert_eq!((table.behaviours.len(), table.behaviours[0].text.as_str()), (1, "ask"));
    assert_eq!(table.notes, ["2 rows with null turns skipped (lines 3, 4)"]);
    assert!(matches!(read("q.jsonl", file[2], &ReadOptions::default()), Err(DataError::Empty { .. })));
}

#[test]
fn any_table_is_read_with_a_column_map() {
    let columns = Columns::parse("prompt=frage,id=nr,category=thema").unwrap();
    let benchmark = read("p.csv", "frage,nr,thema\nwas?,n1,Tore\n", &columns.clone().into()).unwrap();
    let row = &benchmark.behaviours[0];
    assert_eq!((benchmark.kind, row.id.as_str(), row.category.as_deref()), (Kind::Plain, "n1", Some("Tore")));
    let context = read("p.jsonl", r#"{"prompt": "was?", "context": "Text"}"#, &ReadOptions::default()).unwrap();
    assert_eq!(context.behaviours[0].context.as_deref(), Some("Text"));
    // Another prompt column makes a known table a plain one.
    let goal = Columns::parse("prompt=Behavior,id=Goal").unwrap();
    let jbb = "Index,Goal,Target,Behavior,Category,Source\n5,open it,\"Sure, open\",Gates,Locks,Original\n";
    assert_eq!(read("j.csv", jbb, &goal.into()).unwrap().kind, Kind::Plain);
}

#[test]
fn every_malformed_file_is_refused_with_its_name_the_line_and_a_fix() {
    for (name, content, expected) in [
        ("a.csv", "goal,target\n", "give the complete file"),
        ("a.jsonl", "", "give the complete file"),
        ("a.csv", "Behavior,BehaviorID\na,x\nb,x\n", "line 3: the id \"x\" already stands in line 2"),
        ("a.csv", ",goal,target,category,Original index\n0,ask,Sure,,seven\n", "line 2: `Original index`"),
        ("a.csv", "Index,Goal,Target,Behavior,Category,Source\nx,a,b,c,d,e\n", "line 2: `Index`"),
        ("a.csv", "id,prompt,type,label,focus,note\n1,a,b,maybe,,\n", "one of safe, unsafe"),
        ("a.csv", &HARMBENCH.replace("standard", "odd"), "line 2: `FunctionalCategory`"),
        ("a.csv", "Behavior,BehaviorID,ImageFileName\na,x,p.png\n", "only text behaviours"),
        ("a.jsonl", r#"{"ids": [1, 2]}"#, "give its text"),
        ("a.jsonl", r#"{"messages": [{"role": "system", "content": "s"}]}"#, "one user message"),
        ("a.csv", "id,prompt\n1,\"a\n2,b\n", "line 2: a quote opens here"),
        ("a.csv", "id,prompt\n1,a\n2,b,c\n", "line 3: the row has 3 fields"),
        ("a.csv", "text\nhello\n", "--columns prompt=COLUMN"),
    ] {
        let error = read(name, content, &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{content:?}: {error}");
    }
    let missing = mosa_data::read(std::path::Path::new("no/such.csv"), &ReadOptions::default()).unwrap_err();
    assert!(missing.to_string().contains("no/such.csv"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("l.csv"), b"goal\n\xff\n").unwrap();
    let latin = mosa_data::read(&dir.path().join("l.csv"), &ReadOptions::default()).unwrap_err();
    assert!(latin.to_string().contains("not UTF-8"));
}

#[test]
fn alpacas_input_stands_below_its_instruction_and_is_counted() {
    let file = r#"[{"instruction": "Translate.", "output": "x"}, {"instruction": "Translate.", "input": "The sea", "output": "Le"},
        {"instruction": "Name three.", "input": " ", "output": "a"}]"#;
    let benchmark = read("alpaca.json", file, &ReadOptions::default()).unwrap();
    let prompts: Vec<String> = benchmark.behaviours.iter().map(mosa_data::Behaviour::prompt).collect();
    assert_eq!(prompts, ["Translate.", "Translate.\nThe sea", "Name three."]);
    assert_eq!((benchmark.kind, benchmark.behaviours[1].id.as_str()), (Kind::Alpaca, "2"));
    assert_eq!(benchmark.behaviours[1].target.as_deref(), Some("Le"));
    assert_eq!(benchmark.notes, ["the input of 1 of 3 rows stands below their instruction"]);
    // A column with the whole prompt is that prompt.
    let whole = r#"{"instruction": "a", "input": "b", "prompt": "a with b"}"#;
    assert_eq!(read("w.jsonl", whole, &ReadOptions::default()).unwrap().behaviours[0].text, "a with b");
}

#[test]
fn a_benchmark_is_recognised_whatever_the_case_of_its_header_and_its_separator() {
    let file = HARMBENCH.replace("Behavior,Func", "behavior , func").replace("SemanticCategory", "SEMANTICCATEGORY");
    let lower = read("hb.csv", &file, &ReadOptions::default()).unwrap();
    assert_eq!((lower.kind, lower.behaviours.len()), (Kind::HarmBench, 2));
    assert_eq!(lower.behaviours, read("hb.csv", HARMBENCH, &ReadOptions::default()).unwrap().behaviours);
    let jbb = "index;GOAL;target;behavior;category;source\n5.0;open it, now;Sure;Gates;Locks;Original\n";
    let jbb = read("j.csv", jbb, &ReadOptions::default()).unwrap();
    let row = &jbb.behaviours[0];
    assert_eq!(
        (jbb.kind, row.id.as_str(), row.index, row.text.as_str()),
        (Kind::JailbreakBench, "Gates", 5, "open it, now")
    );
}

#[test]
fn conversations_are_read_where_they_can_be_used() {
    let file = r#"{"id": "c", "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "where?"}]} {"id": "s", "messages": [{"role": "user", "content": "hello"}]}"#;
    let all = ReadOptions { conversations: true, ..ReadOptions::default() };
    let read_all = read("c.jsonl", file, &all).unwrap();
    assert_eq!(read_all.behaviours[0].text, "hello\nwhere?");
    assert!(matches!(read_all.behaviours[0].record(false).prompt, mosa_text::Prompt::Chat(m) if m.len() == 3));
    let error = read("c.jsonl", file, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("single turns"), "{error}");
}

#[test]
fn a_row_is_asked_behind_its_context_as_a_turn_or_as_it_stands() {
    let benchmark = read("hb.csv", HARMBENCH, &ReadOptions::default()).unwrap();
    let door = benchmark.get("door").unwrap();
    let text = "The door has two bolts.\n\n---\n\nopen the door in the text";
    let record = door.record(false);
    assert_eq!(record.prompt, mosa_text::Prompt::Chat(vec![mosa_text::Message::user(text)]));
    assert_eq!((record.id.as_str(), record.category.as_deref()), ("door", Some("locks")));
    assert_eq!(door.record(true).prompt, mosa_text::Prompt::Raw(text.into()));
}

#[test]
fn whole_answers_are_the_column_response_or_a_file_of_answers_by_id() {
    let rows = [
        r#"{"id": "a", "prompt": "open it", "response": "turn the key and pull"}"#,
        r#"{"id": "b", "prompt": "close it"}"#,
    ];
    let rows = rows.join("\n");
    let mut found = read("own.jsonl", &rows, &ReadOptions::default()).unwrap().behaviours;
    let answers = |found: &[mosa_data::Behaviour]| found.iter().map(|b| b.answer.clone()).collect::<Vec<_>>();
    assert_eq!(answers(&found), [Some("turn the key and pull".to_owned()), None]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("answers.json");
    std::fs::write(&file, "{\"b\": \"push until it clicks\", \"a\": \" \"}").unwrap();
    let note = join_answers(&file, &mut found).unwrap();
    assert_eq!(note, "whole answers of 1 of 2 behaviours joined by id");
    assert_eq!(answers(&found)[1].as_deref(), Some("push until it clicks"));
    std::fs::write(&file, "{\"c\": \"none\"}").unwrap();
    let error = join_answers(&file, &mut found).unwrap_err().to_string();
    assert!(error.contains("answers.json") && error.contains("no answer for any behaviour"), "{error}");
    std::fs::write(&file, "[1]").unwrap();
    assert!(join_answers(&file, &mut found).unwrap_err().to_string().contains("by behaviour id"));
}
