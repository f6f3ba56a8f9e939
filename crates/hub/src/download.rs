//! One file of a repository: asked for, received under another name, checked, and only then named.

use crate::cache::{Cache, create_parent, is_whole};
use crate::digest::{Digest, Hashes};
use crate::error::shown;
use crate::http::{Answer, Http};
use crate::name::{Commit, is_plain};
use crate::{Event, HubError};
use mosa_core::Interrupt;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often a file that breaks off is asked for again, from where it broke off.
const ATTEMPTS: usize = 3;
/// How often another process that downloads the same is looked after.
const LOOK: Duration = Duration::from_millis(200);

/// A file on its way from the hub.
pub(crate) struct Download<'a> {
    pub http: &'a Http<'a>,
    pub cache: &'a Cache,
    pub commit: &'a Commit,
    pub interrupt: &'a Interrupt,
    /// Path at the endpoint, up to the name of a file.
    pub base: String,
}

/// What was announced about a file.
struct Announced {
    digest: Option<Digest>,
    size: Option<u64>,
}

impl Announced {
    /// What the endpoint says of a file it keeps elsewhere, or what came with the file itself.
    fn of(answer: &Answer) -> Self {
        let linked = answer.own("x-linked-etag").and_then(Digest::of_etag);
        let linked_size = answer.own("x-linked-size").and_then(|v| v.trim().parse().ok());
        // Of another host's tags nothing is known.
        let own = || answer.own("etag").and_then(Digest::of_etag);
        let length = if answer.status == 200 { answer.length() } else { None };
        Self { digest: linked.or_else(own), size: linked_size.or(length) }
    }
}

