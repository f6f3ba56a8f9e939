//! Whether the files of a checkpoint mean the same by every id.
//!
//! config.json holds ids, tokenizer.json and vocab.json hold tokens with ids, and tokenizer_config.json,
//! special_tokens_map.json and added_tokens.json hold tokens, some with their ids. A tokeniser gives added tokens the ids
//! that come next, whatever its file says, so one that is missing shifts all later ones. Nothing of that shows in a
//! prompt: the model only reads other tokens than it was trained with.

use crate::{TextError, Tokenizer, files};
use mosa_core::TokenId;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The ids that config.json names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConfigIds {
    pub(crate) mask: TokenId,
    pub(crate) eos: TokenId,
    pub(crate) pad: TokenId,
}

/// A token with the id that a file gives it.
struct Claim {
    file: PathBuf,
    key: String,
    token: String,
    id: TokenId,
}

/// Refuses a folder whose files disagree. `turn_end` is the family's token at the end of a turn.
pub(crate) fn check(dir: &Path, tokenizer: &Tokenizer, ids: ConfigIds, turn_end: &str) -> Result<(), TextError> {
    for claim in claims(dir, tokenizer)? {
        if tokenizer.token_id(&claim.token) != Some(claim.id) {
            return Err(disagree(tokenizer, &claim));
        }
    }
    one_token_per_id(tokenizer)?;
    let names = Names::read(dir)?;
    names.known(tokenizer)?;
    for (role, id) in [("mask_token_id", ids.mask), ("eos_token_id", ids.eos)] {
        if tokenizer.token(id).is_none() {
            let (dir, tokenizer) = (dir.to_owned(), tokenizer.file().to_owned());
            return Err(TextError::UnknownId { dir, tokenizer, role, id });
        }
    }
    names.check(dir, tokenizer, ids, turn_end)
}

/// Everything the files say of a token and its id, those first that say most.
fn claims(dir: &Path, tokenizer: &Tokenizer) -> Result<Vec<Claim>, TextError> {
    let mut all = Vec::new();
    let file = dir.join("tokenizer_config.json");
    let config = files::read_object(&file)?.unwrap_or_default();
    for (id, token) in config.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
        let wrong = |what: &str| files::malformed(&file, format!("`added_tokens_decoder.{id}` {what}"));
        let number = id.parse().map_err(|_| wrong("is not under an id"))?;
        let token = files::token_text(token).ok_or_else(|| wrong("has no `content`"))?.to_owned();
        all.push(Claim { file: file.clone(), key: "added_tokens_decoder".into(), token, id: number });
    }
    for (name, key) in [("added_tokens.json", "an added token"), ("vocab.json", "the vocabulary")] {
        let file = dir.join(name);
        if tokenizer.file() == file {
            continue;
        }
        for (token, id) in files::read_object(&file)?.unwrap_or_default() {
            let id = id.as_u64().and_then(|n| TokenId::try_from(n).ok());
            let id = id.ok_or_else(|| files::malformed(&file, format!("`{token}` has no id")))?;
            all.push(Claim { file: file.clone(), key: key.into(), token, id });
        }
    }
    let stated = tokenizer.stated().iter();
    all.extend(stated.map(|(token, id)| Claim {
        file: tokenizer.file().to_owned(),
        key: "added_tokens".into(),
        token: token.clone(),
        id: *id,
    }));
    Ok(all)
}

/// What the tokeniser makes of a token instead.
fn disagree(tokenizer: &Tokenizer, claim: &Claim) -> TextError {
    let Claim { file, key, token, id } = claim;
    let own = tokenizer.file().display();
    let instead = tokenizer.token(*id).map_or_else(|| "has no token there".into(), |t| format!("has `{t}` there"));
    let what = match tokenizer.token_id(token) {
        _ if file == tokenizer.file() => format!(
            "gives `{token}` the id {id} in `{key}`, but added tokens get the ids that come next, which makes it {}: a token before it is missing or stands elsewhere, against config.json and tokenizer_config.json",
            tokenizer.token_id(token).map_or_else(|| "no token".into(), |n| n.to_string())
        ),
        Some(n) => format!("gives `{token}` the id {id} ({key}), but {own} gives it {n} and {instead}"),
        None => format!("gives `{token}` the id {id} ({key}), but {own} lacks it and {instead}"),
    };
    files::malformed(file, format!("{what}; copy both files from the model's own repository"))
}

