//! Checkpoints whose files mean different things by the same id.

use crate::{DREAM, LLADA, fixture, json};
use mosa_core::{DefaultSampler, Family};
use mosa_text::TextModel;
use serde_json::{Value, json};
use std::path::Path;

/// A copy of what a fixture says about text, which a test changes.
struct Folder {
    dir: tempfile::TempDir,
    family: Family,
    ids: [u32; 3],
}

impl Folder {
    fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            std::fs::copy(fixture(name).join(file), dir.path().join(file)).unwrap();
        }
        let config = json(fixture(name).join("config.json"));
        let ids = ["mask_token_id", "eos_token_id", "pad_token_id"].map(|k| config[k].as_u64().unwrap() as u32);
        let family = if name == "dream" { DREAM } else { LLADA };
        Self { dir, family, ids }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn change(self, file: &str, change: impl FnOnce(&mut Value)) -> Self {
        let path = self.path().join(file);
        let mut value = if path.exists() { json(path.clone()) } else { json!({}) };
        change(&mut value);
        std::fs::write(path, value.to_string()).unwrap();
        self
    }

    fn tokens(self, change: impl FnOnce(&mut Vec<Value>)) -> Self {
        self.change("tokenizer.json", |t| change(t["added_tokens"].as_array_mut().unwrap()))
    }

    fn without_decoder(self) -> Self {
        self.change("tokenizer_config.json", |c| drop(c.as_object_mut().unwrap().remove("added_tokens_decoder")))
    }

    fn id(&self, token: &str) -> u32 {
        let tokens = json(fixture("llada").join("tokenizer.json"))["added_tokens"].clone();
        tokens.as_array().unwrap().iter().find(|t| t["content"] == token).unwrap()["id"].as_u64().unwrap() as u32
    }

    fn load(&self) -> Result<TextModel, String> {
        TextModel::load(self.path(), self.family, self.ids).map_err(|e| e.to_string())
    }

    /// Asserts that the folder is refused with all of these words.
    fn refused(&self, words: &[&str]) {
        let error = self.load().map(|_| ()).expect_err("it loaded");
        for word in words {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
    }
}

fn swap(tokens: &mut [Value], a: &str, b: &str) {
    let at = |tokens: &[Value], text: &str| tokens.iter().position(|t| t["content"] == text).unwrap();
    let (i, j) = (at(tokens, a), at(tokens, b));
    let (x, y) = (tokens[i]["content"].clone(), tokens[j]["content"].clone());
    tokens[i]["content"] = y;
    tokens[j]["content"] = x;
}

#[test]
fn checkpoints_as_they_are_published_load() {
    for name in ["llada", "dream", "mmada"] {
        let folder = Folder::of(name);
        assert_eq!(folder.load().map(|_| ()), Ok(()), "{name}");
        let map = json!({"eos_token": {"content": "<|endoftext|>"}, "pad_token": "<|endoftext|>"});
        assert_eq!(folder.without_decoder().change("special_tokens_map.json", |m| *m = map).load().map(|_| ()), Ok(()));
    }
    // An end of turn as config's eos, a mask that is named, rows without a token as padding.
    let mut folder = Folder::of("llada");
    folder.ids = [folder.ids[0], folder.id("<|eot_id|>"), 343];
    let folder = folder.change("tokenizer_config.json", |c| c["mask_token"] = json!("<|mdm_mask|>"));
    assert_eq!(folder.load().map(|_| ()), Ok(()));
}

#[test]
fn an_added_token_that_is_missing_shifts_no_id_unseen() {
    let folder = Folder::of("llada").tokens(|t| t.retain(|t| t["content"] != "<|mdm_mask|>"));
    folder.refused(&["tokenizer_config.json", "tokenizer.json", "<|mdm_mask|>", "320", "<|reserved_321|>"]);
    let folder = folder.without_decoder();
    folder.refused(&["tokenizer.json", "config.json", "<|reserved_321|>", "321", "320"]);
    let dream = Folder::of("dream").tokens(|t| t.retain(|t| t["content"] != "<|reserved_320|>"));
    dream.refused(&["tokenizer_config.json", "tokenizer.json", "<|reserved_320|>"]);
}

#[test]
fn swapped_tokens_are_refused_with_both_ids() {
    let folder = Folder::of("llada").tokens(|t| swap(t, "<|eot_id|>", "<|start_header_id|>"));
    folder.refused(&["tokenizer_config.json", "tokenizer.json", "330", "333"]);
    // Without a second list of ids, what config.json says is left.
    let folder = Folder::of("llada").tokens(|t| swap(t, "<|mdm_mask|>", "<|reserved_318|>")).without_decoder();
    folder.refused(&["config.json", "mask_token_id = 320", "<|reserved_318|>", "<|mdm_mask|>", "318"]);
    let folder = Folder::of("llada").tokens(|t| swap(t, "<|endoftext|>", "<|reserved_318|>")).without_decoder();
    folder.refused(&[
        "config.json",
        "eos_token_id = 313",
        "<|reserved_318|>",
        "tokenizer_config.json",
        "<|endoftext|>",
        "318",
    ]);
}

