//! An archive library that opens no archive.
//!
//! tch reads `.npz` files with the crate of this name, which brings the C sources of zstd and bzip2 and several ciphers.
//! mosa reads no `.npz` file and gives libtorch to the build itself, so nothing of that is reached: what tch and the build
//! script of torch-sys call is here, and fails.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::PathBuf;

const ABSENT: &str = "this build reads and writes no zip archives";

/// Errors.
pub mod result {
    /// What every call ends with.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ZipError;

    impl std::fmt::Display for ZipError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(super::ABSENT)
        }
    }

    impl std::error::Error for ZipError {}
}

/// Settings of files to write.
pub mod write {
    /// None of them has an effect.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct FileOptions;

    impl FileOptions {
        /// Keeps nothing.
        #[must_use]
        pub fn compression_method(self, _method: super::CompressionMethod) -> Self {
            self
        }
    }
}

use result::ZipError;

/// How a file would be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionMethod {
    /// Not at all.
    Stored,
}

/// An archive to read: there is none.
#[derive(Debug)]
pub struct ZipArchive<R> {
    none: Infallible,
    reader: PhantomData<R>,
}

impl<R> ZipArchive<R> {
    /// Opens nothing.
    ///
    /// # Errors
    /// Always.
    pub fn new(_reader: R) -> Result<Self, ZipError> {
        Err(ZipError)
    }

    /// Files in it.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        match self.none {}
    }

    /// One of them.
    ///
    /// # Errors
    /// None: there is no archive to ask.
    pub fn by_index(&mut self, _index: usize) -> Result<ZipFile<'_>, ZipError> {
        match self.none {}
    }
}

/// A file of an archive: there is none.
#[derive(Debug)]
pub struct ZipFile<'a> {
    none: Infallible,
    archive: PhantomData<&'a ()>,
}

impl ZipFile<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        match self.none {}
    }

    /// Its name as a path.
    pub fn mangled_name(&self) -> PathBuf {
        match self.none {}
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        match self.none {}
    }
}

impl Read for ZipFile<'_> {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        match self.none {}
    }
}

/// An archive to write: it takes nothing.
#[derive(Debug)]
pub struct ZipWriter<W>(PhantomData<W>);

impl<W> ZipWriter<W> {
    /// Leaves `writer` as it is.
    pub fn new(_writer: W) -> Self {
        Self(PhantomData)
    }

    /// Begins nothing.
    ///
    /// # Errors
    /// Always.
    pub fn start_file(&mut self, _name: impl Into<String>, _options: write::FileOptions) -> Result<(), ZipError> {
        Err(ZipError)
    }
}

impl<W> Write for ZipWriter<W> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::Unsupported, ABSENT))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_opened_and_nothing_is_written() {
        assert_eq!(ZipArchive::new(io::empty()).expect_err("no archive").to_string(), ABSENT);
        let mut writer = ZipWriter::new(Vec::<u8>::new());
        let options = write::FileOptions.compression_method(CompressionMethod::Stored);
        assert_eq!(writer.start_file("a", options), Err(ZipError));
        assert_eq!(writer.write(b"a").expect_err("no archive").kind(), io::ErrorKind::Unsupported);
    }
}