/// Two tokens with one id: what is read and what is written would differ.
fn one_token_per_id(tokenizer: &Tokenizer) -> Result<(), TextError> {
    let mut seen: BTreeMap<TokenId, String> = BTreeMap::new();
    for (token, id) in tokenizer.vocabulary() {
        if let Some(other) = seen.insert(id, token.clone()) {
            let what = format!("`{token}` and `{other}` have the same id {id}");
            return Err(files::malformed(tokenizer.file(), what));
        }
    }
    Ok(())
}

/// A token that a file names for a role.
struct Name {
    file: PathBuf,
    /// `mask_token`, `eos_token`, ...
    role: String,
    token: String,
}

/// The roles of tokenizer_config.json and special_tokens_map.json.
struct Names(Vec<Name>);

/// Roles whose token has to be one token, or a template that writes it writes pieces.
const ROLES: [&str; 6] = ["bos_token", "eos_token", "pad_token", "mask_token", "cls_token", "sep_token"];

impl Names {
    fn read(dir: &Path) -> Result<Self, TextError> {
        let mut all = Vec::new();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let file = dir.join(name);
            let map: Map<String, Value> = files::read_object(&file)?.unwrap_or_default();
            for (role, value) in &map {
                let mut add = |token: &str| {
                    all.push(Name { file: file.clone(), role: role.clone(), token: token.to_owned() });
                };
                match (role.as_str(), value) {
                    ("additional_special_tokens", Value::Array(list)) => {
                        list.iter().filter_map(files::token_text).for_each(add);
                    }
                    (role, value) if role.ends_with("_token") => {
                        files::token_text(value).into_iter().for_each(&mut add)
                    }
                    _ => {}
                }
            }
        }
        Ok(Self(all))
    }

    /// Refuses a named token that the tokeniser does not have.
    fn known(&self, tokenizer: &Tokenizer) -> Result<(), TextError> {
        let missing = self.0.iter().find(|n| {
            let matters = ROLES.contains(&n.role.as_str()) || n.role == "additional_special_tokens";
            matters && !n.token.is_empty() && tokenizer.token_id(&n.token).is_none()
        });
        match missing {
            None => Ok(()),
            Some(Name { file, role, token }) => {
                let own = tokenizer.file().display();
                Err(files::malformed(file, format!("`{role}` names `{token}`, which is no token of {own}")))
            }
        }
    }

    fn ids<'a>(&'a self, tokenizer: &'a Tokenizer, role: &'a str) -> impl Iterator<Item = (&'a Name, TokenId)> {
        let named = self.0.iter().filter(move |n| n.role == role);
        named.filter_map(|n| Some((n, tokenizer.token_id(&n.token)?)))
    }

    /// Refuses ids of config.json that stand for something else in the tokeniser.
    fn check(&self, dir: &Path, tokenizer: &Tokenizer, ids: ConfigIds, turn_end: &str) -> Result<(), TextError> {
        let config = Config { path: dir.join("config.json"), tokenizer };
        if ids.mask == ids.eos {
            let what = format!("{}, and eos_token_id is the same: {ADVICE}", config.says("mask_token_id", ids.mask));
            return Err(files::malformed(&config.path, what));
        }
        self.mask(&config, ids.mask)?;
        let ends: Vec<(&Name, TokenId)> =
            ["eos_token", "pad_token"].iter().flat_map(|role| self.ids(tokenizer, role)).collect();
        let end = |id: TokenId| ends.iter().any(|(_, n)| *n == id) || tokenizer.token_id(turn_end) == Some(id);
        let named = ends.iter().map(|(name, id)| (*name, *id)).next();
        if !end(ids.eos) && (named.is_some() || !tokenizer.is_added(ids.eos)) {
            return Err(config.differs("eos_token_id", ids.eos, named));
        }
        // A model may pad with a row that has no token.
        if ids.pad != ids.eos && tokenizer.token(ids.pad).is_some() {
            let other = |role: &&str| !matches!(*role, "pad_token" | "eos_token" | "bos_token" | "unk_token");
            let taken = self.0.iter().any(|n| other(&n.role.as_str()) && tokenizer.token_id(&n.token) == Some(ids.pad));
            let padding = self.ids(tokenizer, "pad_token").next();
            let right = padding.is_none_or(|(_, id)| id == ids.pad) || end(ids.pad);
            if !right || taken && !end(ids.pad) || !tokenizer.is_added(ids.pad) && padding.is_none() {
                return Err(config.differs("pad_token_id", ids.pad, padding));
            }
        }
        Ok(())
    }

    /// The mask has to be the named one; where none is named, an added token that has no other role.
    fn mask(&self, config: &Config<'_>, mask: TokenId) -> Result<(), TextError> {
        let tokenizer = config.tokenizer;
        if let Some((name, id)) = self.ids(tokenizer, "mask_token").find(|(_, id)| *id != mask) {
            return Err(config.differs("mask_token_id", mask, Some((name, id))));
        }
        if self.ids(tokenizer, "mask_token").next().is_some() {
            return Ok(());
        }
        let roles = |id: TokenId| {
            self.0
                .iter()
                .find(move |n| n.role != "additional_special_tokens" && tokenizer.token_id(&n.token) == Some(id))
        };
        if let Some(name) = roles(mask) {
            return Err(config.taken("mask_token_id", mask, name));
        }
        let looks = |token: &str| token.to_lowercase().contains("mask");
        if tokenizer.token(mask).is_some_and(|t| looks(&t)) {
            return Ok(());
        }
        let other = tokenizer
            .vocabulary()
            .filter(|(token, id)| tokenizer.is_added(*id) && looks(token) && roles(*id).is_none());
        match other.min_by_key(|(_, id)| *id) {
            None if tokenizer.is_added(mask) => Ok(()),
            other => Err(config.not_the_mask(mask, other)),
        }
    }
}

