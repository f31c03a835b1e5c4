// SPDX-License-Identifier: GPL-2.0-only

//! A window: its memory, its kind, and the operations of its files.

use crate::{
    framebuffer::{
        self,
        geometry::ScanoutKind,
        Framebuffer, //
    },
    log::{
        file::LogFile,
        intake::Intake,
        previous::Previous, //
    },
    memory,
    refusal::Text,
    ring::Digits,
    spec::Name,
    sys::{
        capability::{
            may_clear_log,
            may_show_addresses, //
        },
        chardev::Operations,
        file::OpenFile,
        mapping::{
            MapRequest,
            Mapping,
            Protection, //
        },
        persistent::Region,
        poll::Events,
        sysfs::Attribute,
        wait::Waiters,
        Cache, //
    },
    uapi::{
        self,
        Info,
        LogStats,
        Watermark, //
    }, //
};
use core::mem::size_of;
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::Relaxed,
        Arc, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// What a window is.
pub(crate) enum Content {
    /// Memory or registers.
    Memory,
    /// A framebuffer.
    Framebuffer(Pin<KBox<Framebuffer>>),
    /// The log of this boot, and whether it is kept over a reboot: "yes", or the reason why not.
    Log(Arc<Intake>, Text),
    /// The log of an earlier boot, and the intake that writes to the region that keeps it.
    Previous(Arc<Previous>, Arc<Intake>),
}

impl Content {
    /// The intake of the log of this boot.
    pub(crate) fn intake(&self) -> Option<&Arc<Intake>> {
        match self {
            Content::Log(intake, _) => Some(intake),
            _ => None,
        }
    }

    /// The framebuffer.
    pub(crate) fn framebuffer(&self) -> Option<&Framebuffer> {
        match self {
            Content::Framebuffer(fb) => Some(fb),
            _ => None,
        }
    }

    /// The copy of this boot's log.
    pub(crate) fn region(&self) -> Option<&Region> {
        self.intake()?.region.as_deref()
    }

    /// The log of an earlier boot.
    pub(crate) fn previous(&self) -> Option<&Previous> {
        match self {
            Content::Previous(previous, _) => Some(previous),
            _ => None,
        }
    }
}

/// The backing as user space sees it: `FANLIGHT_BACKING_*`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum BackingKind {
    Carveout = uapi::BACKING_CARVEOUT,
    Contiguous = uapi::BACKING_CONTIGUOUS,
    Vmalloc = uapi::BACKING_VMALLOC,
}

/// How a window may be accessed.
pub(crate) struct Rights {
    pub(crate) read_only: bool,
    /// Bytes of every access to registers; 0: any.
    pub(crate) io_width: u32,
}

/// A window.
#[pin_data]
pub(crate) struct Window {
    pub(crate) name: Name,
    pub(crate) instance: u32,
    pub(crate) backing: BackingKind,
    pub(crate) read_only: bool,
    /// Bytes of every access to registers; 0: any.
    io_width: u32,
    pub(crate) content: Content,
    #[pin]
    pub(crate) mapping: Mapping,
}

