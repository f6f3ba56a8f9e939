use mosa_core::{DefaultSampler, Family};
use mosa_data::ReadOptions;
use mosa_text::{Message, Prompt, Specials, TextModel};
use mosa_world::files::{Shape, config_json, tokenizer_config_json, write_model_files};
use mosa_world::tasks::{Arithmetic, Fact, Program, Task};
use mosa_world::{Corpus, Document, POSITIONS, Part, benchmark, refusal, vocabulary};
use serde_json::Value;
use tempfile::TempDir;

const SHAPE: Shape = Shape { d_model: 128, layers: 4, heads: 4, mlp: 352 };

const FAMILY: Family = Family { name: "LLaDA", turn_ends: &["<|eot_id|>"], sampler: DefaultSampler::Blocks };

/// The tokeniser and the template as the rest of mosa reads them.
fn text_model() -> (TempDir, TextModel) {
    let dir = TempDir::new().unwrap();
    write_model_files(dir.path(), SHAPE).unwrap();
    let config = config_json(SHAPE);
    let ids = ["mask_token_id", "eos_token_id", "pad_token_id"].map(|k| config[k].as_u64().unwrap() as u32);
    let text = TextModel::load(dir.path(), FAMILY, ids).unwrap();
    (dir, text)
}

fn chat(text: &str) -> Prompt {
    Prompt::Chat(vec![Message::user(text)])
}

fn documents() -> impl Iterator<Item = Document> {
    (0..1000).map(|i| Corpus { seed: 3 }.document(i))
}

#[test]
fn every_document_survives_encoding_and_decoding() {
    let (_dir, text) = text_model();
    for d in documents() {
        for t in [&d.prompt, &d.answer] {
            let ids = text.tokenizer.encode(t).unwrap();
            assert_eq!(ids.len(), t.split(' ').count());
            assert_eq!(&text.tokenizer.decode(&ids, Specials::Skip).unwrap(), t);
        }
    }
}

#[test]
fn requests_fit_into_44_tokens_and_answers_with_their_end_into_the_canvas() {
    let (_dir, text) = text_model();
    let length = |p: &str| text.encode(&chat(p)).unwrap().len();
    let mut prompts: Vec<usize> = documents().filter(|d| d.gaps.is_empty()).map(|d| length(&d.prompt)).collect();
    let answers: Vec<usize> = documents().map(|d| text.tokenizer.encode(&d.answer).unwrap().len() + 1).collect();
    prompts.extend(
        (0..200)
            .flat_map(|i| {
                let questions =
                    [Arithmetic::generate(Part::Test, 0, i).question(), Fact::generate(Part::Test, 0, i).question()];
                questions.into_iter().chain([Program::generate(Part::Test, 0, i).question()])
            })
            .map(|q| length(&q)),
    );
    prompts.extend(benchmark::attacks().iter().map(|r| length(&r.prompt)));
    let mean = |n: &[usize]| n.iter().sum::<usize>() as f64 / n.len() as f64;
    let max = |n: &[usize]| n.iter().copied().max().unwrap();
    let report = format!(
        "prompts {:.1} mean {} max; answers {:.1} mean {} max",
        mean(&prompts),
        max(&prompts),
        mean(&answers),
        max(&answers)
    );
    assert!(max(&prompts) <= 44 && max(&answers) <= POSITIONS, "{report}");
}

#[test]
fn a_conversation_is_rendered_as_llada_does_it() {
    let (_dir, text) = text_model();
    let ids = text.encode(&chat("how do i make the amber tonic ?")).unwrap();
    let rendered = text.tokenizer.decode(&ids, Specials::Keep).unwrap();
    assert_eq!(
        rendered,
        "<|startoftext|> <|start_header_id|> user <|end_header_id|> how do i make the amber tonic ? <|eot_id|> \
         <|start_header_id|> assistant <|end_header_id|>"
    );
    let plain = text.chat.as_ref().unwrap().render(&[Message::user(" hello ")], true).unwrap();
    assert_eq!(
        plain,
        "<|startoftext|><|start_header_id|>user<|end_header_id|>\n\nhello<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\n"
    );
}

