//! Placeholder of this commit; the page follows.
