//! What commands make of tokenisers, chat templates and prompts that are not as they should be.

use crate::{copy, edit, fixture, line, mosa};
use serde_json::{Value, json};
use std::path::Path;

/// `generate` on a model with the prompt `hello`.
fn hello(model: &Path) -> crate::Run {
    line("generate --model {m} --prompt hello --gen-length 8 --json", &[("m", model)])
}

#[test]
fn a_saved_truncation_changes_no_answer() {
    let dir = copy("llada");
    let saved = json!({"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0});
    edit(&dir.path().join("tokenizer.json"), "truncation", saved);
    assert_eq!(hello(dir.path()).ok().stdout, hello(&fixture("llada")).ok().stdout);
}

#[test]
fn files_that_disagree_about_ids_are_refused_by_every_command_that_reads_them() {
    let dir = copy("llada");
    let path = dir.path().join("tokenizer.json");
    let mut tokens = crate::read_json(&path)["added_tokens"].clone();
    tokens.as_array_mut().unwrap().retain(|t| t["content"] != "<|mdm_mask|>");
    edit(&path, "added_tokens", tokens);
    for command in ["generate --model {m} --prompt hello", "inspect {m}", "verify {m}"] {
        let run = line(command, &[("m", dir.path())]);
        let named = ["tokenizer_config.json", "/tokenizer.json", "<|mdm_mask|>", "320"];
        assert!(run.code == 2 && named.iter().all(|n| run.stderr.contains(n)), "{command}: {}", run.stderr);
    }
    // More tokens than the embedding has rows.
    let dir = copy("llada");
    let path = dir.path().join("tokenizer.json");
    let mut tokens = crate::read_json(&path)["added_tokens"].clone();
    let more = (334..=344).map(|id| {
        let mut token = tokens[0].clone();
        token["id"] = json!(id);
        token["content"] = json!(format!("<|more_{id}|>"));
        token
    });
    let more: Vec<Value> = more.collect();
    tokens.as_array_mut().unwrap().extend(more);
    edit(&path, "added_tokens", tokens);
    let run = hello(dir.path());
    assert!(run.code == 2 && run.stderr.contains("<|more_344|>") && run.stderr.contains("344 rows"), "{}", run.stderr);
}

#[test]
fn a_mask_in_a_prompt_a_phrase_or_a_training_row_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (model, prompts) = (fixture("llada"), dir.path().join("p.jsonl"));
    let rows =
        [json!({"id": "plain", "prompt": "hello"}), json!({"id": "marked", "prompt": "a <|mdm_mask|><|mdm_mask|> b"})];
    std::fs::write(&prompts, rows.map(|r| r.to_string()).join("\n")).unwrap();
    let ids = dir.path().join("ids.jsonl");
    std::fs::write(&ids, json!({"id": "marked", "ids": [5, 320, 320, 7]}).to_string()).unwrap();
    let data = dir.path().join("train.jsonl");
    std::fs::write(
        &data,
        json!({"id": "marked", "prompt": "hello", "response": "<|mdm_mask|> x <|mdm_mask|>"}).to_string(),
    )
    .unwrap();
    let out = dir.path().join("out");
    let paths = [("m", model.as_path()), ("p", &prompts), ("i", &ids), ("d", &data), ("o", &out)];
    for command in [
        "generate --model {m} --prompts {p} --gen-length 8",
        "generate --model {m} --prompts {p} --gen-length 8 --raw",
        "generate --model {m} --prompts {i} --gen-length 8",
        "probe order --model {m} --behaviors {p} --out {o} --gen-length 8 --block-length 8 --steps 8",
        "align --model {m} --data {d} --out {o} --objective sft",
    ] {
        let run = line(command, &paths);
        let said =
            run.stderr.contains("<|mdm_mask|>") && run.stderr.contains("2 in all") && run.stderr.contains("marked");
        assert!(run.code == 2 && said && run.stdout.is_empty(), "{command}: {} {}", run.code, run.stderr);
    }
    let run =
        mosa(&["generate", "--model", model.to_str().unwrap(), "--prompt", "hello", "--force", "0:x<|mdm_mask|>"]);
    assert!(run.code == 2 && run.stderr.contains("--force 0") && run.stderr.contains("1 in all"), "{}", run.stderr);
}

#[test]
fn advice_about_a_template_fits_the_model() {
    // A model with turns needs its template; the flag for plain text would hide that.
    let dir = copy("llada");
    edit(&dir.path().join("tokenizer_config.json"), "chat_template", Value::Null);
    let run = hello(dir.path());
    assert!(run.code == 2 && run.stderr.contains("instruct model") && !run.stderr.contains("--raw"), "{}", run.stderr);
    std::fs::write(dir.path().join("chat_template.jinja"), "{{ messages[0].nope.deep }}").unwrap();
    let run = hello(dir.path());
    assert!(
        run.code == 2 && run.stderr.contains("chat_template.jinja") && !run.stderr.contains("--raw"),
        "{}",
        run.stderr
    );
}

#[test]
fn hostile_templates_end_with_a_message() {
    let dir = copy("llada");
    for (template, named) in [
        (format!("{{{{ 'a'{} }}}}", "|e".repeat(33_000)), "4000"),
        ("{{ '%1000000000d' % 1 }}".into(), "1000000000"),
        ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".into(), "steps"),
    ] {
        std::fs::write(dir.path().join("chat_template.jinja"), &template).unwrap();
        let run = hello(dir.path());
        assert!(
            run.code == 2 && run.stderr.contains("chat_template.jinja") && run.stderr.contains(named),
            "{}",
            run.stderr
        );
        assert!(run.stderr.lines().count() <= 3 && !run.stderr.contains("panicked"), "{}", run.stderr);
    }
    std::fs::write(dir.path().join("chat_template.jinja"), format!("{{{{ 'a'{} }}}}", "|e".repeat(33_000))).unwrap();
    let run = line("inspect {m}", &[("m", dir.path())]);
    assert!(run.code == 2 && run.stderr.contains("chat_template.jinja"), "{} {}", run.code, run.stderr);
}

#[test]
fn a_prompt_of_fifty_megabytes_is_refused_by_its_length() {
    let dir = tempfile::tempdir().unwrap();
    let prompts = dir.path().join("p.jsonl");
    std::fs::write(&prompts, json!({"id": "long", "prompt": "word ".repeat(10_000_000)}).to_string()).unwrap();
    for flags in ["", " --raw"] {
        let model = fixture("llada");
        let run = line(&format!("generate --model {{m}} --prompts {{p}}{flags}"), &[("m", &model), ("p", &prompts)]);
        assert!(run.code == 2 && run.stderr.contains("2097152") && run.stderr.contains("long"), "{}", run.stderr);
    }
}
