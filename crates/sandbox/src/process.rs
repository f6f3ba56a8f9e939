//! `Process`: a child that confines itself before it becomes a program.
//!
//! It is made as `posix_spawn` makes one (`CLONE_VM | CLONE_VFORK`), which itself has no place for what a child does. A
//! fork would copy the page tables of this process: 100 ms for each GB of a model.
#![allow(unsafe_code)]

use crate::child::{Confinement, Refused};
use std::ffi::{CString, OsString, c_char, c_int, c_void};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::ptr;

/// Bytes of a child's stack until it is a program.
const STACK: usize = 256 << 10;
/// One more than the last signal.
const SIGNALS: c_int = 65;

/// What is started, and how.
pub(crate) struct Start {
    /// An absolute path, then the arguments.
    words: Vec<CString>,
    environment: Vec<CString>,
    folder: CString,
    /// Standard input, output and error.
    streams: [RawFd; 3],
    confinement: Confinement,
}

impl Start {
    /// What `words` say (an absolute path and its arguments), in `folder`.
    pub(crate) fn new(
        words: impl IntoIterator<Item = OsString>,
        environment: &[(&str, &str)],
        folder: &Path,
        streams: [RawFd; 3],
        confinement: Confinement,
    ) -> io::Result<Self> {
        let text = |word: OsString| CString::new(word.into_vec()).map_err(io::Error::other);
        Ok(Self {
            words: words.into_iter().map(text).collect::<Result<_, _>>()?,
            environment: environment.iter().map(|(k, v)| text(format!("{k}={v}").into())).collect::<Result<_, _>>()?,
            folder: text(folder.into())?,
            streams,
            confinement,
        })
    }

    /// Starts it. Returns when it is a program, or could not become one.
    pub(crate) fn start(&self) -> io::Result<Process> {
        let list = |words: &[CString]| words.iter().map(|w| w.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
        let (words, environment) = (list(&self.words), list(&self.environment));
        let mut plan = Plan { start: self, words: &words, environment: &environment, refused: None };
        let mut stack = vec![0u128; STACK / 16];
        let _blocked = Blocked::all()?;
        // SAFETY: the stack ends at an aligned address of memory that lives until the call returns, as does `plan`.
        // With CLONE_VFORK this thread stands still until the child has its own memory or is gone, so nothing of theirs
        // is used twice at once; what the child does is `become_program`. All signals are blocked, so no handler of
        // this process runs in the child.
        let pid = unsafe {
            libc::clone(
                become_program,
                stack.as_mut_ptr_range().end.cast(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                (&raw mut plan).cast(),
            )
        };
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        let process = Process { pid, status: None };
        match plan.refused.take() {
            // Dropping the process waits for it.
            Some(Refused { step, error }) => Err(io::Error::new(error.kind(), format!("{step}: {error}"))),
            None => Ok(process),
        }
    }
}

/// What a child and its parent share until the child is a program.
struct Plan<'a> {
    start: &'a Start,
    words: &'a [*const c_char],
    environment: &'a [*const c_char],
    refused: Option<Refused>,
}

/// The child's main function.
extern "C" fn become_program(plan: *mut c_void) -> c_int {
    // SAFETY: the pointer is that of `Start::start`, whose thread does not run now.
    let plan = unsafe { &mut *plan.cast::<Plan<'_>>() };
    plan.refused = plan.run().err();
    // SAFETY: ends the child without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

impl Plan<'_> {
    /// Only system calls on data that was made before: the memory is the parent's.
    fn run(&self) -> Result<(), Refused> {
        let step = |step| move |error| Refused { step, error };
        default_signals();
        let start = self.start;
        for (target, fd) in (0..).zip(start.streams) {
            // SAFETY: no memory is involved.
            result(unsafe { libc::dup2(fd, target) }).map_err(step("standard streams"))?;
        }
        // SAFETY: the path ends in a zero byte.
        result(unsafe { libc::chdir(start.folder.as_ptr()) }).map_err(step("its folder"))?;
        start.confinement.enter()?;
        // SAFETY: both lists end in a null pointer; the strings they point to end in zero bytes and live in the parent.
        let done = unsafe { libc::execve(self.words[0], self.words.as_ptr(), self.environment.as_ptr()) };
        result(done).map_err(step("starting the program"))
    }
}

fn result(code: c_int) -> io::Result<()> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// No handler of the parent is left, and no signal blocked. Signals that cannot be handled give errors that do not
/// matter.
fn default_signals() {
    for signal in 1..SIGNALS {
        // SAFETY: handlers of the child are its own; the default is always valid.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an all-zero set is valid memory that `sigemptyset` fills; pointers are to the stack.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// All signals of this thread are blocked as long as this lives.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> io::Result<Self> {
        // SAFETY: all-zero sets are valid memory that the calls fill; pointers are to the stack.
        unsafe {
            let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) {
                0 => Ok(Self(before)),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one this thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// A child, and the process group it leads. Dropped, both are ended and waited for.
#[derive(Debug)]
pub(crate) struct Process {
    pid: libc::pid_t,
    status: Option<ExitStatus>,
}

impl Process {
    /// Whether the child has ended. It is not waited for, so its number stays its own.
    pub(crate) fn has_ended(&self) -> io::Result<bool> {
        if self.status.is_some() {
            return Ok(true);
        }
        // SAFETY: all-zero bytes are a valid value of this plain C structure.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: the pointer is to a value on the stack.
        result(unsafe { libc::waitid(libc::P_PID, self.pid.unsigned_abs(), &raw mut info, how) })?;
        // SAFETY: `waitid` filled the structure, or left it zero where nothing has ended.
        Ok(unsafe { info.si_pid() } != 0)
    }

    /// Ends the child and its group, and waits.
    pub(crate) fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        // SAFETY: no memory is involved. The child was not waited for, so its number is still its own. Its group may
        // not exist where it could not become a program; it has then ended by itself.
        unsafe { libc::kill(-self.pid, libc::SIGKILL) };
        let mut raw = 0;
        // SAFETY: the pointer is to a value on the stack.
        while let Err(error) = result(unsafe { libc::waitpid(self.pid, &raw mut raw, 0) }) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(*self.status.insert(ExitStatus::from_raw(raw)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where waiting fails, nobody is left to be told.
        let _ = self.end();
    }
}
