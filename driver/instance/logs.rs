// SPDX-License-Identifier: GPL-2.0-only

//! Creates the log of a node, and the logs of the earlier boots that its region keeps.

use super::memory::{
    owner,
    settle_rivals, //
};
use crate::{
    log::{
        intake::{
            Begin,
            Intake, //
        },
        kept::{
            persistent_region,
            previous_name,
            report,
            Kept, //
        },
        Log, //
    },
    refusal::{
        invalid,
        Refusal,
        Text,
        OUT_OF_MEMORY, //
    },
    spec::{
        Kind,
        Source,
        Spec, //
    },
    sys::{
        address_space::AddressSpace,
        backing::Backing,
        mapping::Mapping,
        random::{
            boot_id,
            random_id, //
        },
        Cache, //
    },
    window::{
        BackingKind,
        Content,
        Rights,
        Window, //
    }, //
};
use kernel::{
    device::{
        property::FwNode,
        Core,
        Device, //
    },
    prelude::*,
    sync::Arc, //
};

/// All parts of a log but its console.
pub(super) struct Logs {
    pub(super) windows: KVec<Arc<Window>>,
    pub(super) intake: Arc<Intake>,
}

/// Creates the log, and the logs of earlier boots if a region keeps them.
pub(super) fn make(
    dev: &Device<Core<'_>>,
    node: &FwNode,
    name: &CStr,
    instance: u32,
    space: &Arc<AddressSpace>,
) -> Result<Logs, Refusal> {
    let Spec {
        name,
        source,
        kind: Kind::Log(spec),
        ..
    } = Spec::read(dev, node, name)?
    else {
        return Err(invalid("the node named log is not a log"));
    };
    let prefault = matches!(source, Source::Vmalloc { prefault: true, .. });
    let window = |name, log: &Arc<Log>, content| {
        let area = log.area().clone();
        let backing = Backing::Vmalloc { area, prefault };
        let mapping = Mapping::new(space.clone(), backing, Cache::Cached);
        let rights = Rights {
            read_only: true,
            io_width: 0,
        };
        let backing_kind = BackingKind::Vmalloc;
        let window = Window::new(name, instance, backing_kind, rights, content, mapping);
        Arc::pin_init(window, GFP_KERNEL).map_err(Refusal::no_memory)
    };

    let boot_id = boot_id().unwrap_or_else(|error| {
        dev_warn!(
            dev,
            "window log: cannot read the boot id (error {}): a random one is used\n",
            error.to_errno()
        );
        random_id()
    });
    let (lanes, wanted) = (spec.lanes(), spec.persistent.is_some());
    let mut kept = match spec.persistent {
        Some(range) => range.and_then(|range| {
            settle_rivals(dev, name.as_str(), range, false).map_err(|refusal| refusal.reason)?;
            let owner = owner(instance, &name).map_err(|refusal| refusal.reason)?;
            let carveout = persistent_region(range, spec.persist_cache, &owner)?;
            Kept::new(carveout, &boot_id, spec.persist_level).map_err(|e| {
                Text::from(match e {
                    e if e == EINTR => "the probe was interrupted",
                    _ => OUT_OF_MEMORY,
                })
            })
        }),
        None => Err("no: no memory-region".into()),
    };
    if let (true, Err(reason)) = (wanted, &kept) {
        let reason = reason.as_str();
        dev_warn!(
            dev,
            "window log: not kept over a reboot: {} (node {})\n",
            reason,
            node
        );
    }
    if let Ok(kept) = &kept {
        report(dev, &kept.recovered);
    }
    let begin = Begin::after(kept.as_ref().ok().map(|kept| &kept.recovered));
    let ring = Log::new(lanes, &boot_id, begin.first_seq).map_err(Refusal::no_memory)?;
    let log = Arc::pin_init(ring, GFP_KERNEL).map_err(Refusal::no_memory)?;
    let mut previous = KVec::new();
    let mut region = None;
    if let Ok(kept) = &mut kept {
        core::mem::swap(&mut previous, &mut kept.previous);
        region = kept.region.take();
    }
    let recovered = kept.as_ref().ok().map(|kept| &kept.recovered);
    let init = Intake::new(log.clone(), begin, region, recovered, spec.write_limit);
    let intake =
        Arc::pin_init(init.map_err(Refusal::no_memory)?, GFP_KERNEL).map_err(Refusal::no_memory)?;
    let mut windows = KVec::new();
    let kept = kept.err().unwrap_or("yes".into());
    windows.push(
        window(name, &log, Content::Log(intake.clone(), kept))?,
        GFP_KERNEL,
    )?;
    for (index, prev) in previous.into_iter().enumerate() {
        let name = previous_name(index).ok_or(invalid("too many boots"))?;
        let log = prev.log.clone();
        let content = Content::Previous(prev, intake.clone());
        windows.push(window(name, &log, content)?, GFP_KERNEL)?;
    }
    Ok(Logs { windows, intake })
}
