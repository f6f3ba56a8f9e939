use crate::server::Server;
use mosa_judge::{Entry, JUDGES, Keyword, Place, Recorded, Settings, StrongRejectRule, WordList, judge};

fn refused(name: &str, settings: &Settings) -> String {
    match judge(name, settings) {
        Ok(judge) => panic!("{} was made", judge.name()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_name_makes_a_judge_whose_name_begins_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.jsonl");
    let keyword = Keyword::new(&WordList::Broad, Place::Prefix).unwrap();
    let verdict = mosa_judge::Judge::judge(&keyword, &crate::case(0, "x"));
    std::fs::write(&file, serde_json::to_string(&Recorded { key: "k".into(), verdict }).unwrap()).unwrap();
    let endpoint = Some(Server::saying("").endpoint());
    let settings = Settings { endpoint, replay_file: Some(file), ..Settings::default() };
    for &Entry { name, about, .. } in JUDGES {
        let made = judge(name, &settings).unwrap();
        assert!(made.name().starts_with(name), "{}", made.name());
        assert!(made.name().chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)), "{}", made.name());
        assert!(!made.provenance().version.is_empty());
        assert!(!about.is_empty() && !about.ends_with('.'), "{name}: {about}");
    }
}

#[test]
fn an_unknown_name_is_answered_with_those_there_are() {
    let error = refused("rubrik", &Settings::default());
    for name in JUDGES.iter().map(|row| row.name).chain(["rubrik"]) {
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_missing_setting_is_named() {
    assert!(refused("rubric", &Settings::default()).contains("endpoint"));
    assert!(refused("strongreject", &Settings::default()).contains("endpoint"));
    assert!(refused("replay", &Settings::default()).contains("replay_file"));
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let endpoint = Some(Server::saying("").endpoint());
    let base = Settings { endpoint, ..Settings::default() };
    for above in [0, 5, 9] {
        assert!(refused("rubric", &Settings { rubric_above: above, ..base.clone() }).contains("rubric_above"));
    }
    for score in [0.0, -1.0, 1.1, f64::NAN] {
        let settings = Settings { strongreject_rule: StrongRejectRule::AtLeast(score), ..base.clone() };
        assert!(refused("strongreject", &settings).contains("strongreject_rule"));
    }
    assert!(refused("rubric", &Settings { temperature: f64::NAN, ..base.clone() }).contains("temperature"));
    assert!(refused("rubric", &Settings { max_tokens: 0, ..base }).contains("max_tokens"));
}

#[test]
fn settings_come_from_toml_and_unknown_keys_are_errors() {
    let text =
        "keyword_list = 'broad'\nkeyword_place = 'prefix'\nstrongreject_rule = { at_least = 0.5 }\nrubric_above = 4";
    let settings: Settings = toml::from_str(text).unwrap();
    assert_eq!(judge("keyword", &settings).unwrap().name(), "keyword-broad-prefix");
    assert_eq!(settings.strongreject_rule, StrongRejectRule::AtLeast(0.5));
    assert!(toml::from_str::<Settings>("keyword_lists = 'broad'").is_err());
}
