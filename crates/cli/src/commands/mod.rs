//! One file per command.

pub(crate) mod align;
pub(crate) mod attack;
pub(crate) mod bench;
pub(crate) mod carry_out;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod defence;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod inspect;
pub(crate) mod judge;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod probe;
pub(crate) mod quickstart;
pub(crate) mod records;
pub(crate) mod report;
pub(crate) mod reproduce;
pub(crate) mod serve;
pub(crate) mod utility;
pub(crate) mod verify;
pub(crate) mod world;
