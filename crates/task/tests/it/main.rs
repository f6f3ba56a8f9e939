//! Tests of task files.

mod at_hand;
mod real;
