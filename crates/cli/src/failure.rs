//! Failures and their exit codes.

use mosa_align::AlignError;
use mosa_engine::EngineError;
use mosa_hub::HubError;
use mosa_model::{ModelError, is_out_of_memory};
use mosa_parallel::ParallelError;
use mosa_probe::ProbeError;
use mosa_records::RecordsError;
use std::collections::TryReserveError;
use std::error::Error;
use std::fmt;
use std::io;
use tch::TchError;

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
    /// Another rank says what happened, or it is said already; the command ends with this code.
    Elsewhere(u8),
    /// What all ranks have come to together, and this one tells.
    Agreed(Box<Failure>),
}

impl Failure {
    /// Whether the reader of stdout went away (`mosa ... | head`): no failure of ours.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        let io = |e: &(dyn std::error::Error + 'static)| e.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(self, Self::Input(error) if error.chain().any(|e| io(e) == Some(std::io::ErrorKind::BrokenPipe)))
    }

    /// Whether the chunk that was worked on is another process's now.
    pub(crate) fn is_lost(&self) -> bool {
        let lost = |e: &(dyn Error + 'static)| matches!(e.downcast_ref(), Some(RecordsError::Lost { .. }));
        matches!(self, Self::Input(error) if error.chain().any(lost))
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Check(_) => 1,
            Self::Input(_) => 2,
            Self::Resource(_) => 3,
            Self::Interrupted(_) => 130,
            Self::Elsewhere(code) => *code,
            Self::Agreed(failure) => failure.code(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(text) | Self::Interrupted(text) => f.write_str(text),
            Self::Elsewhere(_) => f.write_str("another rank says what happened"),
            Self::Agreed(failure) => failure.fmt(f),
            Self::Input(error) => f.write_str(&told(error)),
            Self::Resource(error) => {
                let text = told(error);
                let refused =
                    |cause: &(dyn Error + 'static)| matches!(cause.downcast_ref(), Some(ModelError::TooLarge { .. }));
                if error.chain().any(refused) {
                    return f.write_str(&text);
                }
                match error.chain().any(is_full_disk) {
                    true => write!(f, "the disk is full: {text}; make room, then the same command again"),
                    false => {
                        let smaller = match error.chain().any(|cause| cause.is::<AlignError>()) {
                            true => "--set micro_batch_size=1, --set gradient_checkpointing=true, a shorter canvas",
                            false => "a smaller --batch-size, a shorter canvas",
                        };
                        write!(f, "memory ran out: {text}; use {smaller} or --dtype bf16")
                    }
                }
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
        if let Some(ParallelError::Elsewhere { code, .. }) = error.chain().find_map(of_ranks) {
            return Self::Elsewhere(*code);
        }
        if error.chain().any(|cause| is_want_of_memory(cause) || is_full_disk(cause)) {
            Self::Resource(error)
        } else if error
            .chain()
            .any(|cause| is_broken_number(cause) || of_ranks(cause).is_some_and(ParallelError::is_broken_off))
        {
            Self::Check(told(&error))
        } else {
            Self::Input(error)
        }
    }
}

/// Whether memory ran out. Errors of all crates lead to one of these: what they carry is their source.
fn is_want_of_memory(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<ModelError>().is_some_and(ModelError::is_out_of_memory)
        || cause.downcast_ref::<TchError>().is_some_and(is_out_of_memory)
        || cause.is::<mosa_model::OutOfMemory>()
        || cause.is::<TryReserveError>()
        || io_kind(cause) == Some(io::ErrorKind::OutOfMemory)
}

fn is_full_disk(cause: &(dyn Error + 'static)) -> bool {
    matches!(io_kind(cause), Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

fn io_kind(cause: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// What went wrong between ranks; the errors of a training carry it as one of theirs.
fn of_ranks<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e ParallelError> {
    match cause.downcast_ref() {
        Some(AlignError::Ranks(error)) => Some(error),
        _ => cause.downcast_ref(),
    }
}

/// Whether numbers went wrong, and not what was asked for: NaN, a loss that grows without bound.
fn is_broken_number(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<EngineError>().is_some_and(EngineError::is_broken_number)
        || cause.downcast_ref::<ProbeError>().is_some_and(ProbeError::is_broken_number)
        || cause.downcast_ref::<AlignError>().is_some_and(AlignError::is_broken_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torch(text: &str) -> TchError {
        TchError::Torch(text.into())
    }

    #[test]
    fn want_of_memory_is_found_in_every_error_that_can_carry_it() {
        let oom = || torch("CUDA out of memory. Tried to allocate 20.00 GiB");
        let reserve = Vec::<u64>::new().try_reserve(usize::MAX).expect_err("more than there is");
        let all: Vec<anyhow::Error> = vec![
            oom().into(),
            ModelError::from(oom()).into(),
            EngineError::from(oom()).into(),
            ProbeError::from(oom()).into(),
            ProbeError::from(EngineError::from(oom())).into(),
            AlignError::from(oom()).into(),
            anyhow::Error::from(ProbeError::from(EngineError::from(oom()))).context("case 7"),
            ModelError::memory("an adapter", 1 << 60).into(),
            EngineError::from(ModelError::memory("an adapter", 1 << 60)).into(),
            torch("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes").into(),
            reserve.into(),
            io::Error::from(io::ErrorKind::OutOfMemory).into(),
        ];
        for error in all {
            let text = told(&error);
            assert_eq!(Failure::from(error).code(), 3, "{text}");
        }
        let step = Failure::from(AlignError::from(oom())).to_string();
        assert!(step.contains("micro_batch_size") && !step.contains("--batch-size"), "{step}");
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.code() == 3 && full.to_string().contains("disk is full"), "{full}");
    }

    #[test]
    fn an_illegal_memory_access_is_not_want_of_memory() {
        let illegal = torch("CUDA error: an illegal memory access was encountered");
        assert_eq!(Failure::from(EngineError::from(illegal)).code(), 2);
    }

    #[test]
    fn numbers_that_went_wrong_are_a_failed_check() {
        let nan = || EngineError::NotANumber { position: 3, step: 4, cause: "x".into() };
        let goal = ProbeError::NotANumber { id: "g".into(), iteration: 2 };
        let diverged = AlignError::Diverged { step: 7, loss: f64::NAN, grad_norm: 1.0, cause: "lower `lr`".into() };
        for error in [nan().into(), ProbeError::from(nan()).into(), goal.into(), anyhow::Error::from(diverged)] {
            let text = told(&error);
            let failure = Failure::from(error.context("the run"));
            assert_eq!(failure.code(), 1, "{text}");
            assert!(failure.to_string().contains(&text), "{failure}");
        }
    }
}
