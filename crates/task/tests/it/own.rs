//! Tasks of one's own: what is selected, which shots, how several metrics score.

use crate::{folder, load, scores};
use mosa_task::{Ask, Choice, Item, Said, Scoring, Task, TaskFile, built_ins};
use mosa_text::{Prompt, Role};

/// A small task with groups; `%` marks the place of more keys of its sections.
const OWN: &str = r#"
task = "sums"
protocol = "own"
about = "sums"
[data]
files = "sums.csv"
group = "{{ kind }}"
[shots]
count = 2
files = "shots.csv"
[prompt]
form = "text"
description = "Sums.\n"
question = "{{ a }} + {{ b }} ="
answer = " {{ sum }}"
between = "\n"
prefix = "It is"
[gold]
text = "{{ sum }}"
[ask]
kind = "generate"
gen_length = 8
until = ["\n"]
[[metric]]
name = "number"
score = "number"
tolerance = 0.5
extract = [{ regex = '(-?[0-9.]+)', take = "last" }]
[[metric]]
name = "words"
score = "exact"
ignore_case = true
ignore_punctuation = true
"#;

fn sums(n: usize) -> String {
    let rows = (0..n).map(|i| format!("{i},{},{},{}\n", i + 1, 2 * i + 1, if i % 3 == 0 { "easy" } else { "hard" }));
    format!("a,b,sum,kind\n{}", rows.collect::<String>())
}

fn ids(choice: &Choice) -> Vec<String> {
    let task = load(OWN, &[("sums.csv", &sums(30)), ("shots.csv", &sums(4))], choice).unwrap();
    task.items().iter().map(|item| item.id.clone()).collect()
}

#[test]
fn a_prompt_is_what_is_written_in_the_task_file() {
    let task = load(OWN, &[("sums.csv", &sums(3)), ("shots.csv", &sums(4))], &Choice::default()).unwrap();
    let Item { id, index, group, place, question, gold, .. } = &task.items()[2];
    assert_eq!((id.as_str(), *index, group.as_deref(), gold.as_str()), ("2", 2, Some("hard"), "5"));
    assert_eq!(place, "sums.csv, line 4");
    assert_eq!(question.prompt, Prompt::Raw("Sums.\n0 + 1 = 1\n1 + 2 = 3\n2 + 3 =".into()));
    assert_eq!(question.prefix, "It is");
    let said = task.said();
    assert_eq!((&said["shots"]["count"], &said["data"]["rows"]), (&2.into(), &3.into()));
}

#[test]
fn a_chat_has_the_description_as_its_system_turn_and_shots_as_turns() {
    let chat = OWN.replace("\"text\"\n", "\"chat\"\n").replace("between = \"\\n\"\n", "");
    let choice = Choice { shots: Some(1), limit: Some(1), ..Choice::default() };
    let task = load(&chat, &[("sums.csv", &sums(3)), ("shots.csv", &sums(4))], &choice).unwrap();
    let Prompt::Chat(messages) = &task.items()[0].question.prompt else { panic!("no chat") };
    let turns: Vec<(&Role, &str)> = messages.iter().map(|m| (&m.role, m.content.as_str())).collect();
    let wanted =
        [(&Role::System, "Sums.\n"), (&Role::User, "0 + 1 ="), (&Role::Assistant, " 1"), (&Role::User, "0 + 1 =")];
    assert_eq!(turns, wanted);
}

#[test]
fn a_sample_keeps_groups_in_proportion_and_follows_its_seed() {
    let of = |seed| ids(&Choice { sample: Some(9), seed, ..Choice::default() });
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    assert_eq!(of(1).iter().filter(|id| id.parse::<usize>().unwrap().is_multiple_of(3)).count(), 3);
    assert_eq!(ids(&Choice { limit: Some(2), ..Choice::default() }), ["0", "1"]);
    assert_eq!(ids(&Choice { groups: vec!["easy".into()], limit: Some(2), ..Choice::default() }), ["0", "3"]);
}

