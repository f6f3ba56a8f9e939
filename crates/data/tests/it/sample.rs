use crate::read;
use mosa_data::{Benchmark, DataError, ReadOptions, Sampled, Selection, sample};

fn styles() -> Benchmark {
    let row = |i: usize| {
        let style = ["base", "slang", "morse"][i % 3];
        format!(r#"{{"question_id": {}, "category": "1", "turns": ["ask {i}"], "prompt_style": "{style}"}}"#, i / 3)
    };
    read("q.jsonl", &(0..60).map(row).collect::<Vec<_>>().join("\n"), &ReadOptions::default()).unwrap()
}

#[test]
fn a_sample_has_every_style_in_proportion_and_is_made_again_from_its_ids() {
    let all = styles();
    let Sampled { benchmark: part, sample: record } = sample(&all, 12, 5);
    for style in ["base", "slang", "morse"] {
        assert_eq!(part.behaviours.iter().filter(|b| b.style.as_deref() == Some(style)).count(), 4);
    }
    assert_eq!(all.select(&record.ids).unwrap().behaviours, part.behaviours);
    assert_eq!(sample(&all, 12, 5), Sampled { benchmark: part.clone(), sample: record.clone() });
    assert_ne!(sample(&all, 12, 6).sample.ids, record.ids);
    assert_eq!((record.of, record.seed, &record.sha256), (60, 5, &all.sha256));
    assert_eq!(part.notes, ["a stratified sample: 12 of 60 behaviours, seed 5"]);
}

#[test]
fn a_sample_of_all_is_the_benchmark() {
    let all = styles();
    assert_eq!(sample(&all, 60, 1).benchmark, all);
}

#[test]
fn an_unknown_id_is_refused() {
    let error = styles().select(&["9/none".to_owned()]).unwrap_err();
    assert!(matches!(&error, DataError::UnknownId { id, .. } if id == "9/none"), "{error}");
}

#[test]
fn a_selection_takes_styles_first_and_says_what_is_left_out() {
    let slang = Some(vec!["slang".to_owned()]);
    let with = |limit, sample, seed| Selection { styles: slang.clone(), limit, sample, seed }.of(styles());
    let ids = |b: &Benchmark| b.behaviours.iter().map(|b| b.id.clone()).collect::<Vec<_>>();
    let first = with(Some(2), None, 0).unwrap();
    assert_eq!(ids(&first), ["0/slang", "1/slang"]);
    assert_eq!(first.notes, ["styles slang: 20 of 60 behaviours"]);
    let (one, other) = (with(None, Some(4), 1).unwrap(), with(None, Some(4), 2).unwrap());
    assert_eq!((one.behaviours.len(), other.behaviours.len()), (4, 4));
    assert_ne!(ids(&one), ids(&other), "another seed is another sample");
    assert_eq!(ids(&one), ids(&with(None, Some(4), 1).unwrap()));
    let none = Selection { styles: Some(vec!["rhyme".into()]), ..Selection::default() }.of(styles()).unwrap_err();
    assert!(none.to_string().contains("--styles rhyme"), "{none}");
    assert!(with(Some(0), None, 0).is_err() && with(None, Some(0), 0).is_err());
    assert_eq!(Selection::default().of(styles()).unwrap(), styles());
}
