//! Published claims beside what was measured here.

/// A statement of a publication and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed.
    pub what: String,
    /// What the publication reports.
    pub paper: String,
    /// What was measured here.
    pub measured: String,
    /// Whether the two agree.
    pub verdict: Agreement,
}

/// Whether a measurement agrees with a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agreement {
    /// It does.
    Agrees,
    /// It does not.
    Disagrees,
    /// The measurement cannot tell.
    Undecided,
}

impl Agreement {
    /// The verdict as it is printed: a sign and a word, so that no colour is needed to read it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Agrees => "✓ agrees",
            Self::Disagrees => "✗ disagrees",
            Self::Undecided => "? undecided",
        }
    }

    /// The name the style sheet knows it by.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Disagrees => "disagrees",
            Self::Undecided => "undecided",
        }
    }
}

/// One line that counts the verdicts: `3 agree, 1 disagrees, 0 undecided`.
pub(crate) fn tally(claims: &[Claim]) -> String {
    let count = |verdict| claims.iter().filter(|c| c.verdict == verdict).count();
    let (yes, no, open) = (count(Agreement::Agrees), count(Agreement::Disagrees), count(Agreement::Undecided));
    let verb = |n: usize, verb: &str| format!("{n} {verb}{}", if n == 1 { "s" } else { "" });
    format!("{}, {}, {open} undecided", verb(yes, "agree"), verb(no, "disagree"))
}
