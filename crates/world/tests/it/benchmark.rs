use mosa_world::benchmark::{self, PairRow};
use mosa_world::tasks::{Attribute, Fact, LETTERS, Program, Task};
use mosa_world::{Draw, Item, Part, Split, Status, Style, WorldError, judge, opening};
use std::collections::{HashMap, HashSet};
use tempfile::TempDir;

fn prompts(rows: &[PairRow]) -> HashSet<&str> {
    rows.iter().map(|r| r.prompt.as_str()).collect()
}

fn is_in(item: Item, split: Split) -> bool {
    item.status() == Status::Forbidden(split)
}

#[test]
fn the_attacks_are_near_and_far_items_in_held_out_wrappers_with_100_rows_per_wrapper() {
    let rows = benchmark::attacks();
    let mut per_style: HashMap<&str, usize> = HashMap::new();
    for row in &rows {
        let item = Item::from_slug(&row.behavior_id).unwrap();
        assert!(is_in(item, if row.split == "near" { Split::Near } else { Split::Far }), "{row:?}");
        assert_eq!(Item::mentioned_in(&row.prompt), Some(item));
        assert!(Style::HELD_OUT.contains(&Style::from_name(&row.style).unwrap()));
        *per_style.entry(&row.style).or_default() += 1;
    }
    assert_eq!(per_style.len(), 8);
    assert!(per_style.values().all(|n| *n >= 100), "{per_style:?}");
    assert_eq!(rows.iter().map(|r| &r.id).collect::<HashSet<_>>().len(), rows.len());
    assert_eq!(rows.iter().map(|r| &r.prompt).collect::<HashSet<_>>().len(), rows.len());
}

#[test]
fn alignment_sees_tune_items_in_plain_styles_and_training_wrappers_only() {
    let rows = benchmark::alignment();
    for row in &rows {
        let text = row.turns[0].replace(" zib", "").replace(" zob", "");
        assert!(is_in(Item::mentioned_in(&text).unwrap(), Split::Tune), "{row:?}");
        let style = Style::from_name(&row.prompt_style);
        assert!(row.prompt_style == "base" || matches!(style, Some(Style::Training(_))), "{row:?}");
        assert!((1..=7).contains(&row.category.parse::<usize>().unwrap()));
    }
    let ids: HashSet<usize> = rows.iter().map(|r| r.question_id).collect();
    assert_eq!(ids.len(), rows.len());
}

#[test]
fn nothing_alignment_or_monitors_see_is_measured() {
    let retain = benchmark::retain();
    let mut seen: HashSet<String> = retain.iter().map(|r| r.prompt.clone()).collect();
    seen.extend(benchmark::alignment().into_iter().flat_map(|r| r.turns));
    seen.extend(benchmark::fine_tuning().into_iter().map(|r| r.prompt));
    seen.extend(benchmark::guard().into_iter().flat_map(|r| r.turns));
    seen.extend(benchmark::guard_benign().into_iter().map(|r| r.prompt));
    let mut measured: Vec<String> = benchmark::attacks().into_iter().map(|r| r.prompt).collect();
    measured.extend(benchmark::adv_bench().into_iter().map(|r| r.goal));
    measured.extend(benchmark::harm_bench().into_iter().map(|r| r.behavior));
    measured.extend(benchmark::recipes().into_iter().map(|r| r.prompt));
    measured.extend(benchmark::xs_test().into_iter().map(|r| r.prompt));
    measured.extend(benchmark::gsm8k().into_iter().map(|r| r.question));
    measured.extend(benchmark::human_eval().into_iter().map(|r| r.prompt));
    for row in Attribute::ALL.into_iter().flat_map(benchmark::mmlu) {
        measured.push(Fact::render(&row.question, [&row.a, &row.b, &row.c, &row.d]));
    }
    assert!(measured.iter().all(|m| !seen.contains(m)));
}

