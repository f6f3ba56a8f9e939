//! Published claims beside what was measured here.

/// A statement of a publication and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed.
    pub what: String,
    /// What the publication reports.
    pub paper: String,
    /// What was measured here, with its interval.
    pub measured: String,
    /// The bounds that the intervals are held against.
    pub rule: String,
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
    /// Whether a quantity known to lie in this interval, as (low, high), is at least `bound`: undecided while the interval holds
    /// numbers on both sides.
    pub fn at_least((low, high): (f64, f64), bound: f64) -> Self {
        if low >= bound {
            Self::Agrees
        } else if high < bound {
            Self::Disagrees
        } else {
            Self::Undecided
        }
    }

    /// Whether a quantity known to lie in this interval is at most `bound`.
    pub fn at_most((low, high): (f64, f64), bound: f64) -> Self {
        Self::at_least((-high, -low), -bound)
    }

    /// Whether all of several statements hold: one that does not decides, one that is open leaves all open. No statements,
    /// no decision.
    pub fn all(statements: impl IntoIterator<Item = Self>) -> Self {
        let (mut any, mut all) = (false, Self::Agrees);
        for statement in statements {
            any = true;
            all = match (all, statement) {
                (Self::Disagrees, _) | (_, Self::Disagrees) => Self::Disagrees,
                (Self::Undecided, _) | (_, Self::Undecided) => Self::Undecided,
                (Self::Agrees, Self::Agrees) => Self::Agrees,
            };
        }
        if any { all } else { Self::Undecided }
    }

    /// The sign that stands for the verdict where there is no room for its word.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Agrees => "✓",
            Self::Disagrees => "✗",
            Self::Undecided => "?",
        }
    }

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
    counted(claims.iter().map(|c| c.verdict)).map(|(_, said)| said).join(", ")
}

/// How many verdicts there are of each kind, in words.
pub(crate) fn counted(verdicts: impl IntoIterator<Item = Agreement>) -> [(Agreement, String); 3] {
    let kinds = [Agreement::Agrees, Agreement::Disagrees, Agreement::Undecided];
    let mut counts = [0; 3];
    for verdict in verdicts {
        counts[verdict as usize] += 1;
    }
    let verb = |n: usize, verb: &str| format!("{n} {verb}{}", if n == 1 { "s" } else { "" });
    let [yes, no, open] = counts;
    let said = [verb(yes, "agree"), verb(no, "disagree"), format!("{open} undecided")];
    let mut said = said.into_iter();
    kinds.map(|kind| (kind, said.next().unwrap_or_default()))
}
