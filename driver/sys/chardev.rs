// SPDX-License-Identifier: GPL-2.0-only

//! Character devices: file operations and the device node.
//!
//! C headers: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)
//!
//! `kernel::miscdevice` of 7.2 has no `owner` (the module could be removed while a file is open),
//! and no poll, llseek, mmap_prepare, parent, groups or mode. This file has only what the driver's
//! nodes need.

use super::{
    address_space::AddressSpace,
    file::OpenFile,
    mapping::{
        MapRequest,
        Mapping, //
    },
    poll::Events,
    sysfs::{
        Attribute,
        Groups, //
    },
    version::this_module,
    wait::Waiters, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    device::Device,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
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

/// The operations of a node. All may sleep.
pub(crate) trait Operations: Send + Sync + Sized + 'static {
    /// The state of one open file.
    type File: Send + Sync + 'static;

    /// At most [`ATTRIBUTES_MAX`](super::sysfs::ATTRIBUTES_MAX).
    const ATTRIBUTES: &'static [Attribute<Self>];

    /// The memory that the files of this node map. Called once per file.
    fn mapping(&self) -> &Mapping;
    /// In the context of the opener.
    fn open(&self, file: OpenFile<'_>) -> Result<Self::File>;
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
        file: OpenFile<'_>,
        pos: &mut i64,
        from: &mut IovIterSource<'_>,
    ) -> Result<usize>;
    fn seek(&self, state: &Self::File, file: OpenFile<'_>, offset: i64, whence: i32)
        -> Result<i64>;
    /// The waiters that are woken when the result of [`Operations::poll`] may change, other than by
    /// revocation.
    fn waiters<'a>(&'a self, state: &'a Self::File) -> Option<&'a Waiters>;
    /// The current poll events. The caller is already in the wait queues.
    fn poll(&self, state: &Self::File, file: OpenFile<'_>) -> Events;
    fn ioctl(&self, state: &Self::File, file: OpenFile<'_>, cmd: u32, arg: usize) -> Result<usize>;
    fn fdinfo(&self, state: &Self::File, out: &SeqFile);
}

/// A registered node. Dropping it removes the node; open files stay valid.
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
    /// Registers `/dev/<path>` with the permissions `mode`, and `<name>` of class misc in sysfs,
    /// with the parent `parent`.
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
            groups: Groups::<T>::ALL.as_ptr().cast_mut(),
            mode,
            ..pin_init::zeroed()
        };
        try_pin_init!(Self {
            node,
            _name: name,
            _path: path,
            // Last: the node may be opened as soon as it is registered. The bytes of the strings do
            // not move when the strings do.
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                // SAFETY: the slot may be written, and stays where it is until the drop has
                // deregistered it.
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
    pub(super) unsafe fn node_of<'a>(misc: *mut bindings::miscdevice) -> &'a Arc<T> {
        // SAFETY: the caller passes the field `misc` of a `CharDevice<T>`, which starts at this
        // offset before it and is not dropped while `misc` is registered.
        unsafe { &(*kernel::container_of!(Opaque::cast_from(misc), Self, misc)).node }
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for CharDevice<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` registered `misc`, or there would be no `CharDevice`, and only this drop
        // deregisters it. Open files do not use it: they keep `node` by themselves.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// What the private data of a file points to, from open to release. It does not change, so a
/// reference to a part of it stays valid until the release.
///
/// # Invariants
///
/// `mapping` is a part of `node`. The file belongs to its address space.
struct FileData<T: Operations> {
    node: Arc<T>,
    mapping: NonNull<Mapping>,
    state: T::File,
}

impl<T: Operations> FileData<T> {
    fn mapping(&self) -> &Mapping {
        // SAFETY: `mapping` is a part of what `node` points to. The reference count of `node` is
        // held as long as `self` lives, and an `Arc` does not move its contents.
        unsafe { self.mapping.as_ref() }
    }
}

/// The tables of function pointers for nodes of type `T`.
struct Vtable<T>(PhantomData<T>);

impl<T: Operations> Vtable<T> {
    const FOPS: &'static bindings::file_operations = &bindings::file_operations {
        owner: this_module(),
        open: Some(Self::open),
        release: Some(Self::release),
        flush: Some(Self::flush),
        mmap_prepare: Some(Self::mmap_prepare),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        llseek: Some(Self::llseek),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        // All structures have one layout, except those of fbdev: see framebuffer.rs.
        compat_ioctl: Some(Self::ioctl),
        show_fdinfo: Some(Self::show_fdinfo),
        // Stores reach memory at once: there is nothing to write back.
        fsync: Some(bindings::noop_fsync),
        splice_read: Some(bindings::copy_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` must be one that [`Self::open`] has opened and [`Self::release`] has not released,
    /// for all of `'a`.
    unsafe fn data<'a>(file: *mut bindings::file) -> &'a FileData<T> {
        // SAFETY: `open` set the private data to a box that `release` frees.
        unsafe { &*(*file).private_data.cast::<FileData<T>>() }
    }

    /// # Safety
    ///
    /// Called by the core for a miscdevice of a `CharDevice<T>`, which can't be deregistered
    /// during the call.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        from_result(|| {
            // SAFETY: misc_open left the miscdevice in the private data.
            let node = unsafe { CharDevice::<T>::node_of((*file).private_data.cast()) }.clone();
            // SAFETY: the file is valid, and this is its open.
            let state = node.open(unsafe { OpenFile::from_raw(file) })?;
            // INVARIANT: the reference lives as long as the one to the node. The file gets the
            // address space below.
            let mapping = NonNull::from(node.mapping());
            let data = FileData {
                node,
                mapping,
                state,
            };
            let data = KBox::new(data, GFP_KERNEL_ACCOUNT)?;
            let space: *const AddressSpace = data.mapping().space();
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
        // SAFETY: `open` put the box there, and the core does not use the file after release.
        drop(unsafe { KBox::<FileData<T>>::from_foreign((*file).private_data.cast()) });
        0
    }

    /// # Safety
    ///
    /// Called by the core with a valid descriptor.
    unsafe extern "C" fn mmap_prepare(desc: *mut bindings::vm_area_desc) -> c_int {
        from_result(|| {
            // SAFETY: the core calls the operations of the descriptor's file, which are these: so
            // `open` has opened it. mmap() holds a reference to it during this call.
            let data = unsafe { Self::data((*desc).file) };
            // SAFETY: the descriptor is valid during this call. Its file belongs to the address
            // space of the mapping, and keeps the node that this is a part of until its release.
            let request = unsafe { MapRequest::from_raw(desc, data.mapping()) };
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
            // SAFETY: the core builds the kiocb and the iterator for this one call, so that no
            // other code uses them until it returns.
            let (file, pos, iter) = unsafe {
                (
                    (*iocb).ki_filp,
                    &mut (*iocb).ki_pos,
                    IovIterDest::from_raw(iter),
                )
            };
            // SAFETY: the system call keeps the file, which `open` has opened, so that `release`
            // cannot be called before this returns.
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
            // SAFETY: the core builds the kiocb and the iterator for this one call, so that no
            // other code uses them until it returns.
            let (file, pos, iter) = unsafe {
                (
                    (*iocb).ki_filp,
                    &mut (*iocb).ki_pos,
                    IovIterSource::from_raw(iter),
                )
            };
            // SAFETY: the system call keeps the file, which `open` has opened, so that `release`
            // cannot be called before this returns.
            let (data, file) = unsafe { (Self::data(file), OpenFile::from_raw(file)) };
            data.node
                .write(&data.state, file, pos, iter)
                .map(|n| n as isize)
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
        // SAFETY: lseek() keeps the file, which `open` has opened, so that `release` cannot be
        // called before this returns.
        let (data, file) = unsafe { (Self::data(file), OpenFile::from_raw(file)) };
        match data.node.seek(&data.state, file, offset, whence) {
            Ok(pos) => pos,
            Err(e) => e.to_errno().into(),
        }
    }

    /// # Safety
    ///
    /// Called by the core for a file that [`Self::open`] has opened, with a table that is null or
    /// valid.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: poll() keeps the file, and an epoll instance removes the file
        // before its `release`: in both cases `release` comes after this call.
        let (data, open) = unsafe { (Self::data(file), OpenFile::from_raw(file)) };
        let waiters = data.node.waiters(&data.state).map(Waiters::queue);
        for queue in [Some(data.mapping().gone()), waiters].into_iter().flatten() {
            // SAFETY: the file is valid, and the table null or valid. The references to the queues
            // are as long as those to the node and to the state, which are there until the file's
            // release; the core takes a file out of every poll before that.
            unsafe { bindings::poll_wait(file, queue.as_ptr(), table) };
        }
        data.node.poll(&data.state, open).bits()
    }

    /// # Safety
    ///
    /// Called by the core for a file that [`Self::open`] has opened, when a descriptor of it is
    /// closed.
    unsafe extern "C" fn flush(file: *mut bindings::file, _id: bindings::fl_owner_t) -> c_int {
        // SAFETY: close() calls this before it drops its reference to the file, so that `release`
        // was not called yet.
        unsafe { Self::data(file) }.mapping().forget_failed();
        0
    }

    /// # Safety
    ///
    /// Called by the core for a file that [`Self::open`] has opened.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        from_result(|| {
            // SAFETY: ioctl() keeps the file, which `open` has opened, so that `release` cannot be
            // called before this returns.
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
        // SAFETY: procfs keeps the file, which `open` has opened, during this call, and locks the
        // seq_file that it passes.
        let (data, m) = unsafe { (Self::data(file), SeqFile::from_raw(m)) };
        data.node.fdinfo(&data.state, m);
    }
}
