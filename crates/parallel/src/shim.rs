//! The C functions of `shim/c10d.cpp`, with what they return made into Rust's.

#![allow(unsafe_code)]

#[cfg(not(c10d))]
pub(crate) use absent::{RawGloo, RawStore, quiet};
#[cfg(c10d)]
pub(crate) use real::{RawGloo, RawStore, quiet};

/// What was missing when this was built without the shim.
pub(crate) const LACKS: Option<&str> = option_env!("MOSA_C10D_LACKS");

/// Stands for the shim where there is none: nothing of it can be made.
#[cfg(not(c10d))]
mod absent {
    use std::convert::Infallible;
    use std::ffi::{c_int, c_void};

    #[derive(Debug)]
    pub(crate) struct RawStore(Infallible);

    #[derive(Debug)]
    pub(crate) struct RawGloo(Infallible);

    pub(crate) fn quiet() {}

    fn none<T>() -> Result<T, String> {
        Err(super::LACKS.unwrap_or_default().into())
    }

    impl RawStore {
        pub(crate) fn tcp(_host: &str, _port: u16, _serves: bool, _timeout: i64) -> Result<Self, String> {
            none()
        }

        pub(crate) fn file(_path: &str, _ranks: c_int, _timeout: i64) -> Result<Self, String> {
            none()
        }

        pub(crate) fn below(&self, _prefix: &str) -> Result<Self, String> {
            match self.0 {}
        }

        pub(crate) fn another(&self) -> Result<Self, String> {
            match self.0 {}
        }

        pub(crate) fn set(&self, _key: &str, _value: &[u8]) -> Result<(), String> {
            match self.0 {}
        }

        pub(crate) fn claim(&self, _key: &str, _value: &[u8]) -> Result<Vec<u8>, String> {
            match self.0 {}
        }

        pub(crate) fn get(&self, _key: &str) -> Result<Vec<u8>, String> {
            match self.0 {}
        }

        pub(crate) fn has(&self, _key: &str) -> Result<bool, String> {
            match self.0 {}
        }
    }

    impl RawGloo {
        pub(crate) fn new(
            _store: &RawStore,
            _place: [usize; 2],
            _timeout: i64,
            _address: [&str; 2],
        ) -> Result<Self, String> {
            none()
        }

        pub(crate) unsafe fn all_to_all(
            &self,
            _from: (*const c_void, &[i64]),
            _to: (*mut c_void, &[i64]),
        ) -> Result<(), String> {
            match self.0 {}
        }

        pub(crate) unsafe fn all_gather(
            &self,
            _from: *const c_void,
            _n: usize,
            _to: *mut c_void,
        ) -> Result<(), String> {
            match self.0 {}
        }

        pub(crate) unsafe fn broadcast(&self, _data: *mut c_void, _n: usize, _root: usize) -> Result<(), String> {
            match self.0 {}
        }
    }
}

#[cfg(c10d)]
mod real {
    use std::ffi::{CStr, CString, c_char, c_int, c_void};
    use std::ptr::null_mut;

    type Text = *mut *mut c_char;

    unsafe extern "C" {
        fn mosa_quiet();
        fn mosa_free(memory: *mut c_void);
        fn mosa_store_tcp(
            host: *const c_char,
            port: u16,
            serves: c_int,
            timeout: i64,
            out: *mut *mut c_void,
            e: Text,
        ) -> c_int;
        fn mosa_store_file(path: *const c_char, ranks: c_int, timeout: i64, out: *mut *mut c_void, e: Text) -> c_int;
        fn mosa_store_prefix(prefix: *const c_char, store: *const c_void, out: *mut *mut c_void, e: Text) -> c_int;
        fn mosa_store_clone(store: *const c_void, out: *mut *mut c_void, e: Text) -> c_int;
        fn mosa_store_drop(store: *mut c_void);
        fn mosa_store_set(store: *const c_void, key: *const c_char, value: *const u8, n: usize, e: Text) -> c_int;
        fn mosa_store_claim(
            store: *const c_void,
            key: *const c_char,
            value: *const u8,
            n: usize,
            out: *mut *mut u8,
            length: *mut usize,
            e: Text,
        ) -> c_int;
        fn mosa_store_get(
            store: *const c_void,
            key: *const c_char,
            out: *mut *mut u8,
            length: *mut usize,
            e: Text,
        ) -> c_int;
        fn mosa_store_has(store: *const c_void, key: *const c_char, out: *mut c_int, e: Text) -> c_int;
        fn mosa_gloo(
            store: *const c_void,
            rank: c_int,
            size: c_int,
            timeout: i64,
            host: *const c_char,
            interface: *const c_char,
            out: *mut *mut c_void,
            e: Text,
        ) -> c_int;
        fn mosa_gloo_drop(group: *mut c_void);
        fn mosa_gloo_all_to_all(
            group: *mut c_void,
            from: *const c_void,
            sent: *const i64,
            to: *mut c_void,
            received: *const i64,
            size: c_int,
            e: Text,
        ) -> c_int;
        fn mosa_gloo_all_gather(
            group: *mut c_void,
            from: *const c_void,
            n: i64,
            to: *mut c_void,
            size: c_int,
            e: Text,
        ) -> c_int;
        fn mosa_gloo_broadcast(group: *mut c_void, data: *mut c_void, n: i64, root: c_int, e: Text) -> c_int;
    }

