// SPDX-License-Identifier: GPL-2.0-only

//! The platform driver: binding to a device-tree node creates an [`Instance`].

use crate::instance::Instance;
use kernel::{
    device::Core,
    of,
    platform,
    prelude::*, //
};

/// The driver.
pub(crate) struct Fanlight;

#[cfg(not(kernel_7_3))]
kernel::of_device_table!(
    OF_TABLE,
    MODULE_OF_TABLE,
    <Fanlight as platform::Driver>::IdInfo,
    [(of::DeviceId::new(c"fanlight,windows"), ())]
);

#[cfg(kernel_7_3)]
kernel::of_device_table!(
    OF_TABLE,
    <Fanlight as platform::Driver>::IdInfo,
    [(of::DeviceId::new(c"fanlight,windows"), ())]
);

impl platform::Driver for Fanlight {
    type IdInfo = ();
    type Data<'bound> = Instance;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        Instance::new(pdev.as_ref())
    }
}
