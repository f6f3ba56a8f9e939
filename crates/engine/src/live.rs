//! A row of a session.

use crate::Options;
use crate::cursor::Cursor;

/// Names a row of a session. Rows that were admitted later compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub(crate) u64);

/// A row that is not finished.
pub(crate) struct Live {
    pub id: RowId,
    pub cursor: Cursor,
    pub options: Options,
}

impl Live {
    pub(crate) fn counts_together(&self) -> bool {
        self.cursor.schedule.counts_together()
    }

    /// How often its canvas is computed: with guidance a second time, without its prompt.
    pub(crate) fn copies(&self) -> usize {
        if self.options.cfg_scale > 0.0 { 2 } else { 1 }
    }
}
