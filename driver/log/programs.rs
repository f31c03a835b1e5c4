// SPDX-License-Identifier: GPL-2.0-only

//! Records that do not come from printk but from programs and from other kernel modules.

use super::{
    context::Context,
    intake::{
        add,
        Intake, //
    },
    limit::{
        Limit,
        Report,
        Verdict, //
    }, //
};
use crate::{
    ring::{
        kmsg,
        Entry,
        EMERGENCY,
        MODULE,
        USER, //
    },
    sys::{
        printk::{
            default_level,
            kmsg_range, //
        },
        task::comm,
        time::{
            local_clock,
            Moment, //
        }, //
    }, //
};
use kernel::{
    iov::IovIterSource,
    prelude::*,
    sync::Mutex, //
};

impl Intake {
    /// Appends a record of another module.
    #[inline]
    pub(super) fn module_record(&self, level: u8, text: &[u8]) -> Result {
        let moment = Moment::now();
        if moment.is_atomic() {
            return self.module_record_atomic(level, text);
        }
        let entry = entry_of_module(level, MODULE, text, moment);
        self.append(&entry, Context::Normal)
    }

    /// Appends a record of another module in an NMI or an emergency.
    #[cold]
    #[inline(never)]
    fn module_record_atomic(&self, level: u8, text: &[u8]) -> Result {
        let moment = Moment::now();
        let flags = if moment.is_emergency() {
            MODULE | EMERGENCY
        } else {
            MODULE
        };
        let entry = entry_of_module(level, flags, text, moment);
        self.append(&entry, Context::Atomic)
    }

    /// Appends what a program has written, as /dev/kmsg would; returns its length. A record beyond
    /// the limit is counted, but not appended.
    pub(crate) fn write(
        &self,
        from: &mut IovIterSource<'_>,
        limit: &Mutex<Limit>,
        nonblocking: bool,
    ) -> Result<usize> {
        let len = from.len();
        if len > kmsg::WRITE_MAX {
            return Err(EINVAL);
        }
        // Most records are short and need no allocation.
        match [0u8; 128].get_mut(..len) {
            Some(text) => self.write_from(from, text, limit, nonblocking),
            None => {
                let mut text = KVec::from_elem(0u8, len, GFP_KERNEL_ACCOUNT)?;
                self.write_from(from, &mut text, limit, nonblocking)
            }
        }
    }

    /// Appends as much of the text as `text` has room for.
    fn write_from(
        &self,
        from: &mut IovIterSource<'_>,
        text: &mut [u8],
        limit: &Mutex<Limit>,
        nonblocking: bool,
    ) -> Result<usize> {
        let len = text.len();
        if from.copy_from_iter(text) < len {
            return Err(EFAULT);
        }
        let entry = kmsg::parse_user(text, default_level()).ok_or(EINVAL)?;
        // The record comes after every message that was printed before.
        let range = kmsg_range();
        self.catch_up_to(range.next, nonblocking)?;
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        let per_interval = self.write_limit.load();
        let suppressed = if per_interval == 0 {
            0
        } else {
            match limit.lock().decide(local_clock(), per_interval) {
                Verdict::Write { suppressed } => suppressed,
                Verdict::Suppress => {
                    let _lock = self.log.lock.lock();
                    add(&self.limited, 1);
                    return Ok(len);
                }
            }
        };
        if self.cleared.is_new(range.cleared) {
            self.note_cleared(range.cleared);
        }
        self.report_suppressed(suppressed);
        self.append_of_program(entry)?;
        Ok(len)
    }

    fn append_of_program(&self, entry: Entry<'_>) -> Result {
        let moment = Moment::now();
        let entry = Entry {
            ns: moment.ns(),
            caller: moment.caller(),
            ..entry
        };
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        self.append(&entry, Context::Normal)
    }

    /// Reports the limited records of a file when it is closed, if there are any. The report comes
    /// after every message that was printed before.
    pub(crate) fn report_at_close(&self, suppressed: u32) {
        if suppressed != 0 {
            self.catch_up_at_close();
            self.report_suppressed(suppressed);
        }
    }

    /// Appends a record that reports how many were limited, if there are any.
    fn report_suppressed(&self, suppressed: u32) {
        if suppressed == 0 {
            return;
        }
        let report = Report::new(suppressed, &comm());
        // LOG_USER, the facility of programs.
        let entry = Entry {
            level: default_level(),
            facility: 1,
            flags: USER,
            text: report.text(),
            ..Entry::default()
        };
        // A revoked log needs no report.
        let _ = self.append_of_program(entry);
    }
}

/// A record of another module.
#[inline(always)]
fn entry_of_module(level: u8, flags: u8, text: &[u8], moment: Moment) -> Entry<'_> {
    Entry {
        level,
        flags,
        ns: moment.ns(),
        caller: moment.caller(),
        text,
        ..Entry::default()
    }
}