    /// Calls a function that reports by 0, or -1 and a text.
    fn call(work: impl FnOnce(Text) -> c_int) -> Result<(), String> {
        let mut text: *mut c_char = null_mut();
        if work(&mut text) == 0 {
            return Ok(());
        }
        if text.is_null() {
            return Err("memory ran out".into());
        }
        // SAFETY: the shim made the text with malloc and ended it with a zero; it is freed once, here.
        let said = unsafe {
            let said = CStr::from_ptr(text).to_string_lossy().into_owned();
            mosa_free(text.cast());
            said
        };
        // What follows the first line is a stack, and what stands before it in brackets is a place in a source of others.
        let first = said.lines().next().unwrap_or("").trim();
        let plain = first.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(first, |(_, text)| text);
        Err(plain.to_owned())
    }

    fn c(text: &str) -> Result<CString, String> {
        CString::new(text).map_err(|_| format!("{text:?} holds a zero byte"))
    }

    /// The bytes that a function of the shim made.
    fn bytes(work: impl FnOnce(*mut *mut u8, *mut usize, Text) -> c_int) -> Result<Vec<u8>, String> {
        let (mut data, mut n): (*mut u8, usize) = (null_mut(), 0);
        call(|e| work(&mut data, &mut n, e))?;
        // SAFETY: the call has succeeded, so `data` holds `n` bytes from malloc; it is freed once, here.
        unsafe {
            let all = std::slice::from_raw_parts(data, n).to_vec();
            mosa_free(data.cast());
            Ok(all)
        }
    }

    /// A store of c10d.
    #[derive(Debug)]
    pub(crate) struct RawStore(*mut c_void);

    // SAFETY: stores of c10d lock what they hold, and may be used and dropped on any thread.
    unsafe impl Send for RawStore {}
    // SAFETY: as above: one call at a time has the connection.
    unsafe impl Sync for RawStore {}

    /// Keeps c10d from writing to stderr what its errors say as well, each with a stack; `TORCH_CPP_LOG_LEVEL` stands above it.
    pub(crate) fn quiet() {
        if std::env::var_os("TORCH_CPP_LOG_LEVEL").is_none() {
            // SAFETY: sets a number; called before threads of c10d are started.
            unsafe { mosa_quiet() }
        }
    }

    impl RawStore {
        fn made(work: impl FnOnce(*mut *mut c_void, Text) -> c_int) -> Result<Self, String> {
            let mut out = null_mut();
            call(|e| work(&mut out, e))?;
            Ok(Self(out))
        }

        pub(crate) fn tcp(host: &str, port: u16, serves: bool, timeout: i64) -> Result<Self, String> {
            let host = c(host)?;
            // SAFETY: the pointers live for the call.
            Self::made(|out, e| unsafe { mosa_store_tcp(host.as_ptr(), port, c_int::from(serves), timeout, out, e) })
        }

        pub(crate) fn file(path: &str, ranks: c_int, timeout: i64) -> Result<Self, String> {
            let path = c(path)?;
            // SAFETY: the pointers live for the call.
            Self::made(|out, e| unsafe { mosa_store_file(path.as_ptr(), ranks, timeout, out, e) })
        }

