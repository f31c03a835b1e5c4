// SPDX-License-Identifier: MIT OR Apache-2.0
//! One window: a device node, and its mapping.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::access::{Map, MapMut, WindowName};
use crate::diagnose;
use crate::error::{Error, Result};
use crate::info::{Cache, Info};
use crate::sys::{self, Memory, Rules};

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
    /// Opens a node, for reading, and for writing too where that is allowed.
    ///
    /// # Errors
    ///
    /// There is no such node, or it may not be opened; the error says what to do.
    ///
    /// ```no_run
    /// let window = fanlight::Window::open("/dev/fanlight0/sram")?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
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
    ///
    /// ```no_run
    /// let window = fanlight::Window::open_read_only("/dev/fanlight0/sram")?;
    /// assert!(window.map_mut().is_err());
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(diagnose::explain(&path, error)),
        }
    }

    /// Its node.
    ///
    /// ```no_run
    /// # let window = fanlight::Window::open("/dev/fanlight0/sram")?;
    /// assert!(window.path().ends_with("sram"));
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the driver tells of it.
    ///
    /// # Errors
    ///
    /// The node is not one of fanlight's, or the device is gone.
    ///
    /// ```no_run
    /// # let window = fanlight::Window::open("/dev/fanlight0/sram")?;
    /// println!("{} bytes", window.info()?.size);
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn info(&self) -> Result<Info> {
        match sys::ioctl::info(self.file.as_fd()) {
            Ok(raw) => Ok(Info::from_abi(&raw)),
            Err(rustix::io::Errno::NOTTY) => Err(Error::WrongKind {
                path: self.path.clone(),
                wanted: "a window of fanlight",
            }),
            Err(error) => Err(Error::io(
                format!("ask about {}", self.path.display()),
                error,
            )),
        }
    }

    /// Maps all of it for reading.
    ///
    /// # Errors
    ///
    /// The window may not be mapped, or is gone.
    ///
    /// ```no_run
    /// # let window = fanlight::Window::open("/dev/fanlight0/sram")?;
    /// let map = window.map()?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
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
    ///
    /// ```no_run
    /// # let window = fanlight::Window::open("/dev/fanlight0/sram")?;
    /// window.map_mut()?.write(0, 0xffu8)?;
    /// # Ok::<(), fanlight::Error>(())
    /// ```
    pub fn map_mut(&self) -> Result<MapMut> {
        Ok(MapMut::new(self.memory(true)?))
    }

    pub(crate) fn memory(&self, writable: bool) -> Result<Memory> {
        let info = self.info()?;
        let Some(len) = usize::try_from(info.size).ok().filter(|len| *len > 0) else {
            return Err(Error::Mode {
                path: self.path.clone(),
                what: format!("{} bytes cannot be mapped", info.size),
            });
        };
        map(
            &self.file,
            &self.path,
            len,
            writable,
            match info.reg_io_width {
                Some(width) => Rules::Width(width as usize),
                None if info.cache == Cache::NonCached => Rules::Ordered,
                None => Rules::Any,
            },
            info.offset as usize,
        )
    }

    /// The memory of a plain file, for reading.
    pub(crate) fn file_memory(&self) -> Result<Memory> {
        let failed = |error| Error::io(format!("ask about {}", self.path.display()), error);
        let len = self.file.metadata().map_err(failed)?.len();
        match usize::try_from(len) {
            Ok(len) if len > 0 => map(&self.file, &self.path, len, false, Rules::Any, 0),
            _ => Err(Error::Mode {
                path: self.path.clone(),
                what: format!("{len} bytes cannot be mapped"),
            }),
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// Maps `len` bytes of a window, of which the first is at `offset` of a mapping.
pub(crate) fn map(
    file: &File,
    path: &Path,
    len: usize,
    writable: bool,
    rules: Rules,
    offset: usize,
) -> Result<Memory> {
    let mode = |what: &str| Error::Mode {
        path: path.into(),
        what: what.into(),
    };
    if offset % 4 != 0 {
        return Err(mode(
            "its first byte is not aligned to a word, so that it can only be read and written",
        ));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = WindowName::new(&name);
    let explain = |error: rustix::io::Errno| match diagnose::explain(path, error.into()) {
        _ if error == rustix::io::Errno::OPNOTSUPP => mode(
            "it is not whole pages, and can only be read and written \
             (fanlight,map-whole-pages in its device-tree node allows to map it)",
        ),
        Error::Io { source, .. } => Error::io(format!("map {}", path.display()), source),
        other => other,
    };
    Memory::map(file.as_fd(), name, len, writable, rules, offset).map_err(explain)
}

/// For `poll` and for asynchronous runtimes.
impl AsFd for Window {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<Window> for OwnedFd {
    fn from(window: Window) -> Self {
        window.file.into()
    }
}
