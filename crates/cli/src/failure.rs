//! Failures and their exit codes.

use mosa_align::AlignError;
use mosa_engine::EngineError;
use mosa_hub::HubError;
use mosa_model::ModelError;
use std::fmt;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: a check or measurement failed.
    Check(String),
    /// 2: wrong use or bad input.
    Input(anyhow::Error),
    /// 3: memory or another resource ran out.
    Resource(anyhow::Error),
    /// 130: interrupted.
    Interrupted(String),
}

impl Failure {
    /// Whether the reader of stdout went away (`mosa ... | head`): no failure of ours.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        let io = |e: &(dyn std::error::Error + 'static)| e.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(self, Self::Input(error) if error.chain().any(|e| io(e) == Some(std::io::ErrorKind::BrokenPipe)))
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Check(_) => 1,
            Self::Input(_) => 2,
            Self::Resource(_) => 3,
            Self::Interrupted(_) => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(text) | Self::Interrupted(text) => f.write_str(text),
            Self::Input(error) => f.write_str(&told(error)),
            Self::Resource(error) => {
                let error = told(error);
                write!(f, "memory ran out: {error}; use a smaller --batch-size, a shorter canvas or --dtype bf16")
            }
        }
    }
}

/// An error and what led to it, without causes that an error above them quotes already.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        above if above.contains(&cause) => text,
        above => format!("{above}: {cause}"),
    })
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        if let Some(stopped) =
            error.chain().find_map(|e| e.downcast_ref().filter(|e| matches!(e, HubError::Interrupted)))
        {
            return Self::Interrupted(stopped.to_string());
        }
        if error.chain().any(out_of_memory) { Self::Resource(error) } else { Self::Input(error) }
    }
}

fn out_of_memory(error: &(dyn std::error::Error + 'static)) -> bool {
    let model = error.downcast_ref::<ModelError>();
    let engine =
        error.downcast_ref::<EngineError>().and_then(|e| if let EngineError::Model(m) = e { Some(m) } else { None });
    let align =
        error.downcast_ref::<AlignError>().and_then(|e| if let AlignError::Model(m) = e { Some(m) } else { None });
    model.or(engine).or(align).is_some_and(ModelError::is_out_of_memory)
}