impl Window {
    /// Creates a window from its parts.
    pub(crate) fn new(
        name: Name,
        instance: u32,
        backing: BackingKind,
        rights: Rights,
        content: Content,
        mapping: impl PinInit<Mapping, Error>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            name,
            instance,
            backing,
            read_only: rights.read_only,
            io_width: rights.io_width,
            content,
            mapping <- mapping,
        })
    }

    /// Revokes windows: see [`Mapping::revoke`].
    pub(crate) fn revoke_all(windows: &[Arc<Self>]) {
        // In two steps, so that all of them wait for one grace period.
        windows.iter().for_each(|window| window.stop());
        windows.iter().for_each(|window| window.mapping.revoke());
    }

    fn stop(&self) {
        if let Content::Framebuffer(fb) = &self.content {
            fb.detach();
        }
        self.mapping.stop();
        match &self.content {
            Content::Log(intake, _) => {
                intake.log.end();
                intake.end();
            }
            Content::Previous(previous, _) => previous.log.end(),
            _ => {}
        }
    }

    /// `addresses`: include physical addresses.
    fn info(&self, addresses: bool) -> Info {
        let mut name = [0; uapi::NAME_LEN];
        let bytes = self.name.as_str().as_bytes();
        name[..bytes.len()].copy_from_slice(bytes);
        let mut info = Info {
            abi: uapi::ABI,
            kind: uapi::KIND_MEMORY,
            backing: self.backing as u32,
            cache: self.mapping.cache() as u32,
            size: self.mapping.size() as u64,
            phys: self.mapping.phys().filter(|_| addresses).unwrap_or(0),
            instance: self.instance,
            name,
            reg_io_width: self.io_width,
            offset: self.mapping.page_offset() as u32,
            ..Info::default()
        };
        if self.mapping.is_mappable() {
            info.rights |= uapi::RIGHT_MAP_READ;
            if !self.read_only {
                info.rights |= uapi::RIGHT_MAP_WRITE;
            }
        }
        if !self.mapping.is_map_only() {
            info.rights |= if self.read_only {
                uapi::RIGHT_READ
            } else {
                uapi::RIGHT_READ | uapi::RIGHT_WRITE
            };
        }
        match &self.content {
            Content::Memory => {}
            Content::Framebuffer(fb) => {
                let g = &fb.geometry;
                info.kind = uapi::KIND_FRAMEBUFFER;
                info.scanout = g.scanout as u32;
                info.width = g.width;
                info.height = g.height;
                info.stride = g.stride;
                info.format = g.format.fourcc;
                info.pages = g.pages;
            }
            Content::Log(..) => {
                info.kind = uapi::KIND_LOG;
                info.rights |= uapi::RIGHT_WRITE;
            }
            Content::Previous(..) => info.kind = uapi::KIND_LOG,
        }
        info
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Memory => "memory",
            Content::Framebuffer(_) => "framebuffer",
            Content::Log(..) | Content::Previous(..) => "log",
        }
    }

    pub(crate) fn backing(&self) -> &'static str {
        match self.backing {
            BackingKind::Carveout => "carveout",
            BackingKind::Contiguous => "contiguous",
            BackingKind::Vmalloc => "vmalloc",
        }
    }

    pub(crate) fn cache(&self) -> &'static str {
        match self.mapping.cache() {
            Cache::WriteCombine => "writecombine",
            Cache::Noncached => "noncached",
            Cache::Cached => "cached",
        }
    }

    pub(crate) fn mapped_as(&self) -> &'static str {
        if self.mapping.is_by_pages() {
            "pages"
        } else {
            "pfn"
        }
    }

    pub(crate) fn scanout(&self) -> &'static str {
        match &self.content {
            Content::Framebuffer(fb) => match fb.geometry.scanout {
                ScanoutKind::None => "none",
                ScanoutKind::Ramfb => "ramfb",
                ScanoutKind::RpiFirmware => "rpi",
            },
            _ => "none",
        }
    }
}

/// The state of an open file.
pub(crate) enum FileState {
    Memory {
        /// Whether its opener may see physical addresses.
        addresses: bool,
    },
    Log(Pin<KBox<LogFile>>),
}

impl Operations for Window {
    type File = FileState;

    const ATTRIBUTES: &'static [Attribute<Self>] = crate::attributes::ATTRIBUTES;

    fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    fn open(&self, file: OpenFile<'_>) -> Result<FileState> {
        if !self.mapping.is_live() {
            return Err(ENODEV);
        }
        match &self.content {
            Content::Log(intake, _) => {
                let log = LogFile::new(&intake.log, Some(intake), file)?;
                Ok(FileState::Log(log))
            }
            Content::Previous(..) if file.is_writable() => Err(EACCES),
            Content::Previous(previous, _) => {
                Ok(FileState::Log(LogFile::new(&previous.log, None, file)?))
            }
            _ if self.read_only && file.is_writable() => Err(EACCES),
            // This applies to the file, also if another process receives it.
            _ => Ok(FileState::Memory {
                addresses: may_show_addresses(),
            }),
        }
    }

    fn map(&self, state: &FileState, request: MapRequest<'_>) -> Result {
        match state {
            FileState::Log(file) if !file.may_map() => Err(EPERM),
            FileState::Log(_) => request.map(Protection::ReadOnly, false),
            FileState::Memory { addresses } => {
                let protection = if self.read_only {
                    Protection::NoWrite
                } else {
                    Protection::Any
                };
                request.map(protection, *addresses)
            }
        }
    }

