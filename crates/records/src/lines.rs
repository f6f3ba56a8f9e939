//! The lines of a file that may have been cut short.

/// What a crash left of a file of lines, cut behind its last whole line.
pub fn whole_lines(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1)]
}

/// The whole lines of a file with their numbers (from 1), without what a crash left between them.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = whole_lines(bytes).split_inclusive(|&b| b == b'\n');
    (1..).zip(lines).filter_map(|(number, line)| Some((number, content(line)?)))
}

/// The content of a line. No record holds a zero byte: a crash fills with them what did not reach the disk, and what
/// stands before them is half a line. Nothing if that is all there is.
pub(crate) fn content(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match line.iter().rposition(|&b| b == 0) {
        None => Some(line),
        Some(last) if last + 1 == line.len() => None,
        Some(last) => Some(&line[last + 1..]),
    }
}
