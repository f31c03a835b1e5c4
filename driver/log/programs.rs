// SPDX-License-Identifier: GPL-2.0-only

//! Records that do not come from printk: those of programs and of other kernel modules.

use super::{
    intake::{
        add,
        Intake, //
    },
    limit::{
        Limit,
        Report,
        Verdict, //
    },
    printk::Context, //
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
        console::kmsg_range,
        time::{
            caller_id,
            comm,
            default_level,
            in_emergency,
            in_nmi,
            local_clock, //
        }, //
    }, //
};
use kernel::{
    iov::IovIterSource,
    prelude::*,
    sync::{
        atomic::Relaxed,
        Mutex, //
    }, //
};

impl Intake {
    /// Appends a record of another module.
    pub(super) fn module_record(&self, level: u8, text: &[u8]) -> Result {
        let emergency = in_emergency();
        let flags = if emergency {
            MODULE | EMERGENCY
        } else {
            MODULE
        };
        let context = if emergency || in_nmi() {
            Context::Atomic
        } else {
            Context::Normal
        };
        let entry = Entry {
            level,
            flags,
            ns: local_clock(),
            caller: caller_id(),
            text,
            ..Entry::default()
        };
        self.append(&entry, context)
    }

    /// Appends what a program has written, as /dev/kmsg would; returns its length. What goes beyond
    /// the limit is suppressed, and counted.
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
        // Most messages are short: they need no allocation.
        let mut short = [0u8; 128];
        let mut long = KVec::new();
        let text = match short.get_mut(..len) {
            Some(text) => text,
            None => {
                long.resize(len, 0, GFP_KERNEL_ACCOUNT)?;
                &mut long[..]
            }
        };
        if from.copy_from_iter(text) < len {
            return Err(EFAULT);
        }
        let entry = kmsg::parse_user(text, default_level()).ok_or(EINVAL)?;
        // The record comes after every message that was printed before.
        let range = kmsg_range();
        self.catch_up_to(range.next, nonblocking)?;
        let per_interval = self.write_limit.load(Relaxed);
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
        if range.cleared > self.cleared.load(Relaxed) {
            self.note_cleared(range.cleared);
        }
        self.report_suppressed(suppressed);
        self.append_of_program(entry)?;
        Ok(len)
    }

    fn append_of_program(&self, entry: Entry<'_>) -> Result {
        let entry = Entry {
            ns: local_clock(),
            caller: caller_id(),
            ..entry
        };
        if self.log.is_gone() {
            return Err(ENODEV);
        }
        self.append(&entry, Context::Normal)
    }

    /// Appends a record that says how many were suppressed, unless there were none.
    pub(crate) fn report_suppressed(&self, suppressed: u32) {
        if suppressed == 0 {
            return;
        }
        let report = Report::new(suppressed, &comm());
        // The facility is that of programs: LOG_USER.
        let entry = Entry {
            level: default_level(),
            facility: 1,
            flags: USER,
            text: report.text(),
            ..Entry::default()
        };
        // A log that is gone needs no report.
        let _ = self.append_of_program(entry);
    }
}