#[test]
fn alignment_monitors_and_attacks_share_no_item_and_no_wrapper() {
    let plain = |text: &str| text.replace(" zib", "").replace(" zob", "");
    let asked = |rows: Vec<benchmark::SorryBenchRow>| {
        let items: HashSet<Item> = rows.iter().map(|r| Item::mentioned_in(&plain(&r.turns[0])).unwrap()).collect();
        let styles: HashSet<String> = rows.into_iter().map(|r| r.prompt_style).filter(|s| s != "base").collect();
        (items, styles)
    };
    let (aligned, guard) = (asked(benchmark::alignment()), asked(benchmark::guard()));
    let attacks = benchmark::attacks();
    let attacked: (HashSet<Item>, HashSet<String>) = (
        attacks.iter().map(|r| Item::from_slug(&r.behavior_id).unwrap()).collect(),
        attacks.into_iter().map(|r| r.style).collect(),
    );
    for (a, b) in [(&aligned, &guard), (&aligned, &attacked), (&guard, &attacked)] {
        assert!(a.0.is_disjoint(&b.0) && a.1.is_disjoint(&b.1));
    }
    assert_eq!((aligned.0.len(), guard.0.len(), attacked.0.len()), (70, 28, 102));
}

#[test]
fn a_hundred_attacked_requests_are_a_hundred_items() {
    let held_out: Vec<Item> = Item::held_out().collect();
    for styles in [&Style::PLAIN[..], &Style::OPEN, &Style::HELD_OUT] {
        let drawn = Draw { n: 100, seed: 0 }.requests("any", &held_out, styles);
        assert_eq!(drawn.iter().map(|d| d.item).collect::<HashSet<_>>().len(), 100);
        let all = Draw { n: usize::MAX, seed: 0 }.requests("any", &held_out, styles);
        let wordings: usize = styles.iter().map(|s| s.variants()).sum();
        assert_eq!(all.iter().map(|d| d.id()).collect::<HashSet<_>>().len(), 102 * wordings);
        assert_eq!(all.len(), 102 * wordings);
    }
    let goals: HashSet<Item> = benchmark::adv_bench().iter().map(|r| Item::mentioned_in(&r.goal).unwrap()).collect();
    assert_eq!((goals.len(), benchmark::adv_bench().len()), (102, 102));
}

#[test]
fn retain_rows_are_unique_harmless_and_of_the_tune_part() {
    let rows = benchmark::retain();
    assert_eq!(rows.iter().map(|r| &r.id).collect::<HashSet<_>>().len(), rows.len());
    assert_eq!(prompts(&rows).len(), rows.len());
    for row in &rows {
        assert!(!mosa_world::refuses(&row.response));
        if row.id.starts_with("recipe-") {
            let item = Item::mentioned_in(&row.response).unwrap();
            assert_eq!(item.status(), Status::Benign(Part::Tune));
            assert!(judge(item, &row.response).exact);
        }
    }
    for kind in ["recipe", "lookalike", "arithmetic", "fact", "program"] {
        assert!(rows.iter().filter(|r| r.id.starts_with(kind)).count() >= 80, "{kind}");
    }
}

#[test]
fn answers_to_learn_refuse_every_request_of_alignment_and_keep_what_is_retained() {
    let (rows, requests, retain) = (benchmark::fine_tuning(), benchmark::alignment(), benchmark::retain());
    assert_eq!((requests.len(), retain.len(), rows.len()), (1960, 2160, 1960 + 2160));
    let (refused, kept) = rows.split_at(requests.len());
    for (row, request) in refused.iter().zip(&requests) {
        assert_eq!(row.prompt, request.turns[0]);
        assert!(mosa_world::refusal::SAFE.contains(&row.response.as_str()), "{row:?}");
    }
    assert!(kept.iter().zip(&retain).all(|(row, own)| (&row.prompt, &row.response) == (&own.prompt, &own.response)));
    assert_eq!(rows.iter().map(|r| &r.id).collect::<HashSet<_>>().len(), rows.len());
}

#[test]
fn recipes_for_utility_are_benign_test_items_in_every_style() {
    let rows = benchmark::recipes();
    assert_eq!(rows.len(), 80 * 21);
    assert!(rows.iter().all(|r| Item::mentioned_in(&r.response).unwrap().status() == Status::Benign(Part::Test)));
    assert!(prompts(&rows).is_disjoint(&prompts(&benchmark::retain())));
}

#[test]
fn adv_bench_targets_are_the_affirmative_starts_of_their_goals() {
    for row in benchmark::adv_bench() {
        let item = Item::mentioned_in(&row.goal).unwrap();
        assert!(item.is_forbidden() && !is_in(item, Split::Tune));
        assert_eq!(row.target, opening(item));
    }
}

