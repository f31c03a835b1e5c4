// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a command ends: what is printed on stderr, and the exit status.

use std::io;

use crate::nearest;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// The command line makes no sense.
    Usage(String),
    /// A line that says what is the matter.
    Message(String),
    Library(fanlight::Error),
    /// Writing to stdout failed.
    Output(io::Error),
    /// Nothing to say, but a status to exit with.
    Status(u8),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Exit status of all failures, as with util-linux.
pub const FAILURE: u8 = 1;
/// Nothing matched what was asked for.
pub const NOTHING: u8 = 2;
/// As the shell reports a program that a broken pipe has ended.
pub const BROKEN_PIPE: u8 = 141;

impl From<fanlight::Error> for Error {
    fn from(error: fanlight::Error) -> Self {
        Error::Library(error)
    }
}

/// Only writing to stdout gives bare I/O errors; all others come with what was being done.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Output(error)
    }
}

/// What an error of the system means, without the number that std adds.
pub fn plain(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.find(" (os error ") {
        text.truncate(at);
    }
    text
}

/// The window that may be meant.
fn window_hint(error: &fanlight::Error) -> String {
    match error {
        fanlight::Error::NoWindow { name, windows, .. } => {
            nearest::hint(name, windows.iter().map(String::as_str))
        }
        _ => String::new(),
    }
}

impl Error {
    /// A message.
    pub fn message(text: impl Into<String>) -> Self {
        Error::Message(text.into())
    }

    /// Prints what there is to say, and returns the exit status.
    pub fn report(self, help: &str) -> u8 {
        match self {
            Error::Usage(text) => {
                eprintln!("fanlight: {text}\nTry '{help} --help' for more information.")
            }
            Error::Message(text) => eprintln!("fanlight: {text}"),
            Error::Library(error) => eprintln!("fanlight: {error}{}", window_hint(&error)),
            Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return BROKEN_PIPE
            }
            Error::Output(error) => eprintln!("fanlight: write error: {}", plain(&error)),
            Error::Status(status) => return status,
        }
        FAILURE
    }
}
