// SPDX-License-Identifier: MIT OR Apache-2.0
//! The errors of the library.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::access_error::AccessError;

/// An error. Its text names the remedy if there is one.
///
/// ```
/// use fanlight::{Instance, Error};
///
/// match Instance::open("/nonexistent") {
///     Err(Error::NoDevice { path, .. }) => assert_eq!(path.to_str(), Some("/nonexistent")),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no such device node.
    NoDevice {
        /// The missing node.
        path: PathBuf,
        /// The reason and the remedy, as far as the kernel reports them.
        hint: String,
    },
    /// The instance has no window of that name.
    NoWindow {
        /// The instance's directory.
        instance: PathBuf,
        /// The name that was requested.
        name: String,
        /// The names of its windows.
        windows: Vec<String>,
    },
    /// None of the instance's windows is a framebuffer.
    NoFramebuffer {
        /// The instance's directory.
        instance: PathBuf,
    },
    /// The permissions of the node, or the driver, deny the access.
    Permission {
        /// The node.
        path: PathBuf,
        /// The reason and the remedy.
        hint: String,
    },
    /// The driver is newer than this library, and reports a value that the library does not know.
    AbiNewer {
        /// The node.
        path: PathBuf,
        /// The driver's version of the ABI.
        driver: u32,
        /// The value that is unknown.
        what: String,
    },
    /// The window exists, but is of another kind than requested.
    WrongKind {
        /// The node.
        path: PathBuf,
        /// The kind that was requested.
        wanted: &'static str,
    },
    /// A framebuffer in a mode that this library cannot draw in.
    Mode {
        /// The node.
        path: PathBuf,
        /// What is the matter with it.
        what: String,
    },
    /// A log whose memory is not a ring that this library can read.
    Log {
        /// The node.
        path: PathBuf,
        /// What is the matter with it.
        what: String,
    },
    /// A load, a store or a drawing operation was refused, or the device went away.
    Access {
        /// The node, if it is known.
        path: Option<PathBuf>,
        /// The reason.
        source: AccessError,
    },
    /// A picture that cannot be decoded, or is too large.
    #[cfg(feature = "png")]
    Picture {
        /// What is the matter.
        what: String,
    },
    /// A system call failed.
    Io {
        /// The operation, as in "cannot WHAT".
        what: String,
        /// The error of the system.
        source: io::Error,
    },
}

impl Error {
    /// Whether the device is gone, because its driver was unbound or removed.
    pub fn is_gone(&self) -> bool {
        match self {
            Error::Access { source, .. } => *source == AccessError::Revoked,
            Error::Io { source, .. } => {
                source.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
            }
            _ => false,
        }
    }

    fn io_kind(&self) -> io::ErrorKind {
        match self {
            Error::NoDevice { .. } | Error::NoWindow { .. } | Error::NoFramebuffer { .. } => {
                io::ErrorKind::NotFound
            }
            Error::Permission { .. }
            | Error::Access {
                source: AccessError::ReadOnly,
                ..
            } => io::ErrorKind::PermissionDenied,
            Error::AbiNewer { .. }
            | Error::Access {
                source: AccessError::NotCached,
                ..
            } => io::ErrorKind::Unsupported,
            Error::Access {
                source: AccessError::Revoked | AccessError::BusError { .. },
                ..
            } => io::ErrorKind::Other,
            Error::WrongKind { .. } | Error::Mode { .. } | Error::Access { .. } => {
                io::ErrorKind::InvalidInput
            }
            Error::Log { .. } => io::ErrorKind::InvalidData,
            #[cfg(feature = "png")]
            Error::Picture { .. } => io::ErrorKind::InvalidData,
            Error::Io { source, .. } => source.kind(),
        }
    }

    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error::Io {
            what: what.into(),
            source: source.into(),
        }
    }

    pub(crate) fn access(path: &Path, source: AccessError) -> Self {
        Error::Access {
            path: Some(path.into()),
            source,
        }
    }
}

