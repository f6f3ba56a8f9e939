//! What can go wrong with a report.

/// An error about a report; names the figure or table and what to change.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The data of a block do not fit together.
    #[error("{block}: {what}")]
    Malformed {
        /// Which block, by its caption.
        block: String,
        /// What does not fit, and what would.
        what: String,
    },
    /// A figure could not be drawn.
    #[error("{block} cannot be drawn: {why}")]
    Drawing {
        /// Which figure, by its caption.
        block: String,
        /// What the drawing library says.
        why: String,
    },
    /// The page could not be put together.
    #[error("the page cannot be put together: {0:#}")]
    Page(#[from] minijinja::Error),
}
