//! `Sandbox`: a backend with its limits, ready to run programs.

use crate::bubblewrap::Bubblewrap;
use crate::child::Confinement;
use crate::describe::Description;
use crate::hand_over::{NONCE_BYTES, encode, fresh_nonce};
use crate::process::Start;
use crate::python::Python;
use crate::watch::Watch;
use crate::{Backend, Escape, Limits, Outcome, Program, Run, SandboxError, landlock, seccomp, self_test, system};
use seccompiler::BpfProgram;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// A backend with its limits, ready to run programs. Cheap to clone; usable from many threads at once.
#[derive(Clone, Debug)]
pub struct Sandbox {
    backend: Backend,
    limits: Limits,
    python: Arc<Python>,
    bubblewrap: Option<Arc<Bubblewrap>>,
    rules: Option<Arc<OwnedFd>>,
    filter: Option<Arc<BpfProgram>>,
    instead: Option<String>,
}

impl Sandbox {
    /// Opens a backend: the one that is named, or bubblewrap, or Landlock where that cannot be used. Runs the self-test
    /// (about a second) unless [`Backend::None`] was asked for by name.
    ///
    /// # Errors
    ///
    /// No Python; a named backend that cannot be used ([`SandboxError::Unusable`]) or does not hold
    /// ([`SandboxError::Escaped`]); without a name, [`SandboxError::NoBackend`] says both reasons.
    pub fn open(choice: Option<Backend>, limits: Limits) -> Result<Self, SandboxError> {
        let python = Arc::new(Python::find()?);
        if let Some(backend) = choice {
            return Self::tested(backend, limits, &python);
        }
        let bubblewrap = match Self::tested(Backend::Bubblewrap, limits, &python) {
            Ok(sandbox) => return Ok(sandbox),
            Err(error) => error.to_string(),
        };
        match Self::tested(Backend::Landlock, limits, &python) {
            Ok(sandbox) => Ok(Self { instead: Some(bubblewrap), ..sandbox }),
            Err(error) => Err(SandboxError::NoBackend { bubblewrap, landlock: error.to_string() }),
        }
    }

    fn tested(backend: Backend, limits: Limits, python: &Arc<Python>) -> Result<Self, SandboxError> {
        let (mut bubblewrap, mut rules, mut filter) = (None, None, None);
        match backend {
            Backend::Bubblewrap => bubblewrap = Some(Arc::new(Bubblewrap::find(python)?)),
            Backend::Landlock => rules = Some(Arc::new(landlock::rules(python)?)),
            Backend::None => {}
        }
        if backend != Backend::None {
            filter = Some(Arc::new(seccomp::filter(backend)?));
        }
        let python = Arc::clone(python);
        let sandbox = Self { backend, limits, python, bubblewrap, rules, filter, instead: None };
        if backend != Backend::None {
            sandbox.must_hold()?;
        }
        Ok(sandbox)
    }

    fn must_hold(&self) -> Result<(), SandboxError> {
        let unusable = |why: String| SandboxError::Unusable { backend: self.backend, why };
        self_test::honest(self).map_err(unusable)?;
        let out: Vec<String> = self.self_test()?.iter().filter(|e| !e.contained).map(ToString::to_string).collect();
        if out.is_empty() {
            return Ok(());
        }
        Err(SandboxError::Escaped { backend: self.backend, escapes: out.join("; ") })
    }

    /// Runs programs that misbehave, and says of each whether it was contained and by what evidence. All at once, in
    /// about a second.
    ///
    /// # Errors
    ///
    /// What the test needs (a temporary folder, a listening socket) cannot be made, or a program cannot be run.
    pub fn self_test(&self) -> Result<Vec<Escape>, SandboxError> {
        self_test::run(self)
    }

    /// Runs one program and says what became of it.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Run`]: the program was not run, so nothing is known about it.
    pub fn run(&self, program: &Program) -> Result<Outcome, SandboxError> {
        Ok(self.observe(program)?.outcome)
    }

