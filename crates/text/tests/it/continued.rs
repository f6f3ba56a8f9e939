use crate::{LLADA, fixture};
use mosa_text::{Message, Prompt, TextError, TextModel};

/// The fixture's model of text, with the ids its config names.
fn text() -> TextModel {
    TextModel::load(&fixture("llada"), LLADA, [320, 313, 313]).unwrap()
}

fn raw(words: &str) -> Prompt {
    Prompt::Raw(words.into())
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|w| (*w).to_owned()).collect()
}

#[test]
fn words_behind_a_prompt_are_what_both_together_have_beyond_it() {
    let text = text();
    let found = text.encode_behind(&raw("the question\nAnswer:"), "", &words(&[" A", " the answer"])).unwrap();
    let alone = text.tokenizer.encode("the question\nAnswer:").unwrap();
    assert_eq!(found.prompt, alone);
    for (choice, tokens) in [" A", " the answer"].iter().zip(&found.behind) {
        let whole = text.tokenizer.encode(&format!("the question\nAnswer:{choice}")).unwrap();
        assert!(!tokens.is_empty() && *tokens == whole[alone.len()..]);
    }
}

#[test]
fn white_space_that_a_prompt_ends_in_belongs_to_the_words() {
    let text = text();
    let behind = |prompt, prefix, word| text.encode_behind(&raw(prompt), prefix, &words(&[word])).unwrap();
    let plain = behind("the question\nAnswer:", "", " A");
    assert_eq!(behind("the question\nAnswer: ", "", "A"), plain);
    assert_eq!(behind("the question\n", "Answer: ", "A"), plain, "a prefix is part of the prompt");
    assert_eq!(behind("the question", "", "\n\n  A"), behind("the question\n\n ", "", " A"));
}

#[test]
fn a_prefix_stands_behind_a_conversation_text_and_ids() {
    let text = text();
    let chat = Prompt::Chat(vec![Message::user("hello")]);
    let rendered = text.template().unwrap().render(&[Message::user("hello")], true).unwrap();
    let whole = text.tokenizer.encode(&format!("{rendered}The answer is")).unwrap();
    assert_eq!(text.encode_with(&chat, "The answer is").unwrap(), whole);
    assert_eq!(text.encode_behind(&chat, "The answer is", &[]).unwrap().prompt, whole);
    assert_eq!(text.encode_with(&raw("one"), " two").unwrap(), text.tokenizer.encode("one two").unwrap());
    let two = text.tokenizer.encode("two").unwrap();
    assert_eq!(text.encode_with(&Prompt::Ids(vec![5, 6]), "two").unwrap(), [&[5, 6], &two[..]].concat());
    for prompt in [chat, raw("one"), Prompt::Ids(vec![5, 6])] {
        assert_eq!(text.encode_with(&prompt, "").unwrap(), text.encode(&prompt).unwrap());
    }
}

#[test]
fn neither_a_prefix_nor_a_word_holds_a_mask() {
    let text = text();
    let refused = |found: Result<_, TextError>| matches!(found, Err(TextError::Mask { .. }));
    assert!(refused(text.encode_with(&raw("one"), "<|mdm_mask|>").map(|_| ())));
    assert!(refused(text.encode_behind(&raw("one <|mdm_mask|>"), "", &words(&["A"])).map(|_| ())));
    assert!(refused(text.encode_behind(&raw("one"), "", &words(&["A", " <|mdm_mask|>"])).map(|_| ())));
}
