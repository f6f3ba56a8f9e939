//! The checkpoint's tokeniser.

use crate::growth::{Growth, patterns};
use crate::literal::CUT;
use crate::quiet::caught;
use crate::{MAX_TEXT, TextError, files, qwen};
use mosa_core::TokenId;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What to do with special tokens when decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// Print them.
    Keep,
    /// Leave them out.
    Skip,
}

/// Words to ids and back, as the checkpoint's own tokeniser does it. Threads may share it.
#[derive(Debug)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    file: PathBuf,
    /// What the file says of its added tokens: text and id.
    stated: Vec<(String, TokenId)>,
    normalizer: Growth,
    decoder: Growth,
    /// Bytes of the longest token, and the token with the largest id.
    longest: usize,
    last: Option<(String, TokenId)>,
    patterns: Vec<String>,
}

/// The parts of a tokenizer.json that are looked at beside what the `tokenizers` crate makes of it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts {
    truncation: Value,
    padding: Value,
    added_tokens: Vec<Added>,
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: TokenId,
    content: String,
    /// Whether its text goes through the normaliser when the file is read.
    #[serde(default)]
    normalized: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Model {
    dropout: Option<f64>,
}

/// The most bytes a stage of a tokeniser may make of a text.
const MOST_GROWN: f64 = 64.0 * 1024.0 * 1024.0;
/// How long one text may take; ordinary tokenisers need about a second for the longest text.
const LONGEST: Duration = Duration::from_secs(30);
/// Texts up to this many bytes are tokenised without watching the clock: at this length the limits of the regular
/// expressions alone bound the time.
const SHORT: usize = 256;

impl Tokenizer {
    /// Reads tokenizer.json, or builds the byte-level BPE of a folder that only has vocab.json and merges.txt (Dream).
    /// `truncation` and `padding` saved in tokenizer.json are left out, as transformers leaves them out of every call.
    ///
    /// # Errors
    /// [`TextError`] if neither is there or a file is malformed.
    pub fn load(dir: &Path) -> Result<Self, TextError> {
        let path = dir.join("tokenizer.json");
        if path.exists() {
            return Self::read(path);
        }
        if dir.join("vocab.json").exists() && dir.join("merges.txt").exists() {
            let parts = Parts { pre_tokenizer: qwen::pattern(), ..Parts::default() };
            return Ok(Self::new(qwen::build(dir)?, dir.join("vocab.json"), parts));
        }
        Err(TextError::NoTokenizer { dir: dir.to_owned() })
    }

    fn read(path: PathBuf) -> Result<Self, TextError> {
        let mut text = files::read(&path)?;
        let parts: Parts = serde_json::from_str(&text).map_err(|e| files::malformed(&path, e))?;
        if let Some(dropout) = parts.model.dropout.filter(|d| *d > 0.0) {
            let what = "makes other ids of the same text at every call; it is for training, set it to null";
            return Err(files::malformed(&path, format!("`model.dropout` = {dropout} {what}")));
        }
        let growth = Growth::of(&parts.normalizer);
        for token in parts.added_tokens.iter().filter(|t| t.normalized) {
            grown(&path, "normalizer", growth.most(token.content.len()), token.content.len())?;
        }
        if !parts.truncation.is_null() || !parts.padding.is_null() {
            let mut whole: Value = serde_json::from_str(&text).map_err(|e| files::malformed(&path, e))?;
            whole["truncation"] = Value::Null;
            whole["padding"] = Value::Null;
            text = whole.to_string();
        }
        let inner = caught(|| text.parse::<tokenizers::Tokenizer>()).map_err(|e| files::malformed(&path, e))?;
        Ok(Self::new(inner.map_err(|e| files::malformed(&path, e))?, path, parts))
    }

    fn new(inner: tokenizers::Tokenizer, file: PathBuf, parts: Parts) -> Self {
        let mut found = Vec::new();
        for stage in [&parts.normalizer, &parts.pre_tokenizer, &parts.decoder] {
            patterns(stage, &mut found);
        }
        let vocabulary = inner.get_vocab(true);
        Self {
            longest: vocabulary.keys().map(String::len).max().unwrap_or(0),
            last: vocabulary.into_iter().max_by_key(|(_, id)| *id),
            inner: Arc::new(inner),
            file,
            stated: parts.added_tokens.into_iter().map(|t| (t.content, t.id)).collect(),
            normalizer: Growth::of(&parts.normalizer),
            decoder: Growth::of(&parts.decoder),
            patterns: found,
        }
    }

    /// The file it was read from: tokenizer.json, or vocab.json where there is none.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Every added token with the id that the file gives it. (The ids it gets may differ: see `ids.rs`.)
    pub(crate) fn stated(&self) -> &[(String, TokenId)] {
        &self.stated
    }

