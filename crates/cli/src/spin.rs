//! How long libtorch's threads spin while they wait for each other.
//!
//! A thread of libgomp that has nothing to do spins for milliseconds before it sleeps. Where other programs use the same
//! processors, it spins away the very time the thread it waits for needs. How long it spins is read from the environment
//! when libgomp is loaded, before `main` and before any code of ours, except for what the program itself wants to have run
//! before the libraries' initialisers: that starts the program once more, with the same process id, arguments and files,
//! and a short spin in its environment.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::ffi::{CStr, c_char, c_int};

/// The spin, in turns of a loop that takes a few nanoseconds: long enough for what a pass does between two operations,
/// short enough to be nothing beside a time slice. `benches/beside_others.py` measures it.
const BOUNDED: &CStr = c"GOMP_SPINCOUNT=3000";
/// What says how to wait. Whoever has chosen keeps it.
const CHOICES: [&[u8]; 2] = [b"GOMP_SPINCOUNT=", b"OMP_WAIT_POLICY="];
/// Room for the path of this program.
const PATH: usize = 4096;

type Strings = *const *const c_char;

// SAFETY: the section holds pointers to functions, which the dynamic linker calls with argc, argv and envp.
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = ".preinit_array")]
static BEFORE_LIBRARIES: extern "C" fn(c_int, Strings, Strings) = start_again;

/// Starts this program again, unless the spin is chosen already. If that fails, the program goes on as it is.
extern "C" fn start_again(_count: c_int, arguments: Strings, environment: Strings) {
    // SAFETY: argv and envp as the dynamic linker hands them on: arrays of C strings that end in a null pointer and live as
    // long as the process. There is one thread. `path` is larger than what is written and was zero, so it ends in a NUL.
    #[allow(unsafe_code)]
    unsafe {
        let mut entries: Vec<*const c_char> =
            (0..).map(|i| *environment.add(i)).take_while(|entry| !entry.is_null()).collect();
        if entries.iter().any(|entry| is_choice(CStr::from_ptr(*entry).to_bytes())) {
            return;
        }
        entries.extend([BOUNDED.as_ptr(), std::ptr::null()]);
        let mut path = [0u8; PATH];
        let length = libc::readlink(c"/proc/self/exe".as_ptr(), path.as_mut_ptr().cast(), PATH - 1);
        if length > 0 && is_program(&path[..length as usize]) {
            libc::execve(path.as_ptr().cast(), arguments, entries.as_ptr());
        }
    }
}

fn is_choice(entry: &[u8]) -> bool {
    CHOICES.iter().any(|name| entry.starts_with(name))
}

/// Whether a path is this program's and not that of the dynamic linker, which was asked to run it.
fn is_program(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    !name.windows(3).any(|part| part == b".so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_the_user_is_left_alone() {
        assert!(is_choice(b"OMP_WAIT_POLICY=active") && is_choice(b"GOMP_SPINCOUNT=0"));
        assert!(!is_choice(b"OMP_NUM_THREADS=2") && !is_choice(b"MY_GOMP_SPINCOUNT=1"));
    }

    #[test]
    fn the_dynamic_linker_is_not_started_again() {
        assert!(is_program(b"/opt/mosa/bin/mosa") && is_program(b"/srv/a.sock/mosa"));
        assert!(!is_program(b"/lib64/ld-linux-x86-64.so.2"));
    }

    #[test]
    fn a_program_has_a_bounded_spin_before_its_first_line() {
        let chosen = std::env::vars_os().any(|(name, _)| name == "GOMP_SPINCOUNT" || name == "OMP_WAIT_POLICY");
        assert!(chosen, "this test program is started like mosa itself");
    }
}
