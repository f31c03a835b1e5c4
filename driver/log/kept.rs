// SPDX-License-Identifier: GPL-2.0-only

//! The logs of earlier boots that the reserved region of a log has kept.

use super::previous::Previous;
use crate::{
    refusal::Text,
    ring::persist::{
        Ending,
        REGION_MIN, //
    },
    spec::Name,
    sys::{
        carveout::MappedCarveout,
        of,
        persistent::{
            Recovered,
            Region, //
        },
        Cache, //
    }, //
};
use kernel::{
    device::Device,
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// What the region of a log has kept, and the copy of this boot's log in it.
pub(crate) struct Kept {
    pub(crate) recovered: Recovered,
    /// The logs of earlier boots, the newest first.
    pub(crate) previous: KVec<Arc<Previous>>,
    pub(crate) region: Option<Pin<KBox<Region>>>,
}

impl Kept {
    /// Reads what `carveout` has kept, and prepares it for this boot. Does not change its contents.
    pub(crate) fn new(carveout: MappedCarveout, boot_id: &[u8; 16], level: u8) -> Result<Self> {
        let recovered = Recovered::read(&carveout, boot_id)?;
        let mut previous = KVec::new();
        // log.prev exists even if no log was found, so that programs can rely on it.
        for index in 0..recovered.boots().len().max(1) {
            let init = Previous::new(&recovered, index)?;
            previous.push(Arc::pin_init(init, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        let region = Region::new(carveout, &recovered, boot_id, level)?;
        Ok(Self {
            region: Some(KBox::try_pin_init(region, GFP_KERNEL)?),
            recovered,
            previous,
        })
    }
}

/// The region that keeps the log, or why it cannot. `owner` is its name in /proc/iomem.
pub(crate) fn persistent_region(
    range: of::Range,
    cache: Cache,
    owner: &CStr,
) -> Result<MappedCarveout, Text> {
    if range.size < REGION_MIN as u64 {
        return Err("its region is smaller than 12 KiB".into());
    }
    if !of::is_memory(range) {
        return Err("its region is in no memory node of the device tree".into());
    }
    MappedCarveout::new(range, cache, owner).map_err(|error| error.describe().0)
}

/// Prints which logs of earlier boots were found.
pub(crate) fn report(dev: &Device, recovered: &Recovered) {
    if recovered.other_version() {
        dev_warn!(
            dev,
            "window log: its region has logs of another version, which are not shown\n"
        );
    }
    let boots = recovered.boots();
    let Some(last) = boots.first() else {
        dev_info!(
            dev,
            "window log: its region has no log of an earlier boot\n"
        );
        return;
    };
    let ending = match last.ending {
        Ending::Panic => "in a panic",
        Ending::Clean => "cleanly",
        Ending::Reset => "by a reset",
    };
    dev_info!(
        dev,
        "window log: earlier boots: {}; the last one ended {}, {} records, {} missing\n",
        boots.len(),
        ending,
        last.intact,
        last.missing
    );
}

/// The name of the window of an earlier boot: log.prev, log.prev2, log.prev3, and so on.
pub(crate) fn previous_name(index: usize) -> Option<Name> {
    if index == 0 {
        return Name::new(b"log.prev");
    }
    let name = CString::try_from_fmt(fmt!("log.prev{}", index + 1)).ok()?;
    Name::new(name.to_bytes())
}
