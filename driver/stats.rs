// SPDX-License-Identifier: GPL-2.0-only

//! The counters of windows in debugfs: `/sys/kernel/debug/fanlight<N>/<window>`.
//!
//! Described in docs/abi/debugfs-fanlight.

use crate::{
    ring::Digits,
    window::Window, //
};
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    str::CString,
    sync::{
        atomic::Relaxed,
        Arc, //
    }, //
};

/// The files of one instance; dropping them removes them.
pub(crate) struct Stats {
    _files: KVec<Pin<KBox<File<Arc<Window>>>>>,
    _dir: Dir,
}

impl Stats {
    /// Creates one file per window.
    pub(crate) fn new(instance: u32, windows: &[Arc<Window>]) -> Result<Self> {
        let name = CString::try_from_fmt(fmt!("fanlight{instance}"))?;
        let dir = Dir::new(&name);
        let mut files = KVec::with_capacity(windows.len(), GFP_KERNEL)?;
        for window in windows {
            let name = CString::try_from_fmt(fmt!("{}", window.name.as_str()))?;
            let file = dir.read_callback_file(&name, window.clone(), &show);
            files.push(KBox::pin_init(file, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            _files: files,
            _dir: dir,
        })
    }
}

fn show(window: &Arc<Window>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let c = &window.mapping.counters;
    writeln!(f, "maps {}", c.maps.load(Relaxed))?;
    writeln!(f, "mapped {}", c.mapped.load(Relaxed))?;
    writeln!(f, "faults {}", c.faults.load(Relaxed))?;
    writeln!(f, "inserted {}", c.inserted.load(Relaxed))?;
    writeln!(f, "pending {}", window.mapping.pending())?;
    writeln!(f, "revocations {}", c.revocations.load(Relaxed))?;
    if let Some(intake) = window.content.intake() {
        let counts = intake.counts();
        for (name, value) in [
            ("written", counts.written),
            ("overwritten", counts.overwritten),
            ("dropped", counts.dropped),
            ("kernel_missed", counts.kernel_missed),
            ("limited", counts.limited),
            ("not_kept", counts.not_kept),
        ] {
            writeln!(f, "{name} {}", Digits::of(value).as_str())?;
        }
    }
    Ok(())
}