#[test]
fn other_files_with_ids_have_to_agree() {
    for (file, table) in [("added_tokens.json", json!({"<|mdm_mask|>": 319})), ("vocab.json", json!({"a": 5}))] {
        let folder = Folder::of("llada").change(file, |f| *f = table.clone());
        let (token, id) = table.as_object().unwrap().iter().next().unwrap();
        folder.refused(&[file, "tokenizer.json", token, &id.to_string()]);
    }
    let vocab = json(fixture("llada").join("tokenizer.json"))["model"]["vocab"].clone();
    let folder = Folder::of("llada").change("vocab.json", |f| *f = vocab);
    assert_eq!(folder.change("added_tokens.json", |f| *f = json!({"<|mdm_mask|>": 320})).load().map(|_| ()), Ok(()));
    let folder = Folder::of("llada").change("tokenizer.json", |t| {
        t["model"]["vocab"]
            .as_object_mut()
            .unwrap()
            .values_mut()
            .filter(|id| **id == 41)
            .for_each(|id| *id = json!(40));
    });
    folder.refused(&["tokenizer.json", "the same id 40"]);
}

#[test]
fn named_tokens_have_to_be_tokens_and_the_mask_the_one_of_the_config() {
    let named = |file: &str, role: &str, token: &str| Folder::of("llada").change(file, |f| f[role] = json!(token));
    named("tokenizer_config.json", "bos_token", "<s>").refused(&[
        "tokenizer_config.json",
        "bos_token",
        "<s>",
        "tokenizer.json",
    ]);
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
        named(file, "mask_token", "<|reserved_311|>").refused(&[
            "config.json",
            "mask_token_id = 320",
            file,
            "<|reserved_311|>",
            "311",
        ]);
    }
    named("tokenizer_config.json", "gmask_token", "<|mdm_mask|>").refused(&[
        "config.json",
        "mask_token_id = 320",
        "gmask_token",
    ]);
}

#[test]
fn ids_of_the_config_that_are_words_or_other_specials_are_refused() {
    for (place, key, id, token) in [
        (0, "mask_token_id", 40, ""),
        (0, "mask_token_id", 333, "<|eot_id|>"),
        (0, "mask_token_id", 310, "<|startoftext|>"),
        (0, "mask_token_id", 313, "<|endoftext|>"),
        (1, "eos_token_id", 40, ""),
        (1, "eos_token_id", 330, "<|start_header_id|>"),
        (1, "eos_token_id", 320, "<|mdm_mask|>"),
        (2, "pad_token_id", 40, ""),
    ] {
        let mut folder = Folder::of("llada");
        folder.ids[place] = id;
        let said = if id == 320 { "mask_token_id".into() } else { format!("{key} = {id}") };
        folder.refused(&["config.json", "tokenizer.json", &said, token]);
    }
}

#[test]
fn a_dream_folder_whose_added_ids_have_a_gap_is_refused() {
    let folder = Folder::of("dream");
    crate::tokenizer::slow_copy("dream", folder.path());
    std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    assert_eq!(folder.load().map(|_| ()), Ok(()));
    let folder = folder.change("tokenizer_config.json", |c| {
        c["added_tokens_decoder"].as_object_mut().unwrap().shift_remove("320").unwrap();
    });
    folder.refused(&["tokenizer_config.json", "vocab.json", "321", "320", "<|endoftext|>"]);
}

#[test]
fn a_token_without_a_row_is_refused_and_rows_without_a_token_are_not() {
    let text = Folder::of("llada").load().unwrap();
    assert!(text.fits(334).is_ok() && text.fits(10_000).is_ok());
    let error = text.fits(333).unwrap_err().to_string();
    assert!(error.contains("<|eot_id|>") && error.contains("333") && error.contains("config.json"), "{error}");
}

/// The published samplers of block diffusion stop at every id of generation_config.json.
#[test]
fn ends_of_the_generation_config_count_where_the_family_stops_at_them() {
    const BLOCKS: Family = Family { sampler: DefaultSampler::BlockDiffusion { threshold_percent: 85 }, ..LLADA };
    let load = |family, ids: Value| {
        let folder = Folder { family, ..Folder::of("llada") };
        folder.change("generation_config.json", |c| c["eos_token_id"] = ids).load().map(|text| text.special.ends())
    };
    let own = load(BLOCKS, Value::Null).unwrap();
    assert_eq!(load(BLOCKS, json!([own[0], 5, 9])).unwrap(), [own.clone(), vec![5, 9]].concat());
    assert_eq!(load(BLOCKS, json!(7)).unwrap(), [own.clone(), vec![7]].concat());
    assert_eq!(load(LLADA, json!(7)).unwrap(), own, "LLaDA's code reads no such file");
    for bad in [json!("x"), json!([5, 462.5]), json!([-1]), json!([5, 99999]), json!(true)] {
        let error = load(BLOCKS, bad.clone()).unwrap_err();
        assert!(error.contains("generation_config.json") && error.contains("eos_token_id"), "{bad}: {error}");
    }
}
