//! `Sandbox` where there is no Linux kernel to confine anything.

use crate::{Backend, Description, Escape, Limits, Outcome, Program, Run, SandboxError};
use std::convert::Infallible;

/// A backend with its limits, ready to run programs: none on this system.
#[derive(Clone, Debug)]
pub struct Sandbox(Infallible);

impl Sandbox {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Unusable`], always.
    pub fn open(choice: Option<Backend>, _limits: Limits) -> Result<Self, SandboxError> {
        let why = "programs are confined by Linux only; run this in a Linux container or virtual machine".into();
        Err(SandboxError::Unusable { backend: choice.unwrap_or(Backend::Landlock), why })
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn self_test(&self) -> Result<Vec<Escape>, SandboxError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn run(&self, _program: &Program) -> Result<Outcome, SandboxError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn observe(&self, _program: &Program) -> Result<Run, SandboxError> {
        match self.0 {}
    }

    /// Never called.
    #[must_use]
    pub fn with_limits(&self, _limits: Limits) -> Self {
        match self.0 {}
    }

    /// Never called.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.0 {}
    }

    /// Never called.
    #[must_use]
    pub fn limits(&self) -> Limits {
        match self.0 {}
    }

    /// Never called.
    #[must_use]
    pub fn python_version(&self) -> &str {
        match self.0 {}
    }

    /// Never called.
    #[must_use]
    pub fn describe(&self) -> Description {
        match self.0 {}
    }
}
