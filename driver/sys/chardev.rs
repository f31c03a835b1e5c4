// SPDX-License-Identifier: GPL-2.0

//! Character devices: file operations, the device node, its sysfs attributes.
//!
//! C headers: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)
//!
//! `kernel::miscdevice` of 7.2 has no `owner` (a module could be removed under an open file), and no poll, llseek,
//! mmap_prepare, parent, groups or mode. This has no more than one kind of node needs.

use super::{
    address_space::AddressSpace,
    file::{
        OpenFile,
        Opening,
        Poll, //
    },
    mapping::{
        MapRequest,
        Mapping, //
    },
    this_module,
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
    device::Device,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    seq_file::SeqFile,
    str::CString,
    sync::Arc,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// A sysfs attribute of a node.
pub(crate) struct Attribute<T> {
    pub(crate) name: &'static CStr,
    /// Writes the value; a newline follows.
    pub(crate) show: fn(&T, &mut dyn fmt::Write) -> fmt::Result,
    /// Takes what was written, without its newline. An attribute without is read-only.
    pub(crate) store: Option<fn(&T, &[u8]) -> Result>,
    /// Whether this node has it.
    pub(crate) visible: fn(&T) -> bool,
}

/// What a node does. All may sleep.
pub(crate) trait Operations: Send + Sync + Sized + 'static {
    /// What belongs to one open file.
    type File: Send + Sync + 'static;

    /// At most [`ATTRIBUTES_MAX`].
    const ATTRIBUTES: &'static [Attribute<Self>];

    fn mapping(&self) -> &Mapping;
    fn open(&self, opening: &Opening<'_>) -> Result<Self::File>;
    fn map(&self, state: &Self::File, request: MapRequest<'_>) -> Result;
    fn read(
        &self,
        state: &Self::File,
        file: OpenFile<'_>,
        pos: &mut i64,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize>;
    fn write(
        &self,
        state: &Self::File,
        pos: &mut i64,
        from: &mut IovIterSource<'_>,
    ) -> Result<usize>;
    fn seek(&self, state: &Self::File, file: OpenFile<'_>, offset: i64, whence: i32)
        -> Result<i64>;
    /// The poll events that are there now.
    fn poll(&self, state: &Self::File, poll: &Poll<'_>) -> u32;
    fn ioctl(&self, state: &Self::File, file: OpenFile<'_>, cmd: u32, arg: usize) -> Result<usize>;
    fn fdinfo(&self, state: &Self::File, out: &SeqFile);
}

/// A registered node. Dropping it removes the node; open files live on.
///
/// # Invariants
///
/// `misc` is registered, and its operations are those of `Vtable<T>`.
#[pin_data(PinnedDrop)]
pub(crate) struct CharDevice<T: Operations> {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    node: Arc<T>,
    // The core keeps pointers to both.
    _name: CString,
    _path: CString,
}

// SAFETY: a miscdevice may be deregistered by any thread.
unsafe impl<T: Operations> Send for CharDevice<T> {}
// SAFETY: there are no methods on `&CharDevice`.
unsafe impl<T: Operations> Sync for CharDevice<T> {}

impl<T: Operations> CharDevice<T> {
    /// Registers `/dev/<path>`, in sysfs as `<name>` of class misc, below `parent`. `mode`: its permissions.
    pub(crate) fn new<'a>(
        parent: &'a Device,
        name: CString,
        path: CString,
        mode: u16,
        node: Arc<T>,
    ) -> impl PinInit<Self, Error> + 'a {
        let misc = bindings::miscdevice {
            minor: bindings::MISC_DYNAMIC_MINOR as c_int,
            name: name.as_char_ptr(),
            nodename: path.as_char_ptr(),
            fops: Vtable::<T>::FOPS,
            // `Device` is a transparent wrapper.
            parent: ptr::from_ref(parent).cast::<bindings::device>().cast_mut(),
            groups: Vtable::<T>::GROUPS.as_ptr().cast_mut(),
            mode,
            ..pin_init::zeroed()
        };
        try_pin_init!(Self {
            node,
            _name: name,
            _path: path,
            // Last: as soon as it is registered, it may be opened. The strings' bytes do not move with the strings.
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                // SAFETY: the slot may be written, and stays where it is until the drop has deregistered it.
                unsafe {
                    slot.write(misc);
                    to_result(bindings::misc_register(slot))
                }
            }),
        })
    }

    /// # Safety
    ///
    /// `misc` must be that of a live `CharDevice<T>`.
    unsafe fn node_of<'a>(misc: *mut bindings::miscdevice) -> &'a Arc<T> {
        // SAFETY: by the caller's promise.
        unsafe { &(*kernel::container_of!(Opaque::cast_from(misc), Self, misc)).node }
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for CharDevice<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: by the type invariant.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// What a file's private data points to.
struct FileData<T: Operations> {
    node: Arc<T>,
    state: T::File,
}

/// The tables of function pointers for nodes of type `T`.
struct Vtable<T>(PhantomData<T>);

impl<T: Operations> Vtable<T> {
    const FOPS: &'static bindings::file_operations = &bindings::file_operations {
        owner: this_module(),
        open: Some(Self::open),
        release: Some(Self::release),
        mmap_prepare: Some(Self::mmap_prepare),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        llseek: Some(Self::llseek),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        show_fdinfo: Some(Self::show_fdinfo),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` must be one that [`Self::open`] has opened and [`Self::release`] has not released, for all of `'a`.
    unsafe fn data<'a>(file: *mut bindings::file) -> &'a FileData<T> {
        // SAFETY: `open` set the private data to a box that `release` frees.
        unsafe { &*(*file).private_data.cast::<FileData<T>>() }
    }

    /// # Safety
    ///
    /// Called by the core for a miscdevice of a `CharDevice<T>`, which can't be deregistered meanwhile.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        from_result(|| {
            // SAFETY: misc_open left the miscdevice in the private data.
            let node = unsafe { CharDevice::<T>::node_of((*file).private_data.cast()) }.clone();
            // SAFETY: the file is valid, and this is its open.
            let state = node.open(&Opening(unsafe { OpenFile::from_raw(file) }))?;
            let data = KBox::new(FileData { node, state }, GFP_KERNEL)?;
            let space: *const AddressSpace = data.node.mapping().space();
            // SAFETY: the box keeps the node, and so the address space, until release.
            unsafe {
                (*space).adopt(file);
                (*file).private_data = KBox::into_foreign(data).cast();
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the core, once, for a file that [`Self::open`] has opened.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `open` put the box there, and nobody uses it after release.
        drop(unsafe { KBox::<FileData<T>>::from_foreign((*file).private_data.cast()) });
        0
    }

    /// # Safety
    ///
    /// Called by the core with a valid descriptor.
    unsafe extern "C" fn mmap_prepare(desc: *mut bindings::vm_area_desc) -> c_int {
        from_result(|| {
            // SAFETY: the descriptor's file is one that we opened.
            let data = unsafe { Self::data((*desc).file) };
            // SAFETY: the descriptor is valid during this call; release of its file drops the node.
            let request = unsafe { MapRequest::from_raw(desc) };
            data.node.map(&data.state, request)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the core with valid arguments.
    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        from_result(|| {
            // SAFETY: both are valid and exclusive to this call.
            let (file, pos, iter) = unsafe {
                (
                    (*iocb).ki_filp,
                    &mut (*iocb).ki_pos,
                    IovIterDest::from_raw(iter),
                )
            };
            // SAFETY: the core keeps the file open during the call.
            let (data, file) = unsafe { (Self::data(file), OpenFile::from_raw(file)) };
            data.node
                .read(&data.state, file, pos, iter)
                .map(|n| n as isize)
        })
    }

    /// # Safety
    ///
    /// Called by the core with valid arguments.
    unsafe extern "C" fn write_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        from_result(|| {
            // SAFETY: both are valid and exclusive to this call.
            let (file, pos, iter) = unsafe {
                (
                    (*iocb).ki_filp,
                    &mut (*iocb).ki_pos,
                    IovIterSource::from_raw(iter),
                )
            };
            // SAFETY: the core keeps the file open during the call.
            let data = unsafe { Self::data(file) };
            data.node.write(&data.state, pos, iter).map(|n| n as isize)
        })
    }

    /// # Safety
    ///
    /// Called by the core for a file that [`Self::open`] has opened.
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        // SAFETY: by the caller's promise.
        let (data, file) = unsafe { (Self::data(file), OpenFile::from_raw(file)) };
        match data.node.seek(&data.state, file, offset, whence) {
            Ok(pos) => pos,
            Err(e) => e.to_errno().into(),
        }
    }

    /// # Safety
    ///
    /// Called by the core for a file that [`Self::open`] has opened, with a table that is null or valid.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: by the caller's promise.
        unsafe {
            let data = Self::data(file);
            data.node.poll(
                &data.state,
                &Poll::from_raw(OpenFile::from_raw(file), table),
            )
        }
    }

    /// # Safety
    ///
    /// Called by the core for a file that [`Self::open`] has opened.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        from_result(|| {
            // SAFETY: by the caller's promise.
            let (data, file) = unsafe { (Self::data(file), OpenFile::from_raw(file)) };
            data.node
                .ioctl(&data.state, file, cmd, arg)
                .map(|n| n as isize)
        })
    }

    /// # Safety
    ///
    /// Called by the core with a valid seq_file, for a file that [`Self::open`] has opened.
    unsafe extern "C" fn show_fdinfo(m: *mut bindings::seq_file, file: *mut bindings::file) {
        // SAFETY: by the caller's promise.
        let (data, m) = unsafe { (Self::data(file), SeqFile::from_raw(m)) };
        data.node.fdinfo(&data.state, m);
    }
}

