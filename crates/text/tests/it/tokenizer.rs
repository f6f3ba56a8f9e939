use crate::{DREAM, LLADA, edited, fixture, json};
use mosa_core::Family;
use mosa_text::{Message, Prompt, Specials, TextError, TextModel, Tokenizer};
use std::path::Path;

fn special_ids(name: &str) -> [u32; 3] {
    let ids = &json(fixture(name).join("golden.json"))["special_ids"];
    ["mask", "eos", "pad"].map(|k| ids[k].as_u64().unwrap() as u32)
}

#[test]
fn ids_and_texts_equal_the_golden_ones_for_every_family() {
    for name in ["llada", "dream", "mmada"] {
        let (tokenizer, golden) = (Tokenizer::load(&fixture(name)).unwrap(), json(fixture(name).join("golden.json")));
        for e in golden["text"].as_array().unwrap() {
            let ids: Vec<u32> = serde_json::from_value(e["ids"].clone()).unwrap();
            assert_eq!(tokenizer.encode(e["text"].as_str().unwrap()).unwrap(), ids, "{name} {e}");
        }
        for e in golden["decode"].as_array().unwrap() {
            let ids: Vec<u32> = serde_json::from_value(e["ids"].clone()).unwrap();
            assert_eq!(tokenizer.decode(&ids, Specials::Keep).unwrap(), e["text"].as_str().unwrap());
            assert_eq!(tokenizer.decode(&ids, Specials::Skip).unwrap(), e["text_skip_special"].as_str().unwrap());
        }
    }
}

/// Writes the vocab.json, merges.txt and tokenizer_config.json a slow Qwen tokeniser ships instead of tokenizer.json.
pub(crate) fn slow_copy(name: &str, out: &Path) {
    let model = json(fixture(name).join("tokenizer.json"))["model"].clone();
    std::fs::write(out.join("vocab.json"), model["vocab"].to_string()).unwrap();
    let merges = model["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| format!("{} {}\n", m[0].as_str().unwrap(), m[1].as_str().unwrap()));
    std::fs::write(out.join("merges.txt"), format!("#version: 0.2\n{}", merges.collect::<String>())).unwrap();
    std::fs::copy(fixture(name).join("tokenizer_config.json"), out.join("tokenizer_config.json")).unwrap();
}

#[test]
fn a_dream_folder_without_tokenizer_json_gets_the_same_ids_from_vocab_and_merges() {
    let dir = tempfile::tempdir().unwrap();
    slow_copy("dream", dir.path());
    let (slow, fast) = (Tokenizer::load(dir.path()).unwrap(), Tokenizer::load(&fixture("dream")).unwrap());
    assert_eq!(slow.size(), fast.size());
    for text in [
        "What is the capital of the island?",
        "  they'll\n\ncome 123 times — naïve\t!",
        "<|im_start|>user\nhi<|im_end|>",
        "e\u{301}",
    ] {
        let ids = slow.encode(text).unwrap();
        assert_eq!(ids, fast.encode(text).unwrap(), "{text:?}");
        assert_eq!(slow.decode(&ids, Specials::Keep).unwrap(), fast.decode(&ids, Specials::Keep).unwrap());
    }
}

#[test]
fn a_folder_without_any_tokeniser_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = Tokenizer::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains(&*dir.path().to_string_lossy()), "{error}");
    std::fs::write(dir.path().join("tokenizer.json"), "{").unwrap();
    let error = Tokenizer::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
}

#[test]
fn an_id_the_tokeniser_does_not_know_is_refused_with_its_config_key() {
    let [mask, eos, pad] = special_ids("llada");
    let error = TextModel::load(&fixture("llada"), LLADA, [mask + 4000, eos, pad]).unwrap_err();
    assert!(matches!(error, TextError::UnknownId { role: "mask_token_id", .. }), "{error}");
    let error = TextModel::load(&fixture("llada"), LLADA, [mask, eos + 4000, pad]).unwrap_err();
    assert!(matches!(error, TextError::UnknownId { role: "eos_token_id", .. }), "{error}");
}

#[test]
fn a_conversation_needs_the_turn_tokens_and_plain_text_does_not() {
    // A Dream tokeniser has no <|eot_id|>.
    let text = TextModel::load(&fixture("dream"), LLADA, special_ids("dream")).unwrap();
    assert_eq!(text.special.ends(), [text.special.eos]);
    let chat = Prompt::Chat(vec![Message::user("hi")]);
    let error = text.encode(&chat).unwrap_err().to_string();
    assert!(error.contains("<|eot_id|>") && error.contains("--raw"), "{error}");
    assert!(!text.encode(&Prompt::Raw("hi".into())).unwrap().is_empty());
}

