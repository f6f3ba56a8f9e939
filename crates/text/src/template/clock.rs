//! The local time as a template writes it.

use std::ffi::{CStr, CString};

/// The most bytes a date is written in.
const LONGEST: usize = 4096;

/// The local time in the words of `format`, as Python's `datetime.now().strftime(format)` gives it. The reason if the
/// format is not one.
#[cfg(unix)]
pub(super) fn now(format: &str) -> Result<String, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = libc::time_t::try_from(now.as_secs()).map_err(|_| "the clock is past the end of time".to_owned())?;
    // A byte in front tells an empty date from one that does not fit.
    let format = CString::new(format!("x{}", python_fields(format, now.subsec_micros())))
        .map_err(|_| "strftime_now: the format holds a zero byte".to_owned())?;
    let mut buffer = [0_u8; LONGEST];
    // SAFETY: all-zero bytes are a valid `tm` (integers and a pointer that may be null); localtime_r and strftime write
    // into what we own, no more than they are told, and strftime ends what it wrote with a zero byte.
    #[allow(unsafe_code)]
    let written = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&raw const seconds, &raw mut local).is_null() {
            return Err("strftime_now: the local time is not known".into());
        }
        libc::strftime(buffer.as_mut_ptr().cast(), LONGEST, format.as_ptr(), &raw const local)
    };
    if written == 0 {
        return Err(format!("strftime_now: the date is longer than {LONGEST} bytes"));
    }
    let text = CStr::from_bytes_until_nul(&buffer).map(CStr::to_string_lossy).unwrap_or_default();
    Ok(text.chars().skip(1).collect())
}

/// Dates need the C library's calendar.
#[cfg(not(unix))]
pub(super) fn now(_format: &str) -> Result<String, String> {
    Err("strftime_now is not available on this system".into())
}

/// The three fields Python fills in itself: microseconds, and a time zone, which `now()` does not have.
fn python_fields(format: &str, micros: u32) -> String {
    let mut out = String::with_capacity(format.len());
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        match (c, c == '%') {
            (_, false) => out.push(c),
            _ => match rest.next() {
                Some('f') => out.push_str(&format!("{micros:06}")),
                Some('z' | 'Z') => {}
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            },
        }
    }
    out
}