/// How many attributes a node can have.
pub(crate) const ATTRIBUTES_MAX: usize = 16;

/// The `I`th attribute of `T`.
struct AttributeAt<T, const I: usize>(PhantomData<T>);

impl<T: Operations, const I: usize> AttributeAt<T, I> {
    // The last of its fields are there with lock debugging only.
    #[allow(clippy::needless_update)]
    const RAW: bindings::device_attribute = bindings::device_attribute {
        attr: bindings::attribute {
            name: if I < T::ATTRIBUTES.len() {
                T::ATTRIBUTES[I].name.to_bytes_with_nul().as_ptr()
            } else {
                ptr::null()
            },
            mode: if I < T::ATTRIBUTES.len() && T::ATTRIBUTES[I].store.is_some() {
                0o644
            } else {
                0o444
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

    /// Null where there is no such attribute: the end of the list.
    const PTR: *const bindings::attribute = if I < T::ATTRIBUTES.len() {
        &Self::RAW.attr
    } else {
        ptr::null()
    };

    /// # Safety
    ///
    /// `dev` must be a device of a `CharDevice<T>`.
    unsafe fn node<'a>(dev: *mut bindings::device) -> &'a T {
        // SAFETY: the misc core made the miscdevice the device's driver data, and removes the attributes, waiting for
        // their users, before the miscdevice goes.
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
        // SAFETY: sysfs gives a page, exclusive to this call.
        let page = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), PAGE_SIZE) };
        let mut out = PageWriter { page, len: 0 };
        // SAFETY: by the caller's promise.
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
            // SAFETY: by the caller's promise.
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

/// Writes text to a page; what does not fit is an error.
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

impl<T: Operations> Vtable<T> {
    /// # Safety
    ///
    /// Called by sysfs for the object in a device of a `CharDevice<T>`, with one of its attributes.
    unsafe extern "C" fn is_visible(
        kobj: *mut bindings::kobject,
        attr: *mut bindings::attribute,
        index: c_int,
    ) -> bindings::umode_t {
        // SAFETY: the object is that of a device, whose driver data is the miscdevice; see `AttributeAt::node`.
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

    const LIST: &'static [*const bindings::attribute; ATTRIBUTES_MAX + 1] =
        attribute_list!(T: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);

    const GROUP: &'static bindings::attribute_group = &bindings::attribute_group {
        __bindgen_anon_1: bindings::attribute_group__bindgen_ty_1 {
            is_visible: Some(Self::is_visible),
        },
        __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
            attrs: Self::LIST.as_ptr().cast_mut().cast(),
        },
        ..pin_init::zeroed()
    };

    const GROUPS: &'static [*const bindings::attribute_group; 2] = &[Self::GROUP, ptr::null()];
}