impl Download<'_> {
    /// Fetches `name` into the snapshot.
    pub(crate) fn fetch(&self, name: &str, tell: &mut dyn FnMut(Event)) -> Result<(), HubError> {
        let path = format!("{}/{name}", self.base);
        let answer = self.http.get(&path, 0)?;
        self.check_commit(&answer)?;
        let announced = Announced::of(&answer);
        if announced.digest.is_none() && announced.size.is_none() && !answer.is_framed() {
            let what = "neither length nor hash are said, so nobody can tell whether all of it came".into();
            return Err(HubError::Broken { url: answer.url, what });
        }
        let _lock = match &announced.digest {
            Some(digest) => Some(self.lock(digest.hex())?),
            None => None,
        };
        if let Some(digest) = &announced.digest {
            let blob = self.cache.blobs().join(digest.hex());
            if blob.is_file() && is_whole(&blob, name, self.interrupt)? {
                return self.cache.link(self.commit, name, digest.hex());
            }
        }
        tell(Event::File { name: name.to_owned(), size: announced.size });
        let partial = Partial::open(self.cache, announced.digest.as_ref())?;
        let mut first = Some(answer);
        for attempt in 1.. {
            // What an earlier command left goes on where its end is known.
            let have = match announced.size {
                Some(size) if partial.lasts => Some(partial.length()?).filter(|have| *have <= size).unwrap_or(0),
                _ => 0,
            };
            if have > 0 && announced.size == Some(have) {
                break;
            }
            let answer = match first.take() {
                Some(answer) if have == 0 => answer,
                _ => self.http.get(&path, have)?,
            };
            match self.receive(answer, &partial, &announced, tell) {
                Ok(()) => break,
                Err(HubError::Unreachable { .. }) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
        self.keep(name, partial, &announced, &path)?;
        tell(Event::Done);
        Ok(())
    }

    /// Everything is of the commit that the list of files was of.
    fn check_commit(&self, answer: &Answer) -> Result<(), HubError> {
        match answer.own("x-repo-commit") {
            Some(said) if said != self.commit.as_str() => {
                let what = match Commit::parse(said) {
                    Some(_) => format!("the revision is now at {said} and was at {}: try again", self.commit.as_str()),
                    None => {
                        let what = format!("names the commit {}, which is none", shown(said));
                        return Err(HubError::Unsafe { url: answer.url.clone(), what });
                    }
                };
                Err(HubError::Broken { url: answer.url.clone(), what })
            }
            _ => Ok(()),
        }
    }

    /// Waits until nobody else downloads this blob.
    fn lock(&self, blob: &str) -> Result<File, HubError> {
        let path = self.cache.lock(blob);
        create_parent(&path)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| HubError::io(&path, e))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) if self.interrupt.sleep(LOOK) => {}
                Err(fs::TryLockError::WouldBlock) => return Err(HubError::Interrupted),
                // Some network file systems have no locks; names and hashes keep files apart there.
                Err(fs::TryLockError::Error(_)) => return Ok(file),
            }
        }
    }

    /// Writes the body behind what is there, or in place of it where the hub sends all of it again.
    fn receive(
        &self,
        answer: Answer,
        partial: &Partial,
        announced: &Announced,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), HubError> {
        let mut at = partial.length()?;
        let starts = |range: &str| range.trim().strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok();
        if answer.status == 206 && answer.header("content-range").and_then(starts) != Some(at) {
            let what = format!("the part from byte {at} on was asked for, and another one came");
            return Err(HubError::Broken { url: answer.url, what });
        }
        if answer.status == 200 {
            at = 0;
        }
        let error = |e| HubError::io(&partial.path, e);
        let mut file = OpenOptions::new().write(true).open(&partial.path).map_err(error)?;
        file.set_len(at).map_err(error)?;
        file.seek(SeekFrom::Start(at)).map_err(error)?;
        tell(Event::Bytes(at));
        let most = announced.size.map_or(u64::MAX, |size| size.saturating_sub(at));
        let url = answer.url.clone();
        answer.read(most, self.interrupt, |part| {
            file.write_all(part).map_err(error)?;
            at += part.len() as u64;
            tell(Event::Bytes(part.len() as u64));
            Ok(())
        })?;
        file.sync_all().map_err(error)?;
        match announced.size {
            Some(size) if size != at => {
                Err(HubError::Unreachable { url, why: format!("it broke off after {at} of {size} bytes") })
            }
            _ => Ok(()),
        }
    }

    /// Checks what came and gives it its name.
    fn keep(&self, name: &str, partial: Partial, announced: &Announced, path: &str) -> Result<(), HubError> {
        let digest = announced.digest.as_ref();
        let hashes = Hashes::of_file(&partial.path, digest, self.interrupt)?;
        if let Some(digest) = digest.filter(|d| !d.fits(&hashes)) {
            let what = format!(
                "what came (SHA-256 {}) is not what was announced ({}): it was removed; try again, or another HF_ENDPOINT",
                hashes.sha256,
                digest.hex()
            );
            partial.remove()?;
            return Err(HubError::Broken { url: path.to_owned(), what });
        }
        // Without an announced hash the file is named by what it is.
        let blob = digest.map_or(hashes.sha256.as_str(), Digest::hex).to_owned();
        debug_assert!(is_plain(&blob));
        let target = self.cache.blobs().join(&blob);
        fs::rename(&partial.path, &target).map_err(|e| HubError::io(&target, e))?;
        self.cache.link(self.commit, name, &blob)
    }
}

/// A file that is not whole yet.
struct Partial {
    path: PathBuf,
    /// Whether it stays for a later command: where its hash is known, what is in it can go on.
    lasts: bool,
}

impl Partial {
    fn open(cache: &Cache, digest: Option<&Digest>) -> Result<Self, HubError> {
        let name = digest.map_or_else(passing_name, |d| d.hex().to_owned());
        let path = cache.blobs().join(format!("{name}.incomplete"));
        create_parent(&path)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(digest.is_none());
        options.open(&path).map_err(|e| HubError::io(&path, e))?;
        Ok(Self { path, lasts: digest.is_some() })
    }

    fn length(&self) -> Result<u64, HubError> {
        Ok(self.path.metadata().map_err(|e| HubError::io(&self.path, e))?.len())
    }

    fn remove(&self) -> Result<(), HubError> {
        remove(&self.path)
    }
}

impl Drop for Partial {
    /// What cannot go on later is taken away again.
    fn drop(&mut self) {
        if !self.lasts {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A name that no other process has, on this machine or on another one with the same cache.
fn passing_name() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("mosa-{}-{}", std::process::id(), now.as_nanos())
}

fn remove(path: &Path) -> Result<(), HubError> {
    fs::remove_file(path).map_err(|e| HubError::io(path, e))
}
