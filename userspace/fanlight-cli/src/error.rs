// SPDX-License-Identifier: MIT OR Apache-2.0
//! The errors of commands: the text on stderr, and the exit status.

use std::io;

use crate::nearest;

/// Why a command failed.
#[derive(Debug)]
pub enum Error {
    /// The command line is invalid.
    Usage(String),
    /// A line with the reason.
    Message(String),
    Library(fanlight::Error),
    /// Writing to stdout failed.
    Output(io::Error),
    /// Only an exit status.
    Status(u8),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Exit status of all failures, as in util-linux.
pub const FAILURE: u8 = 1;
/// Exit status if nothing matched.
pub const NOTHING: u8 = 2;
/// The status that the shell reports for a program that was killed by SIGPIPE.
pub const BROKEN_PIPE: u8 = 141;

impl From<fanlight::Error> for Error {
    fn from(error: fanlight::Error) -> Self {
        Error::Library(error)
    }
}

/// Only writing to stdout returns plain I/O errors; all others include the operation.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Output(error)
    }
}

/// The text of a system error, without the number that std appends.
pub fn plain(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.find(" (os error ") {
        text.truncate(at);
    }
    text
}

/// A hint at the window with a similar name.
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

    /// Prints the error, and returns the exit status.
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
