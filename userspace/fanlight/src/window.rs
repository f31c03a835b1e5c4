// SPDX-License-Identifier: MIT OR Apache-2.0
//! One window: a device node, and its mapping.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::{Bound, RangeBounds};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use crate::access::{Map, MapMut};
use crate::access_error::{AccessError, WindowName};
use crate::diagnose;
use crate::error::{Error, Result};
use crate::info::{Cache, Info};
use crate::sys::{self, Memory, Place, Rules};

/// An open window.
///
/// ```no_run
/// use fanlight::Window;
///
/// let window = Window::open("/dev/fanlight0/sram")?;
/// let first: u32 = window.map()?.read(0)?;
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Debug)]
pub struct Window {
    file: File,
    path: PathBuf,
}

impl Window {
    /// Opens a node for reading, and also for writing if that is allowed.
    ///
    /// # Errors
    ///
    /// There is no such node, or it may not be opened; the error names the remedy.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                Self::open_read_only(path)
            }
            Err(error) => Err(diagnose::explain(&path, error)),
        }
    }

    /// Opens a node for reading only.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(diagnose::explain(&path, error)),
        }
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The driver's description of the window.
    ///
    /// # Errors
    ///
    /// The node is not one of fanlight's, or the device is gone.
    pub fn info(&self) -> Result<Info> {
        match sys::ioctl::info(self.file.as_fd()) {
            Ok(raw) => Ok(Info::from_abi(&raw)),
            Err(rustix::io::Errno::NOTTY) => Err(Error::WrongKind {
                path: self.path.clone(),
                wanted: "a window of fanlight",
            }),
            Err(error) => Err(Error::io(format!("query {}", self.path.display()), error)),
        }
    }

    /// Maps all of it for reading.
    ///
    /// # Errors
    ///
    /// The window may not be mapped, or is gone.
    pub fn map(&self) -> Result<Map> {
        Ok(Map {
            memory: self.memory(false)?,
        })
    }

    /// Maps all of it for reading and writing.
    ///
    /// # Errors
    ///
    /// The window may not be mapped for writing, or is gone.
    pub fn map_mut(&self) -> Result<MapMut> {
        Ok(MapMut::new(self.memory(true)?))
    }

    /// Maps a part of the window for reading. Offsets of the map count from the start of the range,
    /// which need not begin or end at a page boundary.
    ///
    /// # Errors
    ///
    /// As for [`map`](Self::map), or the range is beyond the end of the window, empty, or does not
    /// begin at a multiple of four.
    ///
    /// ```no_run
    /// # let window = fanlight::Window::open("/dev/fanlight0/sram")?;
    /// let map = window.map_range(0x1204..)?;
    /// // At 0x1208 of the window.
    /// let status: u32 = map.read(4)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn map_range(&self, range: impl RangeBounds<u64>) -> Result<Map> {
        Ok(Map {
            memory: self.memory_of(&range, false)?,
        })
    }

    /// Maps a part of the window for reading and writing, like [`map_range`](Self::map_range).
    ///
    /// # Errors
    ///
    /// As for [`map_range`](Self::map_range), or the window may not be mapped for writing.
    pub fn map_range_mut(&self, range: impl RangeBounds<u64>) -> Result<MapMut> {
        Ok(MapMut::new(self.memory_of(&range, true)?))
    }

    pub(crate) fn memory(&self, writable: bool) -> Result<Memory> {
        self.memory_of(&(..), writable)
    }

    fn memory_of(&self, range: &impl RangeBounds<u64>, writable: bool) -> Result<Memory> {
        let info = self.info()?;
        let (first, len) = part(range, info.size).map_err(|error| self.range_error(error))?;
        let rules = match info.reg_io_width {
            Some(width) => Rules::Width(width as usize),
            None => match info.cache {
                Cache::NonCached => Rules::Ordered,
                Cache::Cached => Rules::Cached,
                _ => Rules::Uncached,
            },
        };
        let part = Part {
            offset: info.offset.into(),
            first,
            len,
        };
        map(&self.file, &self.path, part, writable, rules)
    }

    fn range_error(&self, error: PartError) -> Error {
        let mode = |what| Error::Mode {
            path: self.path.clone(),
            what,
        };
        match error {
            PartError::Access(error) => Error::access(&self.path, error),
            PartError::Empty(_, 0) => mode("0 bytes cannot be mapped".into()),
            PartError::Empty(first, end) => {
                mode(format!("the range from {first:#x} to {end:#x} is empty"))
            }
            PartError::TooLarge(len) => mode(format!(
                "{len:#x} bytes are more than this program can map: map a range"
            )),
        }
    }

    /// The memory of a plain file, for reading.
    pub(crate) fn file_memory(&self) -> Result<Memory> {
        let failed = |error| Error::io(format!("query {}", self.path.display()), error);
        let size = self.file.metadata().map_err(failed)?.len();
        let (first, len) = part(&(..), size).map_err(|error| self.range_error(error))?;
        let part = Part {
            offset: 0,
            first,
            len,
        };
        map(&self.file, &self.path, part, false, Rules::Cached)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// Why a part of a window cannot be mapped.
#[derive(Debug, PartialEq, Eq)]
enum PartError {
    Access(AccessError),
    /// With its bounds.
    Empty(u64, u64),
    TooLarge(u64),
}

/// The start of a range in `size` bytes, and its length.
fn part(range: &impl RangeBounds<u64>, size: u64) -> std::result::Result<(u64, usize), PartError> {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => size.max(first),
    };
    let count = end.saturating_sub(first);
    if first > size || end > size {
        return Err(PartError::Access(AccessError::OutOfBounds {
            offset: first,
            count,
            size,
        }));
    }
    if count == 0 {
        return Err(PartError::Empty(first, end));
    }
    if first % 4 != 0 {
        return Err(PartError::Access(AccessError::Misaligned {
            offset: first,
            width: 4,
        }));
    }
    match isize::try_from(count) {
        Ok(len) => Ok((first, len.unsigned_abs())),
        Err(_) => Err(PartError::TooLarge(count)),
    }
}

