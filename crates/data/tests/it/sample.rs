use crate::read;
use mosa_data::{Benchmark, DataError, ReadOptions, sample};

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
    let (part, record) = sample(&all, 12, 5);
    for style in ["base", "slang", "morse"] {
        assert_eq!(part.behaviours.iter().filter(|b| b.style.as_deref() == Some(style)).count(), 4);
    }
    assert_eq!(all.select(&record.ids).unwrap().behaviours, part.behaviours);
    assert_eq!(sample(&all, 12, 5), (part.clone(), record.clone()));
    assert_ne!(sample(&all, 12, 6).1.ids, record.ids);
    assert_eq!((record.of, record.seed, &record.sha256), (60, 5, &all.sha256));
    assert_eq!(part.notes, ["a stratified sample: 12 of 60 behaviours, seed 5"]);
}

#[test]
fn a_sample_of_all_is_the_benchmark() {
    let all = styles();
    assert_eq!(sample(&all, 60, 1).0, all);
}

#[test]
fn an_unknown_id_is_refused() {
    let error = styles().select(&["9/none".to_owned()]).unwrap_err();
    assert!(matches!(&error, DataError::UnknownId { id, .. } if id == "9/none"), "{error}");
}
