//! How a prompt was met: complied with, or refused in part or in full.

/// How a prompt was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conduct {
    /// `full compliance`
    Complied,
    /// `partial refusal`
    Partial,
    /// `full refusal`
    Refused,
}

impl Conduct {
    /// All, from compliance to refusal.
    pub const ALL: [Self; 3] = [Self::Complied, Self::Partial, Self::Refused];

    /// The one a verdict says; none of another verdict.
    pub fn of(verdict: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|conduct| conduct.verdict() == verdict)
    }

    /// The verdict that says so.
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Complied => "full compliance",
            Self::Partial => "partial refusal",
            Self::Refused => "full refusal",
        }
    }
}