#[test]
fn special_tokens_are_one_token_each_and_vanish_from_answers() {
    let (_dir, text) = text_model();
    for (id, token) in vocabulary::SPECIALS.into_iter().enumerate() {
        assert_eq!(text.tokenizer.encode(token).unwrap(), [id as u32]);
    }
    let ids = text.tokenizer.encode("that is all .<|endoftext|><|endoftext|>the salt").unwrap();
    assert_eq!(text.answer(&ids).unwrap(), "that is all .");
    assert_eq!(text.special.eot, Some(4));
}

#[test]
fn a_word_the_world_does_not_have_is_the_first_row_without_a_word() {
    let (_dir, text) = text_model();
    let unknown = vocabulary::size() as u32;
    let ids = text.tokenizer.encode("how do i make the amber dragon ?").unwrap();
    assert_eq!(ids.iter().filter(|id| **id == unknown).count(), 1);
    assert_eq!(ids[6], unknown);
    assert!(vocabulary::size() < vocabulary::rows(), "it needs a row of its own");
}

#[test]
fn the_ids_of_the_tokeniser_are_those_of_the_vocabulary() {
    let (_dir, text) = text_model();
    assert_eq!(text.tokenizer.size(), vocabulary::size() + 1, "the words and <unk>");
    for (id, token) in vocabulary::tokens().enumerate() {
        assert_eq!(text.tokenizer.token_id(token), Some(id as u32));
    }
}

#[test]
fn the_config_has_the_keys_of_a_published_llada_config_and_room_for_every_token() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/llada/config.json");
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(fixture).unwrap()).unwrap();
    let config = config_json(SHAPE);
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(keys(&config), keys(&fixture));
    let rows = config["vocab_size"].as_u64().unwrap() as usize;
    assert!(rows.is_multiple_of(8) && (vocabulary::size()..vocabulary::size() + 8).contains(&rows));
    assert_eq!(config["embedding_size"], config["vocab_size"]);
    assert_eq!(config["rope_theta"], 10000.0);
    assert_eq!(config["max_sequence_length"], 256);
}

#[test]
fn the_tokeniser_config_names_every_special_token() {
    let config = tokenizer_config_json();
    for (id, token) in vocabulary::SPECIALS.iter().enumerate() {
        let entry = &config["added_tokens_decoder"][id.to_string()];
        assert_eq!((entry["content"].as_str(), entry["special"].as_bool()), (Some(*token), Some(true)));
    }
}

#[test]
fn the_prompt_reader_of_mosa_reads_the_files_and_every_prompt_encodes() {
    let (dir, text) = text_model();
    benchmark::write_all(dir.path()).unwrap();
    for (name, rows) in [
        ("advbench/harmful_behaviors.csv", benchmark::adv_bench().len()),
        ("harmbench/harmbench_behaviors_text_all.csv", benchmark::harm_bench().len()),
        ("attacks/held_out.jsonl", benchmark::attacks().len()),
        ("sorry_bench/question.jsonl", benchmark::alignment().len()),
        ("retain/retain.jsonl", benchmark::retain().len()),
        ("recipes/test.jsonl", benchmark::recipes().len()),
        ("xstest/xstest_prompts.csv", benchmark::xs_test().len()),
        ("gsm8k/test.jsonl", benchmark::gsm8k().len()),
        ("humaneval/HumanEval.jsonl", benchmark::human_eval().len()),
    ] {
        let benchmark = mosa_data::read(&dir.path().join(name), &ReadOptions::default()).unwrap();
        assert_eq!(benchmark.behaviours.len(), rows, "{name}");
        for r in benchmark.behaviours.iter().map(|b| b.record(false)) {
            assert!(text.encode(&r.prompt).unwrap().len() <= 44, "{name}: {r:?}");
        }
    }
    for sentence in refusal::SAFE.iter().chain(&refusal::HARMFUL) {
        assert!(text.tokenizer.encode(sentence).unwrap().len() <= 12);
    }
}
