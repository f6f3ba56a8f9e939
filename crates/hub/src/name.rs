//! Names that may become parts of paths and addresses: everything else is refused before it is used.

use std::fmt;

/// A repository: owner/name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoId {
    owner: String,
    name: String,
}

/// A branch, a tag or a commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

/// The hash of a commit: 6 to 64 lower-case hexadecimal digits (of the hub itself 40).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit(String);

impl RepoId {
    /// Reads owner/name of letters, digits and `-_.`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |s: &str| is_plain(s) && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let (owner, name) = text.split_once('/')?;
        // `--` is what the cache writes for the slash.
        let whole = plain(owner) && plain(name) && !text.contains("--") && !text.contains("..");
        whole.then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// The name of its folder in the cache.
    pub(crate) fn folder(&self) -> String {
        format!("models--{}--{}", self.owner, self.name)
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl Revision {
    /// Reads a branch, a tag or a commit; a branch may have slashes in it.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |s: &str| is_plain(s) && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
        (text.len() <= 200 && text.split('/').all(plain)).then(|| Self(text.to_owned()))
    }

    /// As it stands in an address.
    pub(crate) fn in_url(&self) -> String {
        self.0.replace('/', "%2F").replace('+', "%2B")
    }

    /// The commit, where this is a whole hash of one.
    pub(crate) fn as_commit(&self) -> Option<Commit> {
        Commit::parse(&self.0).filter(|_| self.0.len() == 40)
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self("main".into())
    }
}

impl Commit {
    /// Reads a hash.
    pub fn parse(text: &str) -> Option<Self> {
        ((6..=64).contains(&text.len()) && is_hex(text)).then(|| Self(text.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether this is the name of a file in a folder and nothing else.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.chars().any(|c| c.is_control() || "/\\:*?\"<>|".contains(c))
}