/// For functions that return the error type of the standard library. [`io::Error::get_ref`] returns
/// the original error.
///
/// ```
/// use std::io;
///
/// fn open() -> io::Result<fanlight::Instance> {
///     Ok(fanlight::Instance::open("/nonexistent")?)
/// }
/// assert_eq!(open().unwrap_err().kind(), io::ErrorKind::NotFound);
/// ```
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.io_kind(), error)
    }
}

/// As for [`Error`].
impl From<AccessError> for io::Error {
    fn from(error: AccessError) -> Self {
        Error::from(error).into()
    }
}

impl From<AccessError> for Error {
    fn from(source: AccessError) -> Self {
        Error::Access { path: None, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoDevice { path, hint } => write!(f, "{}: {hint}", path.display()),
            Error::NoWindow {
                instance,
                name,
                windows,
            } if windows.is_empty() => {
                write!(
                    f,
                    "{} has no window '{name}' and no other window",
                    instance.display()
                )
            }
            Error::NoWindow {
                instance,
                name,
                windows,
            } => {
                write!(
                    f,
                    "{} has no window '{name}'; it has {}",
                    instance.display(),
                    windows.join(", ")
                )
            }
            Error::NoFramebuffer { instance } => {
                write!(
                    f,
                    "{} has no framebuffer: 'fanlight list' shows what there is",
                    instance.display()
                )
            }
            Error::Permission { path, hint } => {
                write!(f, "{}: permission denied: {hint}", path.display())
            }
            Error::AbiNewer { path, driver, what } => write!(
                f,
                "{}: the driver has ABI {driver}, this program supports up to {}, and {what}: \
                 update the program",
                path.display(),
                crate::abi::ABI
            ),
            Error::WrongKind { path, wanted } => {
                write!(
                    f,
                    "{} is not {wanted}: 'fanlight list' shows what there is",
                    path.display()
                )
            }
            Error::Mode { path, what } | Error::Log { path, what } => {
                write!(f, "{}: {what}", path.display())
            }
            Error::Access {
                path: Some(path),
                source,
            } => write!(f, "{}: {source}", path.display()),
            Error::Access { path: None, source } => source.fmt(f),
            #[cfg(feature = "png")]
            Error::Picture { what } => f.write_str(what),
            Error::Io { what, .. } if self.is_gone() => write!(
                f,
                "cannot {what}: the device is gone: its driver was unbound; bind it and open it \
                 again"
            ),
            Error::Io { what, source } => write!(f, "cannot {what}: {}", plain(source)),
        }
    }
}

/// The text of the system's error, without the number that std appends.
fn plain(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.find(" (os error ") {
        text.truncate(at);
    }
    text
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Access { source, .. } => Some(source),
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The result type of this library.
///
/// ```
/// fn instances() -> fanlight::Result<usize> {
///     Ok(fanlight::Instance::list()?.len())
/// }
/// ```
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_errors_keep_their_kind_and_text_as_errors_of_io() {
        let denied = Error::io("open x", io::Error::from_raw_os_error(13));
        let text = denied.to_string();
        let error = io::Error::from(denied);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), text);
        assert!(error.get_ref().is_some_and(|inner| inner.is::<Error>()));
        let beyond = AccessError::OutOfBounds {
            offset: 8,
            count: 4,
            size: 8,
        };
        let error = io::Error::from(beyond);
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), beyond.to_string());
    }

    #[test]
    fn cli_errors_say_what_to_do() {
        let newer = Error::AbiNewer {
            path: "/dev/fanlight0/fb".into(),
            driver: 9,
            what: "its pixels are new".into(),
        };
        assert_eq!(
            newer.to_string(),
            "/dev/fanlight0/fb: the driver has ABI 9, this program supports up to 2, \
             and its pixels are new: update the program"
        );
        let missing = Error::io("open x.png", io::Error::from_raw_os_error(2));
        assert_eq!(
            missing.to_string(),
            "cannot open x.png: No such file or directory"
        );
        let none = Error::NoWindow {
            instance: "/dev/fanlight0".into(),
            name: "sram".into(),
            windows: vec!["fb".into(), "log".into()],
        };
        assert_eq!(
            none.to_string(),
            "/dev/fanlight0 has no window 'sram'; it has fb, log"
        );
    }
}
