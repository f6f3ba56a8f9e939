//! The laws of the embedded world.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod benchmark;
mod corpus;
mod files;
mod items;
mod judge;
mod procedures;
mod refusals;
mod requests;
mod tasks;
mod vocabulary;

use std::collections::BTreeSet;

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

fn set<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    texts.into_iter().flat_map(words).collect()
}
