//! `Confinement`: what a child does to itself before it becomes a program.
#![allow(unsafe_code)]

use crate::Limits;
use seccompiler::BpfProgram;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Open files of a program.
const OPEN_FILES: u64 = 64;

/// What a child does to itself before it becomes a program.
pub(crate) struct Confinement {
    /// Limits of resources.
    pub(crate) limits: Limits,
    /// Descriptors the child keeps; all others above standard error are closed when it starts.
    pub(crate) keep: Vec<RawFd>,
    /// File rules, made by the parent.
    pub(crate) landlock: Option<Arc<OwnedFd>>,
    /// A system call filter, compiled by the parent.
    pub(crate) filter: Option<Arc<BpfProgram>>,
}

/// What a child could not do, and why.
pub(crate) struct Refused {
    pub(crate) step: &'static str,
    pub(crate) error: io::Error,
}

impl Confinement {
    /// Confines the calling process, which still has its parent's memory: only system calls on data that was made
    /// before; nothing is allocated and no lock taken (errors are made of `errno`).
    pub(crate) fn enter(&self) -> Result<(), Refused> {
        let step = |step| move |error| Refused { step, error };
        new_session().map_err(step("a session of its own"))?;
        die_with_parent().map_err(step("an end with its parent"))?;
        close_on_exec().map_err(step("open files"))?;
        self.keep.iter().try_for_each(|fd| inherit(*fd)).map_err(step("open files"))?;
        let limits = resources(&self.limits);
        limits.iter().try_for_each(|(what, soft, hard)| limit(*what, *soft, *hard)).map_err(step("limits"))?;
        if let Some(rules) = &self.landlock {
            give_up_privileges().map_err(step("giving up privileges"))?;
            restrict(rules.as_raw_fd()).map_err(step("Landlock"))?;
        }
        match &self.filter {
            Some(filter) => seccompiler::apply_filter(filter).map_err(seccomp_error).map_err(step("seccomp")),
            None => Ok(()),
        }
    }
}

/// Resource, soft and hard limit.
fn resources(limits: &Limits) -> [(libc::__rlimit_resource_t, u64, u64); 5] {
    let cpu = limits.cpu_seconds();
    [
        (libc::RLIMIT_CPU, cpu, cpu + 1),
        (libc::RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (libc::RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes),
        (libc::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (libc::RLIMIT_CORE, 0, 0),
    ]
}

fn seccomp_error(error: seccompiler::Error) -> io::Error {
    match error {
        seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e) => e,
        _ => io::Error::from_raw_os_error(libc::EINVAL),
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A session and a process group of its own, which can be killed as one.
fn new_session() -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(libc::c_long::from(unsafe { libc::setsid() }))
}

/// Ends when the thread that waits for it ends, also when that is killed.
fn die_with_parent() -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(libc::c_long::from(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }))
}

/// Marks every descriptor above standard error: whatever this process or its libraries left open stays with it.
fn close_on_exec() -> io::Result<()> {
    const CLOEXEC: libc::c_uint = 4;
    // SAFETY: no memory is involved; nothing is closed before the exec.
    if unsafe { libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOEXEC) } == 0 {
        return Ok(());
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a value on the stack.
    check(libc::c_long::from(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }))?;
    // Before Linux 5.11. A limit can be enormous where nothing is open.
    for fd in 3..libc::c_int::try_from(limit.rlim_cur.min(1 << 20)).unwrap_or(libc::c_int::MAX) {
        // SAFETY: no memory is involved. Numbers that are not open give an error that does not matter.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn inherit(fd: RawFd) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(libc::c_long::from(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }))
}

fn limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a value on the stack.
    check(libc::c_long::from(unsafe { libc::getrlimit(resource, &raw mut now) }))?;
    // What is lower already stays.
    let new = libc::rlimit { rlim_cur: soft.min(now.rlim_max), rlim_max: hard.min(now.rlim_max) };
    // SAFETY: likewise.
    check(libc::c_long::from(unsafe { libc::setrlimit(resource, &raw const new) }))
}

/// No capability is kept, and none is gained by an exec.
fn give_up_privileges() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [[0u32; 3]; 2];
    // SAFETY: no memory is involved.
    check(libc::c_long::from(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }))?;
    // SAFETY: the pointers are to values on the stack, of the layout that version 3 asks for: effective, permitted and
    // inheritable, twice.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const none) })
}

fn restrict(rules: RawFd) -> io::Result<()> {
    // SAFETY: no memory is involved; the descriptor was made by the parent and is open.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0u32) })
}