/// A part of a window. Its first byte is at `offset` of a mapping of the whole window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) offset: u64,
    pub(crate) first: u64,
    pub(crate) len: usize,
}

impl Part {
    /// A mapping begins at a page boundary.
    fn place(self) -> Place {
        let at = self.offset + self.first;
        let lead = at % rustix::param::page_size() as u64;
        Place {
            offset: at - lead,
            // Less than a page.
            lead: lead as usize,
            first: self.first,
        }
    }
}

/// Maps a part of a window.
pub(crate) fn map(
    file: &File,
    path: &Path,
    part: Part,
    writable: bool,
    rules: Rules,
) -> Result<Memory> {
    let mode = |what: &str| Error::Mode {
        path: path.into(),
        what: what.into(),
    };
    if part.offset % 4 != 0 {
        return Err(mode(
            "its first byte is not aligned to a word, so it can only be read and written",
        ));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = WindowName::new(&name);
    let explain = |error: rustix::io::Errno| match diagnose::explain(path, error.into()) {
        _ if error == rustix::io::Errno::OPNOTSUPP => mode(
            "it is not whole pages, so it can only be read and written \
             (fanlight,map-whole-pages in its device-tree node allows mappings)",
        ),
        Error::Io { source, .. } => Error::io(format!("map {}", path.display()), source),
        other => other,
    };
    Memory::map(file.as_fd(), name, part.len, writable, rules, part.place()).map_err(explain)
}

/// For `poll` and for asynchronous runtimes.
impl AsFd for Window {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// For interfaces that need the number.
impl AsRawFd for Window {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl From<Window> for OwnedFd {
    fn from(window: Window) -> Self {
        window.file.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_range_is_inside_and_says_what_is_not() {
        let out_of_bounds = |offset, count| {
            Err(PartError::Access(AccessError::OutOfBounds {
                offset,
                count,
                size: 0x2000,
            }))
        };
        let misaligned = Err(PartError::Access(AccessError::Misaligned {
            offset: 0x1002,
            width: 4,
        }));
        assert_eq!(part(&(..), 0x2000), Ok((0, 0x2000)));
        assert_eq!(part(&(0x1004..), 0x2000), Ok((0x1004, 0xffc)));
        assert_eq!(part(&(4..=7), 0x2000), Ok((4, 4)));
        assert_eq!(part(&(..1), 0x2000), Ok((0, 1)));
        assert_eq!(part(&(0x1ffc..0x2004), 0x2000), out_of_bounds(0x1ffc, 8));
        assert_eq!(part(&(0x2004..), 0x2000), out_of_bounds(0x2004, 0));
        assert_eq!(part(&(..=u64::MAX), 0x2000), out_of_bounds(0, u64::MAX));
        assert_eq!(part(&(0x1002..), 0x2000), misaligned);
        assert_eq!(
            part(&(0x2000..), 0x2000),
            Err(PartError::Empty(0x2000, 0x2000))
        );
        #[expect(clippy::reversed_empty_ranges, reason = "a mistake of the caller's")]
        let reversed = 8..4;
        assert_eq!(part(&reversed, 0x2000), Err(PartError::Empty(8, 4)));
        assert_eq!(part(&(..), u64::MAX), Err(PartError::TooLarge(u64::MAX)));
    }

    #[test]
    fn window_range_is_mapped_from_the_page_that_it_begins_in() {
        let page = rustix::param::page_size();
        let place = |offset, first| {
            let place = Part {
                offset,
                first,
                len: 4,
            }
            .place();
            (place.offset, place.lead, place.first)
        };
        let page64 = page as u64;
        assert_eq!(place(0, 0), (0, 0, 0));
        assert_eq!(place(0, page64 + 8), (page64, 8, page64 + 8));
        // The window begins at 0x204 of its first page.
        assert_eq!(place(0x204, 0), (0, 0x204, 0));
        assert_eq!(place(0x204, page64 - 0x200), (page64, 4, page64 - 0x200));
    }
}