#[test]
fn what_is_selected_does_not_change_what_an_item_is() {
    let drawn = OWN.replace("files = \"shots.csv\"", "files = \"shots.csv\"\npick = \"python-sample\"\nseed = 7");
    let files = [("sums.csv", sums(30)), ("shots.csv", sums(20))];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let all = load(&drawn, &files, &Choice::default()).unwrap();
    let some = load(&drawn, &files, &Choice { sample: Some(5), ..Choice::default() }).unwrap();
    for item in some.items() {
        assert_eq!(item, &all.items()[item.index]);
    }
    assert_ne!(all.items()[0].question.prompt, all.items()[1].question.prompt);
}

#[test]
fn a_question_is_not_its_own_shot() {
    for pick in ["first", "python-sample\"\nseed = \"x"] {
        let own = OWN.replace("\"shots.csv\"", &format!("\"sums.csv\"\npick = \"{pick}\"")).replace("\"x\"", "3");
        let task = load(&own, &[("sums.csv", &sums(6))], &Choice { shots: Some(5), ..Choice::default() }).unwrap();
        for item in task.items() {
            let Prompt::Raw(text) = &item.question.prompt else { panic!("no text") };
            assert_eq!(text.matches(&format!("\n{} + ", item.id)).count(), 1, "{text}");
            assert_eq!(text.lines().count(), 7);
        }
    }
}

#[test]
fn every_metric_scores_an_answer_up_to_its_stop_text() {
    let task = load(OWN, &[("sums.csv", &sums(3)), ("shots.csv", &sums(4))], &Choice::default()).unwrap();
    let of = |text: &str| {
        let scored = scores(&task, 2, text).into_iter();
        scored.map(|s| (s.extracted.unwrap_or_default(), s.correct)).collect::<Vec<_>>()
    };
    let all = |a: (&str, bool), b: (&str, bool)| vec![(a.0.to_owned(), Some(a.1)), (b.0.to_owned(), Some(b.1))];
    assert_eq!(of("5\n6"), all(("5", true), ("5", true)));
    assert_eq!(of("(5)."), all((".", false), ("(5).", true)));
    assert_eq!(of("4 or 5.4"), all(("5.4", true), ("4 or 5.4", false)));
    assert_eq!(of("five"), all(("", false), ("five", false)));
    let nothing = task.score(&task.items()[2], &Said::Nothing("the server was gone".into())).unwrap();
    for scoring in nothing {
        let Scoring::Done(score) = scoring else { panic!("a program") };
        assert_eq!((score.verdict.as_str(), score.correct), ("the server was gone", None));
    }
    assert!(task.score(&task.items()[2], &Said::Choices(vec![0.0])).is_err());
}

const HEADLESS: &str = "Is \"it\" so?,None,True,1,\"0,5\",B\n\"Two\nlines\",NA,null,nan,-1,D\nA; b; c | d,1,2,3,4,A\n";
const NAMED: &str = "question,choice0,choice1,choice2,choice3,answer\n\"Is \"\"it\"\" so?\",None,True,1,\"0,5\",1\n\
                     \"Two\nlines\",NA,null,nan,-1,3\nA; b; c | d,1,2,3,4,0\n";
const LISTED: &str = r#"{"question": "Is \"it\" so?", "choices": ["None", "True", "1", "0,5"], "answer": 1, "subject": "odd_things"}
{"question": "Two\nlines", "choices": ["NA", "null", "nan", "-1"], "answer": 3, "subject": "odd_things"}
{"question": "A; b; c | d", "choices": ["1", "2", "3", "4"], "answer": "A", "subject": "odd_things"}"#;

