//! Every call an attack made, in a file, so that a killed run goes on by replaying it.

use crate::Used;
use mosa_records::{Archive, Place, Record, RecordsError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One call and its reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The case it belongs to.
    pub case: String,
    /// Its logical path inside the case, for example `d3/n7/judge`: never the order of arrival.
    pub call: String,
    /// `generate`, `score`, `propose`, `write` or the role of a helper.
    pub kind: String,
    /// What was asked.
    pub request: Value,
    /// What came back.
    pub reply: Value,
}

impl Record for CallRecord {
    const SCHEMA: &'static str = "call/1";

    fn key(&self) -> String {
        format!("{}\u{1f}{}", self.case, self.call)
    }
}

impl CallRecord {
    /// Counts the call as [`Cx`](crate::Cx) does.
    fn add_to(&self, used: &mut Used) {
        match self.kind.as_str() {
            "generate" | "score" => used.queries += 1,
            "write" => used.queries += self.reply["tokens"].as_u64().unwrap_or(0),
            "propose" => used.proposals += 1,
            _ => used.helper_calls += 1,
        }
    }
}

/// The journal of a run. Calls of an earlier, killed run are answered from it; its records stay on disk.
#[derive(Debug)]
pub struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    archive: Archive<CallRecord>,
    /// Where the calls of each case are that may be asked for again. A call has several places where two commands wrote
    /// at once.
    places: HashMap<String, HashMap<String, Vec<Place>>>,
    /// What these calls of earlier runs come to, but for forwards.
    used: HashMap<String, Used>,
}

/// What the journal knows of a call.
pub(crate) enum Known<T> {
    /// It was answered before.
    Reply(T),
    /// Nothing.
    Nothing,
    /// It was another request then: the settings of the run have changed, or the attack is not deterministic.
    Drift(String),
}

impl Journal {
    /// Opens or creates the journal. `open` says which cases are attacked still: the calls of others are not looked up.
    ///
    /// # Errors
    /// [`RecordsError`] as for any record file.
    pub fn open(path: &Path, open: impl Fn(&str) -> bool) -> Result<Self, RecordsError> {
        let mut places: HashMap<String, HashMap<String, Vec<Place>>> = HashMap::new();
        let mut used: HashMap<String, Used> = HashMap::new();
        let archive = Archive::open(path, |record: CallRecord, place| {
            if open(&record.case) {
                if !places.get(&record.case).is_some_and(|calls| calls.contains_key(&record.call)) {
                    record.add_to(used.entry(record.case.clone()).or_default());
                }
                places.entry(record.case).or_default().entry(record.call).or_default().push(place);
            }
        })?;
        Ok(Self { inner: Mutex::new(Inner { archive, places, used }) })
    }

    /// The reply to a call of an earlier run.
    pub(crate) fn find<T: DeserializeOwned>(&self, case: &str, call: &str, request: &Value) -> Known<T> {
        let mut inner = self.lock();
        let places = inner.places.get(case).and_then(|calls| calls.get(call)).cloned().unwrap_or_default();
        let mut drift = None;
        for place in places {
            let record = match inner.archive.read(place) {
                Ok(record) => record,
                Err(e) => return Known::Drift(format!("call {call}: its record cannot be read: {e}")),
            };
            if record.request == *request {
                return match serde_json::from_value(record.reply) {
                    Ok(reply) => Known::Reply(reply),
                    Err(e) => Known::Drift(format!("call {call}: its recorded reply cannot be read: {e}")),
                };
            }
            drift.get_or_insert_with(|| {
                let (was, is) = difference(&record.request, request);
                format!("call {call} asked {was} in the earlier run and asks {is} now")
            });
        }
        drift.map_or(Known::Nothing, Known::Drift)
    }

    /// Whether it can answer again all that a finished case asked, so that its records can be made from it alone.
    pub fn holds(&self, case: &str, used: &Used) -> bool {
        let inner = self.lock();
        let held = inner.used.get(case).copied().unwrap_or_default();
        let (calls, proposals) = (held.queries >= used.queries, held.proposals >= used.proposals);
        calls && proposals && held.helper_calls >= used.helper_calls
    }

    /// Writes a call down.
    pub(crate) fn push(&self, record: CallRecord) -> Result<(), RecordsError> {
        let mut inner = self.lock();
        let place = inner.archive.push(&record)?;
        inner.places.entry(record.case).or_default().insert(record.call, vec![place]);
        Ok(())
    }

    /// Forgets where the calls of a case are: it is over.
    pub(crate) fn close(&self, case: &str) {
        self.lock().places.remove(case);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first place where two values differ, and what stands there.
fn difference(was: &Value, is: &Value) -> (String, String) {
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys());
            for key in keys {
                let (x, y) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                if x != y {
                    let (was, is) = difference(x, y);
                    return (format!("{key}: {was}"), format!("{key}: {is}"));
                }
            }
            (was.to_string(), is.to_string())
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => match a.iter().zip(b).find(|(x, y)| x != y) {
            Some((x, y)) => difference(x, y),
            None => (was.to_string(), is.to_string()),
        },
        _ => (short(was), short(is)),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