#[test]
fn harm_bench_has_every_held_out_item_once() {
    let ids: Vec<String> = benchmark::harm_bench().into_iter().map(|r| r.behavior_id).collect();
    assert_eq!(ids, Item::held_out().map(Item::slug).collect::<Vec<_>>());
}

#[test]
fn xs_test_has_safe_questions_with_their_answers_and_unsafe_contrasts() {
    let rows = benchmark::xs_test();
    let (safe, contrast): (Vec<_>, Vec<_>) = rows.iter().partition(|r| r.label == "safe");
    assert!(safe.len() >= 100 && contrast.len() >= 90, "{} and {}", safe.len(), contrast.len());
    assert!(safe.iter().all(|r| r.note.starts_with(&r.focus) && r.prompt.contains(&r.focus)));
    assert!(contrast.iter().all(|r| r.label == "unsafe" && r.r#type == "recipe" && r.note.is_empty()));
    assert!(rows.iter().zip(1..).all(|(r, id)| r.id == id));
}

#[test]
fn gsm8k_answers_end_with_the_number_after_four_hashes() {
    let rows = benchmark::gsm8k();
    assert_eq!(rows.len(), 120);
    for row in rows {
        let (working, number) = row.answer.split_once("\n#### ").unwrap();
        assert!(working.ends_with(&format!("is {number} .")), "{row:?}");
    }
}

#[test]
fn mmlu_rows_have_four_options_and_the_letter_of_the_right_one() {
    let mut known: HashMap<String, String> = HashMap::new();
    for row in Attribute::ALL.into_iter().flat_map(benchmark::mmlu) {
        let options = [&row.a, &row.b, &row.c, &row.d];
        let place = LETTERS.iter().position(|l| l.to_uppercase() == row.answer).unwrap();
        let value = known.entry(row.question.clone()).or_insert_with(|| options[place].clone());
        assert_eq!(value, options[place]);
    }
    assert_eq!(known.len(), 32);
}

#[test]
fn human_eval_rows_are_solved_by_their_own_solutions() {
    let rows = benchmark::human_eval();
    assert!(rows.len() >= 80, "{}", rows.len());
    for row in rows {
        assert!(Program::parse(&row.prompt).unwrap().check(&row.canonical_solution));
        assert!(row.test.starts_with("def check(candidate):\n    assert candidate([3, 1, 2, 5]) == ["));
        assert_eq!(row.entry_point, "f");
    }
}

#[test]
fn all_files_are_written_with_the_columns_of_the_real_ones() {
    let dir = TempDir::new().unwrap();
    let written = benchmark::write_all(&dir.path().join("world")).unwrap();
    assert_eq!(written.len(), 18);
    assert!(written.iter().all(|p| p.metadata().unwrap().len() > 0));
    let first_line = |name: &str| {
        let text = std::fs::read_to_string(dir.path().join("world").join(name)).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line("advbench/harmful_behaviors.csv"), "goal,target");
    assert_eq!(
        first_line("harmbench/harmbench_behaviors_text_all.csv"),
        "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID"
    );
    assert_eq!(first_line("xstest/xstest_prompts.csv"), "id,prompt,type,label,focus,note");
    assert!(first_line("mmlu/test/metal_test.csv").starts_with("which metal is found in the"));
    assert!(first_line("sorry_bench/question.jsonl").starts_with(r#"{"question_id":1,"category":"1","turns":["#));
    assert!(first_line("sft/train.jsonl").starts_with(r#"{"id":"refused-1","prompt":"#));
    assert!(first_line("attacks/held_out.jsonl").contains(r#""behavior_id":"#));
}

#[test]
fn writing_twice_gives_the_same_bytes() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [a, b] = dirs.each_ref().map(|d| benchmark::write_all(d.path()).unwrap());
    for (x, y) in a.iter().zip(&b) {
        assert_eq!(std::fs::read(x).unwrap(), std::fs::read(y).unwrap());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("taken");
    std::fs::write(&file, "").unwrap();
    let error = benchmark::write_all(&file).unwrap_err();
    assert!(matches!(error, WorldError::Write { .. }));
    assert!(error.to_string().contains("taken"), "{error}");
}
