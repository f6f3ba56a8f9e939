//! What can go wrong with text.

use std::path::PathBuf;

/// An error about a tokeniser, a template or a prompt file; names the file, the key and the fix.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {what}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and how to fix it.
        what: String,
    },
    /// The folder has no tokeniser.
    #[error(
        "{dir} has neither tokenizer.json nor vocab.json + merges.txt: copy the tokeniser files of the model there",
        dir = dir.display()
    )]
    NoTokenizer {
        /// The checkpoint folder.
        dir: PathBuf,
    },
    /// The tokeniser does not know an id the config names.
    #[error(
        "{config}: names {role} = {id}, but {tokenizer} has no token with that id: config and tokeniser belong to different models",
        config = dir.join("config.json").display(),
        tokenizer = tokenizer.display()
    )]
    UnknownId {
        /// The checkpoint folder.
        dir: PathBuf,
        /// The tokeniser's file.
        tokenizer: PathBuf,
        /// Config key.
        role: &'static str,
        /// The id.
        id: u32,
    },
    /// The tokeniser has tokens that the model has no row for.
    #[error(
        "{tokenizer}: `{token}` has the id {id}, but the embedding that config.json describes has {rows} rows: config and tokeniser belong to different models",
        tokenizer = tokenizer.display()
    )]
    NoRow {
        /// The tokeniser's file.
        tokenizer: PathBuf,
        /// The token with the largest id.
        token: String,
        /// That id.
        id: u32,
        /// Rows of the embedding.
        rows: usize,
    },
    /// The tokeniser lacks the tokens of a conversation.
    #[error(
        "the tokeniser has no token `{token}`, which ends a turn in this family, though there is a chat template: either they belong to different models (copy both from the model's own repository), or this is a base checkpoint, which takes plain text (--raw)"
    )]
    NoTurnEnd {
        /// The token's text.
        token: &'static str,
    },
    /// The checkpoint has no chat template.
    #[error(
        "the checkpoint has no chat template (none in chat_template.jinja, additional_chat_templates/, `chat_template` of tokenizer_config.json or chat_template.json): {advice}",
        advice = without_template(*turn_end)
    )]
    NoChatTemplate {
        /// The token that ends a turn, if the tokeniser has it: then this looks like an instruct model.
        turn_end: Option<&'static str>,
    },
    /// The text holds the mask token where nobody asked to fill masks.
    #[error(
        "the {what} holds the mask token `{token}` (id {id}), {count} in all: each would become a position to fill, which was not asked for; take it out, or break it up with a blank to send it as text (infilling is asked for by generate --infill and by the attack dija)"
    )]
    Mask {
        /// What holds it.
        what: &'static str,
        /// The mask token.
        token: String,
        /// Its id.
        id: u32,
        /// How often it stands there.
        count: usize,
    },
    /// The chat template failed.
    #[error("the chat template failed: {0}")]
    Template(String),
    /// The text is too long to be rendered or tokenised.
    #[error(
        "the text has {bytes} bytes, more than the {max} that are tokenised at once, which is far more than a context holds: shorten it",
        max = crate::MAX_TEXT
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The tokeniser takes too long, or breaks down.
    #[error(
        "{path}: the tokeniser {what}: one of its patterns tries too many ways ({patterns}); use the tokeniser of the model's own repository, or a shorter text",
        path = path.display(),
        patterns = quoted(patterns)
    )]
    GaveUp {
        /// The tokeniser.
        path: PathBuf,
        /// On what it gave up.
        what: String,
        /// Its regular expressions.
        patterns: Vec<String>,
    },
    /// Encoding failed.
    #[error("the tokeniser could not encode the text: {0}")]
    Encode(String),
    /// Decoding failed.
    #[error("the tokeniser could not decode the ids: {0}")]
    Decode(String),
}

/// Patterns in quotes, each cut to a length that fits a message.
fn quoted(patterns: &[String]) -> String {
    let short = |p: &String| format!("{:?}", p.chars().take(120).collect::<String>());
    match patterns {
        [] => "it has none".into(),
        some => some.iter().map(short).collect::<Vec<_>>().join(", "),
    }
}

fn without_template(turn_end: Option<&str>) -> String {
    match turn_end {
        Some(token) => format!(
            "the tokeniser has `{token}`, so this looks like an instruct model, which answers only to the template it was trained with; copy that file from the model's own repository (plain text is for base models alone)"
        ),
        None => "this looks like a base checkpoint, which takes plain text (--raw); an instruct model's template is in its own repository".into(),
    }
}
