//! The system call filter of both sandboxes: a list of what Python needs, everything else is refused.

use crate::{Backend, SandboxError};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Calls that are allowed whatever their arguments. What is not here fails with EPERM: processes and threads, sockets,
/// signals to anybody, every change of a file or its name, mounts and namespaces, tracing and other processes' memory,
/// memory outside the limit of address space (memfd, shared segments), keys, io_uring, userfaultfd, perf, bpf.
const ALLOWED: &[libc::c_long] = &[
    // Files that are open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fadvise64,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    // What files there are; the sandbox decides which.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_umask,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Itself.
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getrusage,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // The machine, time and chance.
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getcpu,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_getrandom,
];

/// Older calls that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[libc::c_long] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getdents,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_arch_prctl,
    libc::SYS_time,
    libc::SYS_alarm,
    libc::SYS_pause,
    libc::SYS_getpgrp,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[libc::c_long] = &[];

/// Calls that open a file, and which argument says how.
#[cfg(target_arch = "x86_64")]
const OPENING: &[(libc::c_long, u8)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENING: &[(libc::c_long, u8)] = &[(libc::SYS_openat, 2)];

/// How a file may not be opened.
const WRITING: libc::c_int = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;

/// Questions and settings of a descriptor itself (no terminal input, no device control).
const CONTROLS: &[u64] =
    &[libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::FIONBIO, libc::FIOCLEX, libc::FIONCLEX];

/// Commands of `fcntl`: no signals, no leases, no larger pipes.
const FCNTL: &[libc::c_int] =
    &[libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];

/// Compiles the filter.
///
/// # Errors
///
/// No filter can be made for this processor.
pub(crate) fn filter(backend: Backend) -> Result<BpfProgram, SandboxError> {
    let unusable = |e: seccompiler::BackendError| SandboxError::Unusable {
        backend,
        why: format!("no system call filter can be made ({e})"),
    };
    let rules = rules().map_err(unusable)?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let processor = TargetArch::try_from(std::env::consts::ARCH).map_err(unusable)?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, processor).and_then(BpfProgram::try_from).map_err(unusable)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    for (call, argument) in OPENING {
        rules.insert(*call, vec![only(*argument, SeccompCmpOp::MaskedEq(WRITING.unsigned_abs().into()), 0)?]);
    }
    let ioctl = CONTROLS.iter().map(|c| only(1, SeccompCmpOp::Eq, *c)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, ioctl);
    let fcntl = FCNTL.iter().map(|c| only(1, SeccompCmpOp::Eq, c.unsigned_abs().into())).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_fcntl, fcntl);
    // Its own limits: they can be read and lowered.
    rules.insert(libc::SYS_prlimit64, vec![only(0, SeccompCmpOp::Eq, 0)?]);
    Ok(rules)
}

/// A rule on one argument.
fn only(argument: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?])
}

/// The filter in the form that `bwrap --seccomp` reads: instructions as the kernel has them in memory.
pub(crate) fn bytes(filter: &BpfProgram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(filter.len() * 8);
    for instruction in filter {
        bytes.extend_from_slice(&instruction.code.to_ne_bytes());
        bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
        bytes.extend_from_slice(&instruction.k.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code)]

    use super::*;

    const REFUSED: &[(&str, libc::c_long)] = &[
        ("ptrace", libc::SYS_ptrace),
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("bpf", libc::SYS_bpf),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("unshare", libc::SYS_unshare),
        ("setns", libc::SYS_setns),
        ("clone", libc::SYS_clone),
        ("clone3", libc::SYS_clone3),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("memfd_create", libc::SYS_memfd_create),
        ("socket", libc::SYS_socket),
        ("socketpair", libc::SYS_socketpair),
        ("kill", libc::SYS_kill),
        ("tgkill", libc::SYS_tgkill),
        ("pidfd_open", libc::SYS_pidfd_open),
        ("setsid", libc::SYS_setsid),
        ("setpgid", libc::SYS_setpgid),
        ("prctl", libc::SYS_prctl),
        ("seccomp", libc::SYS_seccomp),
        ("chroot", libc::SYS_chroot),
        ("pivot_root", libc::SYS_pivot_root),
        ("openat2", libc::SYS_openat2),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("init_module", libc::SYS_init_module),
        ("kexec_load", libc::SYS_kexec_load),
        ("reboot", libc::SYS_reboot),
        ("swapon", libc::SYS_swapon),
        ("shmget", libc::SYS_shmget),
        ("msgget", libc::SYS_msgget),
        ("mq_open", libc::SYS_mq_open),
        ("truncate", libc::SYS_truncate),
        ("renameat2", libc::SYS_renameat2),
        ("unlinkat", libc::SYS_unlinkat),
        ("linkat", libc::SYS_linkat),
        ("symlinkat", libc::SYS_symlinkat),
        ("mkdirat", libc::SYS_mkdirat),
        ("mknodat", libc::SYS_mknodat),
        ("fchmodat", libc::SYS_fchmodat),
        ("fchownat", libc::SYS_fchownat),
        ("setuid", libc::SYS_setuid),
        ("capset", libc::SYS_capset),
        ("inotify_init1", libc::SYS_inotify_init1),
        ("fanotify_init", libc::SYS_fanotify_init),
        ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset),
        ("execveat", libc::SYS_execveat),
    ];

    /// A filter is the thread's own, so a thread can try it.
    #[test]
    fn what_is_not_needed_is_refused() {
        let filter = filter(Backend::Landlock).unwrap();
        let tried = std::thread::spawn(move || {
            // SAFETY: no memory is involved. The number is valid, or the call fails.
            let call = |number| unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) };
            let before = call(libc::SYS_getpid);
            seccompiler::apply_filter(&filter).unwrap();
            let refused =
                |number| call(number) == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM);
            let allowed: Vec<_> =
                REFUSED.iter().filter(|(_, number)| !refused(*number)).map(|(name, _)| *name).collect();
            (before == call(libc::SYS_getpid), allowed)
        });
        assert_eq!(tried.join().unwrap(), (true, Vec::new()));
    }

    #[test]
    fn files_are_opened_for_reading_only() {
        let filter = filter(Backend::Landlock).unwrap();
        let tried = std::thread::spawn(move || {
            seccompiler::apply_filter(&filter).unwrap();
            let flags =
                [0, libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC, libc::O_APPEND, libc::O_TMPFILE];
            // SAFETY: the path is a string that ends in a zero byte. A descriptor that is opened ends with the process.
            flags.map(|flags| unsafe { libc::open(c"/dev/null".as_ptr(), flags, 0) } >= 0)
        });
        assert_eq!(tried.join().unwrap(), [true, false, false, false, false, false, false]);
    }
}
