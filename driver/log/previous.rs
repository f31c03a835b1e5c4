// SPDX-License-Identifier: GPL-2.0-only

//! The log of an earlier boot: a ring that is filled once, and can be cleared.

use super::{
    intake::Intake,
    Log, //
};
use crate::{
    ring::{
        persist::{
            Boot,
            Ending, //
        },
        Record,
        Writer, //
    },
    sys::persistent::Recovered, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// Facts about an earlier boot's log.
#[derive(Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) boot_id: [u8; 16],
    pub(crate) ending: Ending,
    /// How many boots ago it was.
    pub(crate) boots_ago: u64,
    /// Records that are intact.
    pub(crate) intact: u64,
    /// Records that were kept and are damaged.
    pub(crate) missing: u64,
    /// Damaged places in the region.
    pub(crate) damaged: u64,
}

/// The state of an earlier boot's log.
struct State {
    /// `None`: nothing was found, or it was cleared.
    summary: Option<Summary>,
    /// Whether the region still has its records.
    kept: bool,
}

/// The log of an earlier boot.
#[pin_data]
pub(crate) struct Previous {
    pub(crate) log: Arc<Log>,
    writer: Writer,
    #[pin]
    state: Mutex<State>,
    /// The index of this boot among the earlier boots in the region.
    index: usize,
}

impl Previous {
    /// The log of the earlier boot `index` of `recovered`; an empty log if there is no such boot.
    pub(crate) fn new(recovered: &Recovered, index: usize) -> Result<impl PinInit<Self, Error>> {
        let boot = recovered.boots().get(index);
        let bytes = boot.map_or(0, |boot| boot.bytes as usize);
        let size = (bytes + crate::ring::RECORD_MAX)
            .next_power_of_two()
            .max(crate::ring::KERNEL_LANE_MIN);
        let boot_id = boot.map_or([0; 16], |boot| boot.boot_id);
        let mut first = None;
        if boot.is_some() {
            let sink = |record: &Record<'_>| {
                first.get_or_insert(record.seq);
            };
            recovered.records(index, sink, |_, _| ())?;
        }
        let first = first.unwrap_or(0);
        let log = Arc::pin_init(Log::new([size, 0], &boot_id, first)?, GFP_KERNEL)?;
        let writer = Writer::new(first);
        if let Some(boot) = boot {
            let sink = |record: &Record<'_>| {
                // The ring is large enough for all of them.
                let _ = writer.append_with_seq(log.ring(), &record.entry, record.seq);
            };
            let clock = |ns, offset| {
                if boot.clock != 0 {
                    let clocks = &log.ring().header().clocks;
                    clocks.insert(ns, boot.clock.wrapping_add(offset));
                }
            };
            recovered.records(index, sink, clock)?;
        }
        let state = State {
            summary: boot.map(Summary::of),
            kept: boot.is_some(),
        };
        Ok(try_pin_init!(Self {
            log,
            writer,
            state <- new_mutex!(state, "fanlight::previous"),
            index,
        }? Error))
    }

    /// The facts about the boot; `None`: no log was found, or it was cleared.
    pub(crate) fn summary(&self) -> Option<Summary> {
        self.state.lock().summary
    }

    /// Nanoseconds from the time of its newest records to the wall clock; `None`: unknown.
    pub(crate) fn clock_offset(&self) -> Option<i64> {
        let _state = self.state.lock();
        let (_, offset) = self.log.ring().header().clocks.last()?;
        Some(offset)
    }

    /// Whether the region still has its records, so that they survive another reboot.
    pub(crate) fn is_kept(&self) -> bool {
        self.state.lock().kept
    }

    /// Frees its blocks in the region of `intake`. The records of this log stay. `ENODEV`: the
    /// region was released, with the blocks in it.
    pub(crate) fn forget(&self, intake: &Intake) -> Result {
        self.forget_locked(&mut self.state.lock(), intake)
    }

    fn forget_locked(&self, state: &mut State, intake: &Intake) -> Result {
        if state.kept {
            intake.forget(self.index)?;
            state.kept = false;
        }
        Ok(())
    }

    /// Clears the boot's log: in the region as [`Previous::forget`] does, then the records of this
    /// log.
    pub(crate) fn clear(&self, intake: &Intake) -> Result {
        let mut state = self.state.lock();
        self.forget_locked(&mut state, intake)?;
        state.summary = None;
        // Under the mutex, so no other thread writes to this ring.
        self.writer.clear(self.log.ring());
        self.log.ring().header().clocks.clear();
        Ok(())
    }
}

impl Summary {
    fn of(boot: &Boot) -> Self {
        Self {
            boot_id: boot.boot_id,
            ending: boot.ending,
            boots_ago: boot.ago.into(),
            intact: boot.intact.into(),
            missing: boot.missing.into(),
            damaged: boot.damaged.into(),
        }
    }
}
