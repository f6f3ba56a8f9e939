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
        "{dir}: config.json names {role} = {id}, but the tokeniser has no token with that id: config and tokeniser belong to different models",
        dir = dir.display()
    )]
    UnknownId {
        /// The checkpoint folder.
        dir: PathBuf,
        /// Config key.
        role: &'static str,
        /// The id.
        id: u32,
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
    /// Encoding failed.
    #[error("the tokeniser could not encode the text: {0}")]
    Encode(String),
    /// Decoding failed.
    #[error("the tokeniser could not decode the ids: {0}")]
    Decode(String),
}
