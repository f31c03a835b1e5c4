// SPDX-License-Identifier: MIT OR Apache-2.0
//! The logs of earlier boots, for the tests that reset the machine and read what was kept.

use std::path::Path;

use libc::{O_NONBLOCK, O_RDONLY};

use crate::support::dev::LOG;
use crate::support::log::{append, attribute, kmsg, text, Messages};
use crate::support::stages::{go_down, Down};
use crate::support::sys;

/// The log of the boot that was `self.0` boots ago, if the region still has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier(pub usize);

/// The boot before this one.
pub const PREVIOUS: Earlier = Earlier(1);

impl Earlier {
    pub fn name(self) -> String {
        match self.0 {
            1 => "log.prev".to_owned(),
            n => format!("log.prev{n}"),
        }
    }

    pub fn path(self) -> String {
        format!("/dev/fanlight0/{}", self.name())
    }

    pub fn exists(self) -> bool {
        Path::new(&self.path()).exists()
    }

    pub fn attribute(self, name: &str) -> String {
        let misc = format!("fanlight0-{}", self.name());
        attribute(&misc, name).unwrap_or_else(|| panic!("{misc} has no attribute {name}"))
    }

    pub fn number(self, name: &str) -> i64 {
        let text = self.attribute(name);
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{name} of {} is no number: {text:?}", self.name()))
    }

    pub fn open(self) -> Messages {
        let fd = sys::open(&self.path(), O_RDONLY | O_NONBLOCK);
        let fd = fd.unwrap_or_else(|e| panic!("{}: {e:?}", self.path()));
        Messages { fd }
    }

    pub fn messages(self) -> Vec<String> {
        self.open().all()
    }

    pub fn texts(self) -> Vec<String> {
        let messages = self.messages();
        messages.iter().map(|m| text(m).to_owned()).collect()
    }

    pub fn has(self, words: &str) -> bool {
        self.texts().iter().any(|text| text.contains(words))
    }
}

/// All earlier boots that there are, newest first.
pub fn all() -> Vec<Earlier> {
    (1..)
        .map(Earlier)
        .take_while(|boot| boot.exists())
        .collect()
}

/// What a boot writes for the tests that need any earlier boot: records of the kernel and of
/// programs.
const LEFT: &str = "left for a later boot";

/// Resets the machine once, unless the previous boot was ended by this function: most tests of
/// earlier boots can share one.
pub fn needed(stage: u32) {
    if PREVIOUS.exists() && PREVIOUS.has(LEFT) {
        return;
    }
    assert_eq!(stage, 0, "nothing of the boot before is there");
    for n in 0..10 {
        append(&LOG.open(), &format!("<5>{LEFT}: record {n}"));
        kmsg(&format!("<5>{LEFT}: message {n}"));
    }
    arrived();
    go_down(Down::Reset);
}

/// Waits until the log has all that the kernel has printed.
pub fn arrived() {
    crate::support::log::kernel_has_arrived(&LOG);
}
