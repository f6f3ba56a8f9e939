//! Whoever is measured, opened, and what the manifest says of it.

use crate::manifest::{Fingerprints, Place};
use serde_json::Value;

/// A subject, and what the manifest says of it.
pub(crate) struct Opened<S> {
    pub subject: S,
    pub said: Value,
    pub fingerprints: Fingerprints,
    /// Where it is computed, if here.
    pub place: Option<Place>,
}

impl<S> Opened<S> {
    /// The same as another kind of subject.
    pub(super) fn map<T>(self, kind: impl FnOnce(S) -> T) -> Opened<T> {
        let Self { subject, said, fingerprints, place } = self;
        Opened { subject: kind(subject), said, fingerprints, place }
    }
}
