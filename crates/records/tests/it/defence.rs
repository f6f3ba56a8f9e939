//! What defences did, as records have it.

use mosa_records::{AnswerRecord, DefenceAct, Texts};
use serde_json::json;

fn answer(defences: serde_json::Value) -> AnswerRecord {
    let mut value = json!({"group": "direct", "id": "a", "behaviour": "ask", "texts": Texts::default(), "pieces": [],
        "steps": [], "confidences": [], "finish": "stop", "forwards": 1});
    if !defences.is_null() {
        value["defences"] = defences;
    }
    serde_json::from_value(value).expect("a record")
}

#[test]
fn an_answer_of_an_earlier_file_knows_no_defence_and_is_written_as_it_was() {
    let earlier = answer(json!(null));
    assert_eq!(earlier.defences, []);
    assert!(!serde_json::to_string(&earlier).unwrap().contains("defences"));
}

#[test]
fn acts_are_read_back_as_they_were_written_infinities_included() {
    let acts = vec![
        DefenceAct { defence: "perplexity".into(), did: "refused".into(), step: None, value: Some(f64::INFINITY) },
        DefenceAct { defence: "audit".into(), did: "masked again".into(), step: Some(7), value: Some(0.25) },
        DefenceAct { defence: "reminder".into(), did: "rewrote the prompt".into(), ..DefenceAct::default() },
    ];
    let read = answer(serde_json::to_value(&acts).unwrap());
    assert_eq!(read.defences, acts);
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(written["defences"][0], json!({"defence": "perplexity", "did": "refused", "value": "inf"}));
    assert_eq!(written["defences"][2], json!({"defence": "reminder", "did": "rewrote the prompt"}));
}