    /// Like [`run`](Self::run), with what the program printed and how long it took.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn observe(&self, program: &Program) -> Result<Run, SandboxError> {
        let nonce = fresh_nonce().map_err(SandboxError::io("reading /dev/urandom"))?;
        let folder = match self.backend {
            Backend::None => Some(tempfile::tempdir().map_err(SandboxError::io("making a temporary folder"))?),
            Backend::Bubblewrap | Backend::Landlock => None,
        };
        let folder = folder.as_ref().map_or(Path::new("/"), |f| f.path());
        let watch = self.start(&encode(program, &nonce), nonce, folder).map_err(SandboxError::io("starting it"))?;
        let run = watch.finish().map_err(SandboxError::io("watching it"))?;
        run.map_err(|n| {
            SandboxError::Run(format!("the {} sandbox did not reach the program ({})", self.backend, n.why))
        })
    }

    /// Starts a harness on `input`; this side's ends of what it writes are left.
    fn start(&self, input: &[u8], nonce: [u8; NONCE_BYTES], folder: &Path) -> io::Result<Watch> {
        let input = system::memory_file(input)?;
        let null = File::open("/dev/null")?;
        let (verdict, stdout, stderr) = (io::pipe()?, io::pipe()?, io::pipe()?);
        let filter = self.handed_filter()?;
        let handed = filter.as_ref().map(AsRawFd::as_raw_fd);
        let confinement = Confinement {
            limits: self.limits,
            keep: [input.as_raw_fd(), verdict.1.as_raw_fd()].into_iter().chain(handed).collect(),
            landlock: self.rules.clone(),
            filter: self.filter.clone().filter(|_| self.bubblewrap.is_none()),
        };
        let mut words = self.words(handed);
        words.extend(Python::arguments(input.as_raw_fd(), verdict.1.as_raw_fd()).map(OsString::from));
        let streams = [null.as_raw_fd(), stdout.1.as_raw_fd(), stderr.1.as_raw_fd()];
        let process = Start::new(words, &Python::environment(), folder, streams, confinement)?.start()?;
        let ends = [verdict.0, stdout.0, stderr.0].map(OwnedFd::from);
        Ok(Watch::new(process, ends, nonce, self.limits))
    }

    /// The filter as bubblewrap reads it: it installs it itself, after all that needs more calls.
    fn handed_filter(&self) -> io::Result<Option<File>> {
        let filter = self.filter.as_ref().filter(|_| self.bubblewrap.is_some());
        filter.map(|f| system::memory_file(&seccomp::bytes(f))).transpose()
    }

    /// What is started, up to the interpreter's arguments.
    fn words(&self, filter: Option<i32>) -> Vec<OsString> {
        let mut words = match (&self.bubblewrap, filter) {
            (Some(bubblewrap), Some(filter)) => bubblewrap.words(filter),
            _ => Vec::new(),
        };
        words.push(self.python.executable.clone().into());
        words
    }

    /// The same sandbox with other limits. What the self-test showed does not depend on them.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, ..self.clone() }
    }

    /// What keeps programs in their place.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Version of the Python that runs programs, such as `3.11.7`.
    #[must_use]
    pub fn python_version(&self) -> &str {
        &self.python.version
    }

    /// The interpreter's own file.
    pub(crate) fn python(&self) -> &Python {
        &self.python
    }

    /// What a manifest records.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description {
            backend: self.backend.name().into(),
            bubblewrap: self.bubblewrap.as_ref().map(|b| b.version.clone()),
            landlock_abi: self.rules.as_ref().and_then(|_| system::landlock_abi()),
            seccomp: self.filter.is_some(),
            python: self.python.version.clone(),
            wall_seconds: self.limits.wall.as_secs_f64(),
            cpu_seconds: self.limits.cpu_seconds(),
            memory_bytes: self.limits.memory_bytes,
            file_bytes: self.limits.file_bytes,
            instead_of_bubblewrap: self.instead.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_that_does_not_hold_is_refused_and_says_what_got_out() {
        let broken = Sandbox::open(Some(Backend::None), Limits::default()).unwrap();
        let error = broken.must_hold().unwrap_err().to_string();
        assert!(
            error.starts_with("the none sandbox does not hold here, so it is not used. Not contained: read a canary (")
        );
        for escape in ["open a socket (TCP)", "fork without end (64 processes)", "write 1 GB (many files in "] {
            assert!(error.contains(escape), "{error}");
        }
    }
}