#[test]
fn mmlu_is_the_same_without_a_header_with_one_and_with_lists() {
    // A file of shots has a row more: a copy of the data would lose the question itself.
    let more = |text: &str, row: &str| format!("{text}{row}");
    let listed = "\n{\"question\": \"More?\", \"choices\": [1, 2, 3, 4], \"answer\": 0, \"subject\": \"odd_things\"}";
    let dir = folder(&[
        ("a/test/odd_things_test.csv", HEADLESS),
        ("a/dev/odd_things_dev.csv", &more(HEADLESS, "More?,1,2,3,4,A\n")),
        ("b/test/odd_things_test.csv", NAMED),
        ("b/dev/odd_things_dev.csv", &more(NAMED, "More?,1,2,3,4,0\n")),
        ("c/test.jsonl", LISTED),
        ("c/dev.jsonl", &more(LISTED, listed)),
    ]);
    let file = |name: &str| dir.path().join(name);
    let shots = Choice { shots: Some(2), ..Choice::default() };
    let listed = Choice { shots_file: Some(file("c/dev.jsonl")), ..shots.clone() };
    for built_in in built_ins().iter().filter(|b| b.name == "mmlu") {
        let load = |data: &str, choice: &Choice| {
            let task = TaskFile::built_in("mmlu", Some(built_in.protocol)).unwrap().load(&file(data), choice).unwrap();
            let items = task.items().iter().map(|i| (i.index, i.group.clone(), i.question.clone(), i.gold.clone()));
            items.collect::<Vec<_>>()
        };
        let headless = load("a", &shots);
        assert_eq!(headless.iter().map(|i| i.3.as_str()).collect::<Vec<_>>(), ["B", "D", "A"]);
        assert_eq!(headless[0].1.as_deref(), Some("odd_things"));
        assert_eq!(headless, load("b", &shots));
        assert_eq!(headless, load("b/test/odd_things_test.csv", &shots));
        assert_eq!(headless, load("b/test", &shots));
        assert_eq!(headless, load("c/test.jsonl", &listed));
        let of_folder = Choice { shots_file: Some(file("b/dev")), ..shots.clone() };
        assert_eq!(headless, load("a", &of_folder));
    }
}

#[test]
fn shots_are_needed_only_for_the_groups_that_are_asked_about() {
    let dir =
        folder(&[("test/even_test.csv", HEADLESS), ("test/odd_test.csv", HEADLESS), ("dev/odd_dev.csv", HEADLESS)]);
    let load = |groups: &[&str]| {
        let groups = groups.iter().map(|g| (*g).to_owned()).collect();
        let choice = Choice { groups, shots: Some(1), ..Choice::default() };
        TaskFile::built_in("mmlu", Some("lm-eval")).unwrap().load(dir.path(), &choice)
    };
    assert_eq!(load(&["odd"]).unwrap().items()[0].id, "odd/0");
    assert!(load(&[]).unwrap_err().to_string().contains("even_dev.csv: it is not there"));
}

#[test]
fn the_likeliest_choice_counts_and_one_without_a_number_is_not_assessed() {
    let dir = folder(&[("test/odd_test.csv", HEADLESS)]);
    let choice = Choice { shots: Some(0), ..Choice::default() };
    let task = TaskFile::built_in("mmlu", Some("lm-eval")).unwrap().load(dir.path(), &choice).unwrap();
    assert!(matches!(task.ask(), Ask::Choose(_)));
    let of = |log_p: &[f64]| {
        let scored = task.score(&task.items()[0], &Said::Choices(log_p.to_vec())).unwrap();
        let [Scoring::Done(score)] = scored.as_slice() else { panic!("{scored:?}") };
        (score.extracted.clone().unwrap_or_default(), score.correct)
    };
    assert_eq!(of(&[-2.0, -1.0, -3.0, -1.0]), ("B".into(), Some(true)));
    assert_eq!(of(&[-1.0, -1.0, -3.0, -1.0]), ("A".into(), Some(false)));
    assert_eq!(of(&[f64::NEG_INFINITY, -1.0, -3.0, -5.0]), ("B".into(), Some(true)));
    assert_eq!(of(&[f64::NAN, -1.0, -3.0, -5.0]), (String::new(), None));
    assert!(task.score(&task.items()[0], &Said::Choices(vec![0.0])).is_err());
    assert!(task.score(&task.items()[0], &Said::Text("B".into())).is_err());
}

#[test]
fn a_file_given_by_itself_finds_its_shots_beside_it() {
    let row = |n: usize| format!("{{\"question\": \"Q{n}\", \"answer\": \"so <<1+1=2>>2\\n#### {n},000\"}}\n");
    let dir = folder(&[("test.jsonl", &row(7)), ("train.jsonl", &(0..9).map(row).collect::<String>())]);
    let file = TaskFile::built_in("gsm8k", Some("lm-eval")).unwrap();
    let task = file.load(&dir.path().join("test.jsonl"), &Choice::default()).unwrap();
    assert_eq!(task.items()[0].gold, "7000");
    let Prompt::Raw(text) = &task.items()[0].question.prompt else { panic!("no text") };
    assert_eq!(text.matches("Question: ").count(), 6);
}