    fn read(
        &self,
        state: &FileState,
        file: OpenFile<'_>,
        pos: &mut i64,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        match state {
            FileState::Log(log) => log.read(file, to),
            FileState::Memory { .. } => memory::read(&self.mapping, pos, to),
        }
    }

    fn write(
        &self,
        state: &FileState,
        file: OpenFile<'_>,
        pos: &mut i64,
        from: &mut IovIterSource<'_>,
    ) -> Result<usize> {
        match state {
            FileState::Log(log) => log.write(file, from),
            FileState::Memory { .. } => memory::write(&self.mapping, pos, from),
        }
    }

    fn seek(&self, state: &FileState, file: OpenFile<'_>, offset: i64, whence: i32) -> Result<i64> {
        match state {
            FileState::Log(log) => log.seek(offset, whence),
            FileState::Memory { .. } => file.seek_within(offset, whence, self.mapping.size()),
        }
    }

    fn waiters<'a>(&'a self, state: &'a FileState) -> Option<&'a Waiters> {
        match state {
            FileState::Log(log) => Some(log.waiters()),
            FileState::Memory { .. } => None,
        }
    }

    fn poll(&self, state: &FileState, file: OpenFile<'_>) -> Events {
        match state {
            FileState::Log(log) => log.poll(file),
            FileState::Memory { .. } if self.mapping.is_live() => {
                Events::READABLE | Events::WRITABLE
            }
            FileState::Memory { .. } => Events::GONE,
        }
    }

    fn ioctl(&self, state: &FileState, file: OpenFile<'_>, cmd: u32, arg: usize) -> Result<usize> {
        if !self.mapping.is_live() {
            return Err(ENODEV);
        }
        let user = |len| UserSlice::new(UserPtr::from_addr(arg), len);
        // The memory of a log has no physical address.
        let addresses = matches!(state, FileState::Memory { addresses: true });
        match (cmd, state, &self.content) {
            (uapi::IOC_INFO, ..) => user(size_of::<Info>())
                .writer()
                .write(&self.info(addresses))?,
            (cmd, _, Content::Framebuffer(fb)) if Framebuffer::handles(cmd) => {
                let rights = framebuffer::Rights {
                    addresses,
                    write: file.is_writable(),
                };
                return fb.ioctl(cmd, arg, self.mapping.size(), rights);
            }
            (uapi::IOC_LOG_FORM, FileState::Log(log), _) => {
                log.set_form(user(4).reader().read()?, file)?;
            }
            (uapi::IOC_LOG_WATERMARK, FileState::Log(log), _) => {
                log.set_watermark(user(size_of::<Watermark>()).reader().read()?)?;
            }
            (uapi::IOC_LOG_STATS, FileState::Log(log), _) => {
                let stats = log.stats()?;
                user(size_of::<LogStats>()).writer().write(&stats)?;
            }
            // The log of this boot cannot be cleared, since other programs read it.
            (
                uapi::IOC_LOG_CLEAR | uapi::IOC_LOG_FORGET,
                _,
                Content::Previous(previous, intake),
            ) => {
                if !may_clear_log() {
                    return Err(EPERM);
                }
                if cmd == uapi::IOC_LOG_CLEAR {
                    previous.clear(intake)?;
                } else {
                    previous.forget(intake)?;
                }
            }
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }

    fn fdinfo(&self, state: &FileState, out: &SeqFile) {
        let counters = &self.mapping.counters;
        seq_print!(
            out,
            "window:\t{}\nkind:\t{}\nbacking:\t{}\ncache:\t{}\nmapping:\t{}\nsize:\t{}\n\
             maps:\t{}\n",
            self.name.as_str(),
            self.kind(),
            self.backing(),
            self.cache(),
            self.mapped_as(),
            self.mapping.size(),
            counters.maps.load(Relaxed)
        );
        if let FileState::Log(log) = state {
            if let Ok(stats) = log.stats() {
                seq_print!(out, "lost:\t{}\n", Digits::of(stats.lost).as_str());
            }
        }
    }
}
