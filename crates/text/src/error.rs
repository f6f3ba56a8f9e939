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
        "the tokeniser has no token `{token}`, which ends a turn in this family: this looks like a base checkpoint; use --raw to send plain text"
    )]
    NoTurnEnd {
        /// The token's text.
        token: &'static str,
    },
    /// The checkpoint has no chat template.
    #[error(
        "the checkpoint has no chat template (no `chat_template` in tokenizer_config.json, no chat_template.jinja): use --raw to send plain text"
    )]
    NoChatTemplate,
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
    /// The tokeniser takes too long.
    #[error(
        "{path}: the tokeniser was given up after {seconds} s on a text of {bytes} bytes: one of its patterns tries too many ways ({patterns}); use the tokeniser of the model's own repository, or a shorter text",
        path = path.display(),
        patterns = quoted(patterns)
    )]
    Slow {
        /// The tokeniser.
        path: PathBuf,
        /// Length of the text.
        bytes: usize,
        /// How long it was waited for.
        seconds: u64,
        /// Its regular expressions.
        patterns: Vec<String>,
    },
    /// The tokeniser gave up inside.
    #[error(
        "{path}: the tokeniser broke down on a text ({what}): one of its patterns tries too many ways ({patterns}); use the tokeniser of the model's own repository",
        path = path.display(),
        patterns = quoted(patterns)
    )]
    Broke {
        /// The tokeniser.
        path: PathBuf,
        /// What it said.
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