#[test]
fn built_in_tasks_name_their_protocols_the_first_by_default() {
    assert_eq!(TaskFile::built_in("gsm8k", None).unwrap().protocol(), "llada");
    assert_eq!(TaskFile::built_in("gsm8k", Some("lm-eval")).unwrap().protocol(), "lm-eval");
    let unknown = TaskFile::built_in("gsm9k", None).unwrap_err().to_string();
    assert!(unknown.contains("gsm8k, mmlu, humaneval, xstest"), "{unknown}");
    let protocol = TaskFile::built_in("mmlu", Some("other")).unwrap_err().to_string();
    assert!(protocol.contains("llada, lm-eval, lm-eval-generative"), "{protocol}");
    for built_in in built_ins() {
        let file = TaskFile::built_in(built_in.name, Some(built_in.protocol)).unwrap();
        assert_eq!((file.name(), file.protocol(), file.about()), (built_in.name, built_in.protocol, built_in.about()));
    }
}

#[test]
fn headers_in_another_case_other_separators_and_whole_numbers_are_read_as_they_are_meant() {
    let tables = [
        "Question, a ,B,C,D,ANSWER\nWhich?,w,x,y,z,1.0\n",
        "question;A;B;C;D;answer\nWhich?;w;x;y;z;1\n",
        "question\tA\tB\tC\tD\tanswer\r\nWhich?\tw\tx\ty\tz\t b \r\n",
    ];
    for table in tables {
        let dir = folder(&[("test/odd_test.csv", table)]);
        let choice = Choice { shots: Some(0), ..Choice::default() };
        let task = TaskFile::built_in("mmlu", Some("lm-eval")).unwrap().load(dir.path(), &choice).unwrap();
        let Prompt::Raw(text) = &task.items()[0].question.prompt else { panic!("no text") };
        assert!(text.ends_with("Which?\nA. w\nB. x\nC. y\nD. z\nAnswer:"), "{table}: {text}");
        assert_eq!((task.items().len(), task.items()[0].gold.as_str()), (1, "B"), "{table}");
    }
}

#[test]
fn a_list_of_more_choices_than_are_asked_about_is_an_error() {
    let row = |choices: &str| {
        format!("{{\"question\": \"Which?\", \"subject\": \"odd\", \"choices\": {choices}, \"answer\": 1}}\n")
    };
    let load = |choices: &str| {
        let dir = folder(&[("all.jsonl", &row(choices))]);
        let choice = Choice { shots: Some(0), ..Choice::default() };
        let file = TaskFile::built_in("mmlu", Some("lm-eval")).unwrap();
        file.load(&dir.path().join("all.jsonl"), &choice).map(|_| ()).map_err(|e| e.to_string())
    };
    load("[\"w\", \"x\", \"y\", \"z\"]").unwrap();
    let said = load("[\"w\", \"x\", \"y\", \"z\", \"v\"]").unwrap_err();
    assert!(said.contains("line 1: `choices` has 5 entries, and 4 are asked about"), "{said}");
}

#[test]
fn shots_from_a_copy_of_the_data_are_never_the_question_itself() {
    let rows: String = (0..4).map(|n| format!("{{\"question\": \"Q{n}\", \"answer\": \"x\\n#### {n}\"}}\n")).collect();
    let dir = folder(&[("test.jsonl", &rows), ("train.jsonl", &rows)]);
    let choice = Choice { shots: Some(2), ..Choice::default() };
    let task = TaskFile::built_in("gsm8k", Some("lm-eval")).unwrap().load(dir.path(), &choice).unwrap();
    for (n, item) in task.items().iter().enumerate() {
        let Prompt::Raw(text) = &item.question.prompt else { panic!("no text") };
        assert_eq!(text.matches(&format!("Question: Q{n}\n")).count(), 1, "{text}");
    }
}