        /// A view of it whose keys begin with `prefix`; it keeps the store alive.
        pub(crate) fn below(&self, prefix: &str) -> Result<Self, String> {
            let prefix = c(prefix)?;
            // SAFETY: the pointers live for the call, and `self.0` is a store.
            Self::made(|out, e| unsafe { mosa_store_prefix(prefix.as_ptr(), self.0, out, e) })
        }

        pub(crate) fn another(&self) -> Result<Self, String> {
            // SAFETY: `self.0` is a store.
            Self::made(|out, e| unsafe { mosa_store_clone(self.0, out, e) })
        }

        pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), String> {
            let key = c(key)?;
            // SAFETY: the pointers live for the call, and `self.0` is a store.
            call(|e| unsafe { mosa_store_set(self.0, key.as_ptr(), value.as_ptr(), value.len(), e) })
        }

        pub(crate) fn claim(&self, key: &str, value: &[u8]) -> Result<Vec<u8>, String> {
            let key = c(key)?;
            // SAFETY: the pointers live for the call, and `self.0` is a store.
            bytes(|out, n, e| unsafe { mosa_store_claim(self.0, key.as_ptr(), value.as_ptr(), value.len(), out, n, e) })
        }

        pub(crate) fn get(&self, key: &str) -> Result<Vec<u8>, String> {
            let key = c(key)?;
            // SAFETY: the pointers live for the call, and `self.0` is a store.
            bytes(|out, n, e| unsafe { mosa_store_get(self.0, key.as_ptr(), out, n, e) })
        }

        pub(crate) fn has(&self, key: &str) -> Result<bool, String> {
            let (key, mut there) = (c(key)?, 0);
            // SAFETY: the pointers live for the call, and `self.0` is a store.
            call(|e| unsafe { mosa_store_has(self.0, key.as_ptr(), &mut there, e) })?;
            Ok(there == 1)
        }
    }

    impl Drop for RawStore {
        fn drop(&mut self) {
            // SAFETY: a store that nobody uses any more.
            unsafe { mosa_store_drop(self.0) }
        }
    }

    /// A Gloo group of c10d.
    #[derive(Debug)]
    pub(crate) struct RawGloo {
        group: *mut c_void,
        size: usize,
    }

    impl RawGloo {
        pub(crate) fn new(
            store: &RawStore,
            [rank, size]: [usize; 2],
            timeout: i64,
            [host, interface]: [&str; 2],
        ) -> Result<Self, String> {
            let (host, interface, mut group) = (c(host)?, c(interface)?, null_mut());
            // SAFETY: the pointers live for the call, and `store.0` is a store.
            call(|e| unsafe {
                let (host, interface) = (host.as_ptr(), interface.as_ptr());
                mosa_gloo(store.0, rank as c_int, size as c_int, timeout, host, interface, &mut group, e)
            })?;
            Ok(Self { group, size })
        }

        /// Counts are bytes for and from each rank.
        ///
        /// # Safety
        /// `from` holds the sum of `sent` bytes and `to` the sum of `received`; there is a count for each rank.
        pub(crate) unsafe fn all_to_all(
            &self,
            (from, sent): (*const c_void, &[i64]),
            (to, received): (*mut c_void, &[i64]),
        ) -> Result<(), String> {
            let (sent, received, size) = (sent.as_ptr(), received.as_ptr(), self.size as c_int);
            // SAFETY: the caller's.
            call(|e| unsafe { mosa_gloo_all_to_all(self.group, from, sent, to, received, size, e) })
        }

        /// # Safety
        /// `from` holds `n` bytes and `to` as many for each rank.
        pub(crate) unsafe fn all_gather(&self, from: *const c_void, n: usize, to: *mut c_void) -> Result<(), String> {
            // SAFETY: the caller's.
            call(|e| unsafe { mosa_gloo_all_gather(self.group, from, n as i64, to, self.size as c_int, e) })
        }

        /// # Safety
        /// `data` holds `n` bytes.
        pub(crate) unsafe fn broadcast(&self, data: *mut c_void, n: usize, root: usize) -> Result<(), String> {
            // SAFETY: the caller's.
            call(|e| unsafe { mosa_gloo_broadcast(self.group, data, n as i64, root as c_int, e) })
        }
    }

    impl Drop for RawGloo {
        fn drop(&mut self) {
            // SAFETY: a group that nobody uses any more.
            unsafe { mosa_gloo_drop(self.group) }
        }
    }
}