/// config.json beside a tokeniser.
struct Config<'a> {
    path: PathBuf,
    tokenizer: &'a Tokenizer,
}

const ADVICE: &str = "config and tokeniser belong to different models, or one of them was changed; copy both from the model's own repository";

impl Config<'_> {
    /// `key = id`, and what the tokeniser has there.
    fn says(&self, key: &str, id: TokenId) -> String {
        let token = self.tokenizer.token(id).unwrap_or_default();
        format!("{key} = {id}, which is `{token}` in {}", self.tokenizer.file().display())
    }

    fn differs(&self, key: &str, id: TokenId, named: Option<(&Name, TokenId)>) -> TextError {
        let instead = match named {
            Some((Name { file, role, token }, other)) => {
                format!(", but `{role}` of {} is `{token}`, which has the id {other}", file.display())
            }
            None => ", an ordinary token".into(),
        };
        files::malformed(&self.path, format!("{}{instead}: {ADVICE}", self.says(key, id)))
    }

    fn taken(&self, key: &str, id: TokenId, name: &Name) -> TextError {
        let Name { file, role, .. } = name;
        files::malformed(&self.path, format!("{}, the `{role}` of {}: {ADVICE}", self.says(key, id), file.display()))
    }

    fn not_the_mask(&self, mask: TokenId, other: Option<(String, TokenId)>) -> TextError {
        let instead = match other {
            Some((token, id)) => format!(", but `{token}` has the id {id} there"),
            None => ", an ordinary token".into(),
        };
        files::malformed(&self.path, format!("{}{instead}: {ADVICE}", self.says("mask_token_id", mask)))
    }
}
