// SPDX-License-Identifier: GPL-2.0-only

//! The sysfs attributes of a character device.
//!
//! C headers: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)
//!
//! They are static and belong to the miscdevice, so that they exist before user space is notified
//! of the device.

use super::{
    chardev::{
        CharDevice,
        Operations, //
    },
    PAGE_SIZE, //
};
use core::{
    fmt::{
        self,
        Write, //
    },
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_char,
        c_int, //
    },
    prelude::*, //
};

/// A sysfs attribute of a node.
pub(crate) struct Attribute<T> {
    pub(crate) name: &'static CStr,
    /// Writes the value; a newline follows.
    pub(crate) show: fn(&T, &mut dyn fmt::Write) -> fmt::Result,
    /// Parses the value that was written, without its newline. `None`: the attribute is read-only.
    pub(crate) store: Option<fn(&T, &[u8]) -> Result>,
    /// The mode of its file.
    pub(crate) mode: u16,
    /// Whether this node has it.
    pub(crate) visible: fn(&T) -> bool,
}

/// How many attributes a node can have.
pub(crate) const ATTRIBUTES_MAX: usize = 32;

/// The `I`th attribute of `T`.
struct AttributeAt<T, const I: usize>(PhantomData<T>);

impl<T: Operations, const I: usize> AttributeAt<T, I> {
    // Its last fields exist only with lock debugging.
    #[allow(clippy::needless_update)]
    const RAW: bindings::device_attribute = bindings::device_attribute {
        attr: bindings::attribute {
            name: if I < T::ATTRIBUTES.len() {
                T::ATTRIBUTES[I].name.to_bytes_with_nul().as_ptr()
            } else {
                ptr::null()
            },
            mode: if I < T::ATTRIBUTES.len() {
                T::ATTRIBUTES[I].mode
            } else {
                0
            },
            ..pin_init::zeroed()
        },
        __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
            show: Some(Self::show),
        },
        __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
            store: Some(Self::store),
        },
    };

    /// Null if there is no such attribute, which ends the list.
    const PTR: *const bindings::attribute = if I < T::ATTRIBUTES.len() {
        &Self::RAW.attr
    } else {
        ptr::null()
    };

    /// # Safety
    ///
    /// `dev` must be a device of a `CharDevice<T>`.
    unsafe fn node<'a>(dev: *mut bindings::device) -> &'a T {
        // SAFETY: the misc core made the miscdevice the device's driver data, and removes the
        // attributes, waiting for their users, before the miscdevice goes.
        unsafe { CharDevice::<T>::node_of((*dev).driver_data.cast()) }
    }

    /// # Safety
    ///
    /// Called by sysfs for a device of a `CharDevice<T>`, with a page to write to.
    unsafe extern "C" fn show(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buf: *mut c_char,
    ) -> isize {
        let Some(attribute) = T::ATTRIBUTES.get(I) else {
            return EIO.to_errno() as isize;
        };
        // SAFETY: sysfs passes a buffer of one page, which it has allocated with zeros for this
        // read and which no other thread uses during this call.
        let page = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), PAGE_SIZE) };
        let mut out = PageWriter { page, len: 0 };
        // SAFETY: only `CharDevice<T>::new` registers these attributes, for its own device.
        let node = unsafe { Self::node(dev) };
        match (attribute.show)(node, &mut out).and_then(|()| out.write_str("\n")) {
            Ok(()) => out.len as isize,
            Err(_) => EIO.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// Called by sysfs for a device of a `CharDevice<T>`, with `count` bytes to read.
    unsafe extern "C" fn store(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buf: *const c_char,
        count: usize,
    ) -> isize {
        from_result(|| {
            let store = T::ATTRIBUTES.get(I).and_then(|a| a.store).ok_or(EIO)?;
            // SAFETY: only `CharDevice<T>::new` registers these attributes, for its own device.
            // sysfs passes its copy of the written bytes, which does not change during this call.
            let (node, text) = unsafe {
                (
                    Self::node(dev),
                    core::slice::from_raw_parts(buf.cast::<u8>(), count),
                )
            };
            store(node, text.strip_suffix(b"\n").unwrap_or(text))?;
            Ok(count as isize)
        })
    }
}

/// Writes text to a page; returns an error if it does not fit.
struct PageWriter<'a> {
    page: &'a mut [u8],
    len: usize,
}

impl Write for PageWriter<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        self.page
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

macro_rules! attribute_list {
    ($t:ty: $($i:literal)*) => {
        &[$(AttributeAt::<$t, $i>::PTR,)* ptr::null()]
    };
}

/// The groups of attributes of nodes of type `T`.
pub(super) struct Groups<T>(PhantomData<T>);

impl<T: Operations> Groups<T> {
    /// # Safety
    ///
    /// Called by sysfs for the object in a device of a `CharDevice<T>`, with one of its attributes.
    unsafe extern "C" fn is_visible(
        kobj: *mut bindings::kobject,
        attr: *mut bindings::attribute,
        index: c_int,
    ) -> bindings::umode_t {
        // SAFETY: the object is that of a device, whose driver data is the miscdevice; see
        // `AttributeAt::node`.
        let (node, mode) = unsafe {
            let dev = kernel::container_of!(kobj, bindings::device, kobj);
            (
                CharDevice::<T>::node_of((*dev).driver_data.cast()),
                (*attr).mode,
            )
        };
        let attribute = usize::try_from(index)
            .ok()
            .and_then(|i| T::ATTRIBUTES.get(i));
        match attribute {
            Some(attribute) if (attribute.visible)(node) => mode,
            _ => 0,
        }
    }

    const LIST: &'static [*const bindings::attribute; ATTRIBUTES_MAX + 1] = attribute_list!(
        T: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    );

    const GROUP: &'static bindings::attribute_group = &bindings::attribute_group {
        __bindgen_anon_1: bindings::attribute_group__bindgen_ty_1 {
            is_visible: Some(Self::is_visible),
        },
        __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
            attrs: Self::LIST.as_ptr().cast_mut().cast(),
        },
        ..pin_init::zeroed()
    };

    /// For `miscdevice.groups`.
    pub(super) const ALL: &'static [*const bindings::attribute_group; 2] =
        &[Self::GROUP, ptr::null()];
}
