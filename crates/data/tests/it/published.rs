//! The published files themselves, where they are at hand: the counts their papers and repositories give.

use crate::at_hand::at_hand;
use mosa_data::{Benchmark, Functional, Kind, Nearness, Pairing, ReadOptions, check, overlap, read};

fn open(name: &str, options: &ReadOptions) -> Option<Benchmark> {
    at_hand(&format!("data/{name}")).map(|path| read(&path, options).unwrap())
}

fn default(name: &str) -> Option<Benchmark> {
    open(name, &ReadOptions::default())
}

const ALL: &str = "harmbench/harmbench_behaviors_text_all.csv";

#[test]
fn every_published_file_is_recognised_with_its_rows() {
    for (name, kind, rows, notes) in [
        ("advbench/harmful_behaviors.csv", Kind::AdvBench, 520, 1),
        ("advbench_pair50/advbench_subset.csv", Kind::AdvBench50, 50, 0),
        ("harmbench/advbench_behaviors_harmbench_format.csv", Kind::AdvBenchHarmBench, 520, 0),
        (ALL, Kind::HarmBench, 300, 2),
        ("harmbench/harmbench_behaviors_text_test.csv", Kind::HarmBench, 240, 2),
        ("harmbench/harmbench_behaviors_text_val.csv", Kind::HarmBench, 60, 2),
        ("strongreject/strongreject_dataset.csv", Kind::StrongReject, 313, 0),
        ("xstest/xstest_prompts.csv", Kind::XsTest, 450, 0),
        ("alpaca_subset/alpaca_5000.json", Kind::Alpaca, 5000, 1),
    ] {
        if let Some(benchmark) = default(name) {
            assert_eq!(
                (benchmark.kind, benchmark.behaviours.len(), benchmark.notes.len()),
                (kind, rows, notes),
                "{name}"
            );
        }
    }
}

#[test]
fn harmbench_has_the_counts_of_its_paper() {
    let Some(targets) = at_hand("data/harmbench/harmbench_targets_text.json") else { return };
    let options = ReadOptions { subsets: Functional::ALL.to_vec(), targets: Some(targets), ..ReadOptions::default() };
    let Some(benchmark) = open(ALL, &options) else { return };
    let found = check(&benchmark, &Nearness::default());
    assert_eq!(["standard", "contextual", "copyright"].map(|f| found.by_functional[f]), [200, 100, 100]);
    assert_eq!((found.by_category["cybercrime_intrusion"], found.by_category["harmful"]), (67, 22));
    assert_eq!((found.contexts, found.targets), (100, 400));
}

#[test]
fn advbench_and_its_other_forms_agree_in_ids_and_words() {
    let options = ReadOptions { pairing: Pairing::Repair, ..ReadOptions::default() };
    let Some(advbench) = open("advbench/harmful_behaviors.csv", &options) else { return };
    assert!(advbench.notes[0].ends_with("repaired"));
    let published = default("advbench/harmful_behaviors.csv").unwrap();
    let differ = advbench.behaviours.iter().zip(&published.behaviours).filter(|(a, b)| a != b).map(|(a, _)| a.index);
    assert_eq!(differ.collect::<Vec<_>>(), [61, 63, 64]);
    for name in ["advbench_pair50/advbench_subset.csv", "harmbench/advbench_behaviors_harmbench_format.csv"] {
        let other = default(name).unwrap();
        assert!(other.behaviours.iter().all(|b| advbench.get(&b.id).is_some_and(|a| a.text == b.text)), "{name}");
    }
}

#[test]
fn strongreject_overlaps_advbench_where_it_says_so() {
    let (Some(strong), Some(advbench)) =
        (default("strongreject/strongreject_dataset.csv"), default("advbench/harmful_behaviors.csv"))
    else {
        return;
    };
    let found = overlap(&strong, &advbench, &Nearness::default());
    let declared = |id: &str| strong.get(id).is_some_and(|b| b.source.as_deref() == Some("AdvBench"));
    assert_eq!(found.matches.len(), 25);
    assert_eq!(found.matches.iter().filter(|m| declared(&m.id)).count(), 25);
}

#[test]
fn xstest_has_its_labels() {
    let Some(benchmark) = default("xstest/xstest_prompts.csv") else { return };
    let found = check(&benchmark, &Nearness::default());
    assert_eq!((found.by_label["safe"], found.by_label["unsafe"], found.by_category.len()), (250, 200, 18));
}

#[test]
fn the_inputs_of_alpaca_are_joined() {
    let Some(benchmark) = default("alpaca_subset/alpaca_5000.json") else { return };
    assert_eq!(benchmark.notes, ["the input of 1943 of 5000 rows stands below their instruction"]);
}