#[test]
fn a_turn_ends_with_the_first_of_the_familys_tokens_that_the_tokeniser_has() {
    let family = Family { turn_ends: &["<|role_end|>", "<|im_end|>", "<|endoftext|>"], ..DREAM };
    let text = TextModel::load(&fixture("dream"), family, special_ids("dream")).unwrap();
    assert_eq!(text.special.turn_end(), "<|im_end|>");
    assert_eq!(text.special.eot, text.tokenizer.token_id("<|im_end|>"));
    // Where there is none, the usual one is what is missed.
    let family = Family { turn_ends: &["<|role_end|>", "<|eot_id|>"], ..DREAM };
    let text = TextModel::load(&fixture("dream"), family, special_ids("dream")).unwrap();
    assert!(text.special.require_turn_end().unwrap_err().to_string().contains("<|role_end|>"));
}

#[test]
fn the_answer_ends_at_the_first_end_token_of_either_kind() {
    let text = TextModel::load(&fixture("llada"), LLADA, special_ids("llada")).unwrap();
    let word = text.tokenizer.encode("bell").unwrap();
    for end in text.special.ends() {
        let ids = [word.clone(), vec![end], word.clone(), vec![text.special.eos]].concat();
        assert_eq!(text.answer(&ids).unwrap(), "bell");
    }
    assert_eq!(text.special.ends().len(), 2);
    assert_eq!(text.answer(&word).unwrap(), "bell");
}

#[test]
fn truncation_and_padding_saved_in_the_file_are_left_out() {
    let text = "What is the capital of the island, and how many bridges cross the river? ".repeat(8);
    let plain = Tokenizer::load(&fixture("llada")).unwrap();
    for direction in ["Left", "Right"] {
        for strategy in [serde_json::json!({"Fixed": 16}), serde_json::json!("BatchLongest")] {
            let dir = edited("llada", |t| {
                t["truncation"] = serde_json::json!({"direction": direction, "max_length": 8, "strategy": "LongestFirst", "stride": 0});
                t["padding"] = serde_json::json!({
                    "strategy": strategy, "direction": direction, "pad_to_multiple_of": 16,
                    "pad_id": 313, "pad_type_id": 0, "pad_token": "<|endoftext|>",
                });
            });
            let saved = Tokenizer::load(dir.path()).unwrap();
            for text in [&text, "hi"] {
                assert_eq!(saved.encode(text).unwrap(), plain.encode(text).unwrap());
                assert_eq!(saved.encode_default(text).unwrap(), plain.encode_default(text).unwrap());
            }
        }
    }
    // Not even a block that the library itself would refuse matters.
    let dir = edited("llada", |t| t["truncation"] = serde_json::json!({"max_length": -1}));
    assert_eq!(Tokenizer::load(dir.path()).unwrap().encode(&text).unwrap(), plain.encode(&text).unwrap());
}

#[test]
fn merges_left_out_by_chance_are_refused() {
    let dir = edited("llada", |t| t["model"]["dropout"] = serde_json::json!(0.1));
    let error = Tokenizer::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("dropout"), "{error}");
    let dir = edited("llada", |t| t["model"]["dropout"] = serde_json::json!(0.0));
    assert!(Tokenizer::load(dir.path()).is_ok());
}

#[test]
fn a_prompt_holds_no_mask_and_neither_do_words() {
    for name in ["llada", "dream"] {
        let family = if name == "dream" { DREAM } else { LLADA };
        let text = TextModel::load(&fixture(name), family, special_ids(name)).unwrap();
        let mask = text.tokenizer.token(text.special.mask).unwrap();
        let said = format!("fill {mask} and {mask}");
        for prompt in [
            Prompt::Raw(said.clone()),
            Prompt::Chat(vec![Message::user(&said)]),
            Prompt::Ids(vec![5, text.special.mask, 6, text.special.mask]),
        ] {
            let error = text.encode(&prompt).unwrap_err();
            assert!(matches!(&error, TextError::Mask { token, count: 2, .. } if *token == mask), "{error}");
        }
        assert!(matches!(text.words(&said), Err(TextError::Mask { count: 2, .. })));
        // Whoever asks for infilling tokenises by himself, and what only looks like a mask is text.
        assert_eq!(text.tokenizer.encode(&mask).unwrap(), [text.special.mask]);
        for plain in [mask.replace('|', " | "), mask.to_uppercase(), mask[1..].to_owned()] {
            assert!(text.encode(&Prompt::Raw(plain.clone())).is_ok(), "{plain}");
            assert_eq!(text.words(&plain).unwrap(), text.tokenizer.encode(&plain).unwrap());
        }
    }
}

#[test]
fn a_model_without_a_template_gets_advice_that_fits() {
    let mut text = TextModel::load(&fixture("llada"), LLADA, special_ids("llada")).unwrap();
    text.chat = None;
    let chat = Prompt::Chat(vec![Message::user("hi")]);
    let error = text.encode(&chat).unwrap_err().to_string();
    assert!(error.contains("instruct") && error.contains("<|eot_id|>") && !error.contains("--raw"), "{error}");
    // A Dream tokeniser has no <|eot_id|>: nothing speaks for turns.
    let mut text = TextModel::load(&fixture("dream"), LLADA, special_ids("dream")).unwrap();
    text.chat = None;
    assert!(text.encode(&chat).unwrap_err().to_string().contains("--raw"));
}

#[test]
fn threads_may_share_everything_about_text() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<TextModel>();
}