    /// Whether a token is an added one: it is found whole in any text.
    pub(crate) fn is_added(&self, id: TokenId) -> bool {
        self.inner.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id)
    }

    /// The strings of the added tokens that are special, or among `own`.
    pub(crate) fn controls(&self, own: &[TokenId]) -> Vec<String> {
        let added = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        let control = added.iter().filter(|(id, token)| token.special || own.contains(id));
        control.map(|(_, token)| token.content.clone()).collect()
    }

    /// The token with the largest id.
    pub(crate) fn last(&self) -> Option<&(String, TokenId)> {
        self.last.as_ref()
    }

    /// Every token with its id, added ones included.
    pub(crate) fn vocabulary(&self) -> impl Iterator<Item = (String, TokenId)> {
        self.inner.get_vocab(true).into_iter()
    }

    /// The ids of `text`. No special tokens are added; special-token strings inside the text become special ids, as
    /// in the published code.
    ///
    /// # Errors
    /// [`TextError`] if the text is too long or becomes so, takes too long, or the tokeniser fails.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        let mut ids = Vec::new();
        for part in text.split(CUT) {
            ids.append(&mut self.ids(part, false)?);
        }
        Ok(ids)
    }

    /// The ids of `text` as the tokeniser's default call gives them, its post-processor included.
    ///
    /// # Errors
    /// [`TextError`] as for [`Tokenizer::encode`].
    pub fn encode_default(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        self.ids(text, true)
    }

    fn ids(&self, text: &str, default: bool) -> Result<Vec<TokenId>, TextError> {
        if text.len() > MAX_TEXT {
            return Err(TextError::TooLong { bytes: text.len() });
        }
        grown(&self.file, "normalizer", self.normalizer.most(text.len()), text.len())?;
        let encode = move |inner: &tokenizers::Tokenizer, text: &str| {
            let encoding = inner.encode_fast(text, default).map_err(|e| TextError::Encode(e.to_string()))?;
            Ok(encoding.get_ids().to_vec())
        };
        if text.len() <= SHORT {
            return self.told(caught(|| encode(&self.inner, text)));
        }
        let (inner, owned) = (Arc::clone(&self.inner), text.to_owned());
        self.watched(text.len(), move || encode(&inner, &owned))
    }

    /// The text of `ids`; ids the tokeniser does not know are left out.
    ///
    /// # Errors
    /// [`TextError`] if the text would be too long, takes too long, or the tokeniser fails.
    pub fn decode(&self, ids: &[TokenId], specials: Specials) -> Result<String, TextError> {
        let bytes = ids.len().saturating_mul(self.longest.max(1));
        if self.decoder.factor > 64.0 || self.decoder.more > 64.0 {
            let text = ids.iter().filter_map(|id| self.token(*id)).map(|t| t.len()).sum();
            let more = self.decoder.more * ids.len() as f64;
            grown(&self.file, "decoder", self.decoder.most(text) + more, text)?;
        }
        let decode = move |inner: &tokenizers::Tokenizer, ids: &[TokenId]| {
            inner.decode(ids, specials == Specials::Skip).map_err(|e| TextError::Decode(e.to_string()))
        };
        if ids.len() <= SHORT {
            return self.told(caught(|| decode(&self.inner, ids)));
        }
        let (inner, ids) = (Arc::clone(&self.inner), ids.to_vec());
        self.watched(bytes, move || decode(&inner, &ids))
    }

    /// Does `work` on a thread of its own and gives up when it takes too long; it then goes on unseen.
    fn watched<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T, TextError> + Send + 'static,
    ) -> Result<T, TextError> {
        let (done, result) = mpsc::channel();
        let thread = std::thread::Builder::new().spawn(move || {
            let _ = done.send(caught(work));
        });
        thread.map_err(|e| TextError::Encode(format!("no thread can be started for it: {e}")))?;
        match result.recv_timeout(LONGEST) {
            Ok(result) => self.told(result),
            Err(_) => Err(self.gave_up(format!("took more than {} s on a text of {bytes} bytes", LONGEST.as_secs()))),
        }
    }

    /// A panic of the tokeniser, which is how its regular expressions give up, as an error.
    fn told<T>(&self, result: Result<Result<T, TextError>, String>) -> Result<T, TextError> {
        result.unwrap_or_else(|what| Err(self.gave_up(format!("broke down on a text ({what})"))))
    }

    fn gave_up(&self, what: String) -> TextError {
        TextError::GaveUp { path: self.file.clone(), what, patterns: self.patterns.clone() }
    }

    /// The id of a token by its exact string.
    pub fn token_id(&self, token: &str) -> Option<TokenId> {
        self.inner.token_to_id(token)
    }

    /// The string of an id.
    pub fn token(&self, id: TokenId) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Number of tokens, special ones included.
    pub fn size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}

/// Refuses what a stage of the tokeniser in `file` could make too long.
fn grown(file: &Path, stage: &str, most: f64, bytes: usize) -> Result<(), TextError> {
    if most <= MOST_GROWN {
        return Ok(());
    }
    let what = format!(
        "`{stage}` can make {most:.0} bytes of a text of {bytes}, more than {MOST_GROWN:.0}: look at its Replace and Prepend entries"
    );
    Err(files::malformed(file, what))
}
