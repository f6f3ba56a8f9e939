//! What the environment says, in the variables that `huggingface_hub` reads.

use crate::HubError;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Where the hub and its cache are.
#[derive(Clone)]
pub struct Settings {
    /// Address of the hub without a slash at its end (`HF_ENDPOINT`).
    pub endpoint: String,
    /// The folder of the cache (`HF_HUB_CACHE`, or `hub` in `HF_HOME`).
    pub cache: PathBuf,
    /// The access token (`HF_TOKEN`, or the file `token` in `HF_HOME`).
    pub token: Option<String>,
    /// Whether the network must not be used (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// How long the hub may be silent (`HF_HUB_DOWNLOAD_TIMEOUT`, in seconds).
    pub timeout: Duration,
}

const ENDPOINT: &str = "https://huggingface.co";
const SILENCE: f64 = 30.0;

impl Settings {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`HubError::Setting`] naming the variable that cannot be used.
    pub fn from_env() -> Result<Self, HubError> {
        Self::of(&std::env::vars_os().collect())
    }

    fn of(env: &HashMap<OsString, OsString>) -> Result<Self, HubError> {
        let env = Environment(env);
        let home = env.path("HF_HOME").map_or_else(
            || {
                let caches = env.path("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")));
                let what = "is not set, and there is no home directory to keep the hub's cache in: set it";
                Ok(caches.ok_or_else(|| setting("HF_HOME", what))?.join("huggingface"))
            },
            Ok::<_, HubError>,
        )?;
        let cache = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"].into_iter().find_map(|n| env.path(n));
        Ok(Self {
            endpoint: env.endpoint()?,
            cache: cache.unwrap_or_else(|| home.join("hub")),
            token: env.token(&home)?,
            offline: ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().any(|n| env.is_on(n)),
            timeout: env.timeout()?,
        })
    }
}

fn setting(name: &'static str, what: impl Into<String>) -> HubError {
    HubError::Setting { name, what: what.into() }
}

struct Environment<'a>(&'a HashMap<OsString, OsString>);

impl Environment<'_> {
    /// A path; `~` in front is the home directory, as `huggingface_hub` reads it.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = self.0.get(&OsString::from(name)).filter(|v| !v.is_empty()).map(PathBuf::from)?;
        match (path.strip_prefix("~"), std::env::home_dir()) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(path),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, HubError> {
        let Some(value) = self.0.get(&OsString::from(name)).filter(|v| !v.is_empty()) else { return Ok(None) };
        value.to_str().map(|t| Some(t.to_owned())).ok_or_else(|| setting(name, "is not text"))
    }

    fn is_on(&self, name: &str) -> bool {
        let value = self.0.get(&OsString::from(name)).map(|v| v.to_string_lossy().to_ascii_uppercase());
        value.is_some_and(|v| ["1", "ON", "YES", "TRUE"].contains(&v.as_str()))
    }

    fn endpoint(&self) -> Result<String, HubError> {
        const NAME: &str = "HF_ENDPOINT";
        let text = self.text(NAME)?.unwrap_or_else(|| ENDPOINT.into());
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| setting(NAME, format!("= {text:?} is not an address like {ENDPOINT}")))?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || "@?#\\".contains(c);
        if rest.is_empty() || rest.starts_with('/') || rest.contains(odd) {
            return Err(setting(NAME, "must be the plain address of a hub, without user, query or fragment"));
        }
        Ok(text.trim_end_matches('/').to_owned())
    }

    fn token(&self, home: &std::path::Path) -> Result<Option<String>, HubError> {
        if self.is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            return Ok(None);
        }
        let given = match self.text("HF_TOKEN")? {
            None => self.text("HUGGING_FACE_HUB_TOKEN")?,
            given => given,
        };
        let file = self.path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = given.or_else(|| std::fs::read_to_string(file).ok());
        let token = token.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        if token.as_ref().is_some_and(|t| !t.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(setting("HF_TOKEN", "(or the token file) holds characters that no token has"));
        }
        Ok(token)
    }

    fn timeout(&self) -> Result<Duration, HubError> {
        const NAME: &str = "HF_HUB_DOWNLOAD_TIMEOUT";
        let Some(text) = self.text(NAME)? else { return Ok(Duration::from_secs_f64(SILENCE)) };
        let seconds = text.trim().parse::<f64>().ok().filter(|s| *s > 0.0 && *s <= 86_400.0);
        let seconds =
            seconds.ok_or_else(|| setting(NAME, format!("= {text:?} is not a number of seconds up to a day")))?;
        Ok(Duration::from_secs_f64(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Settings, HubError> {
        Settings::of(&pairs.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect())
    }

    #[test]
    fn the_environment_is_read_as_huggingface_hub_reads_it() {
        let plain = of(&[("XDG_CACHE_HOME", "/x")]).ok().map(|s| (s.endpoint, s.cache, s.offline));
        assert_eq!(plain, Some((ENDPOINT.into(), PathBuf::from("/x/huggingface/hub"), false)));
        let home = of(&[("HF_HOME", "~/models")]).ok().map(|s| s.cache);
        assert_eq!(home, std::env::home_dir().map(|h| h.join("models/hub")));
        let set = of(&[
            ("HF_HOME", "/h"),
            ("HF_HUB_CACHE", "/c"),
            ("HF_ENDPOINT", "http://127.0.0.1:1/mirror/"),
            ("HF_TOKEN", " hf_x\n"),
            ("HF_HUB_OFFLINE", "yes"),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "2.5"),
        ]);
        let set = set.ok().map(|s| (s.endpoint, s.cache, s.token, s.offline, s.timeout));
        let want =
            ("http://127.0.0.1:1/mirror".into(), "/c".into(), Some("hf_x".into()), true, Duration::from_millis(2500));
        assert_eq!(set, Some(want));
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        for (name, value) in [
            ("HF_ENDPOINT", "huggingface.co"),
            ("HF_ENDPOINT", "ftp://x"),
            ("HF_ENDPOINT", "https://user:key@x"),
            ("HF_ENDPOINT", "https://x/?key=1"),
            ("HF_TOKEN", "a b"),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "soon"),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "0"),
        ] {
            let error = of(&[("HF_HOME", "/h"), (name, value)]).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.starts_with(name) && !error.contains("key"), "{name}={value}: {error}");
        }
    }
}
