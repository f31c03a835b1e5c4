// SPDX-License-Identifier: GPL-2.0-only

//! A framebuffer window: its visible page, and the fbdev ioctls that existing programs use.
//!
//! C header: [`include/uapi/linux/fb.h`](srctree/include/uapi/linux/fb.h)

pub(crate) mod geometry;
pub(crate) mod scanout;

use self::{
    geometry::Geometry,
    scanout::Scanout, //
};
use crate::{
    sys::{
        abi::{
            FbBitfield,
            FbCmap,
            FbFix,
            FbVar,
            Long, //
        },
        PAGE_SIZE, //
    }, //
};
use core::mem::size_of;
use kernel::{
    ioctl::_IOW,
    new_mutex,
    prelude::*,
    sync::Mutex,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

const FBIOGET_VSCREENINFO: u32 = 0x4600;
const FBIOPUT_VSCREENINFO: u32 = 0x4601;
const FBIOGET_FSCREENINFO: u32 = 0x4602;
const FBIOGETCMAP: u32 = 0x4604;
const FBIOPUTCMAP: u32 = 0x4605;
const FBIOPAN_DISPLAY: u32 = 0x4606;
const FBIOBLANK: u32 = 0x4611;
const FBIO_WAITFORVSYNC: u32 = _IOW::<u32>('F' as u32, 0x20);

const FB_VISUAL_TRUECOLOR: u32 = 2;
const FB_BLANK_UNBLANK: usize = 0;
const FB_BLANK_POWERDOWN: usize = 4;

const FB_ACTIVATE_NOW: u32 = 0;
/// The bits that select when a mode is set.
const FB_ACTIVATE_MASK: u32 = 15;
/// The mode is removed from the list of modes instead of set.
const FB_ACTIVATE_INV_MODE: u32 = 256;
const FB_VMODE_YWRAP: u32 = 256;

/// An upper bound for the entries of a colour map.
const CMAP_MAX: u32 = 1 << 16;

/// What a descriptor permits beyond reading the framebuffer's state.
#[derive(Clone, Copy)]
pub(crate) struct Rights {
    /// See physical addresses.
    pub(crate) addresses: bool,
    /// Change what is shown.
    pub(crate) write: bool,
}

/// What the display shows now.
struct Shown {
    display: Option<KBox<dyn Scanout>>,
    /// The first line that is visible.
    yoffset: u32,
    blank: bool,
}

/// The framebuffer of a window.
#[pin_data]
pub(crate) struct Framebuffer {
    pub(crate) geometry: Geometry,
    /// Physical address of the first pixel; 0 if the memory is not physically contiguous.
    start: u64,
    #[pin]
    shown: Mutex<Shown>,
}

impl Framebuffer {
    /// A framebuffer without a display.
    pub(crate) fn new(geometry: Geometry, start: u64) -> impl PinInit<Self> {
        pin_init!(Self {
            geometry,
            start,
            shown <- new_mutex!(
                Shown { display: None, yoffset: 0, blank: false },
                "fanlight::shown"
            ),
        })
    }

    /// Shows the first page on `display`.
    pub(crate) fn attach(&self, mut display: KBox<dyn Scanout>) -> Result {
        display.show(0)?;
        self.shown.lock().display = Some(display);
        Ok(())
    }

    /// Detaches the display, which stops showing the window.
    pub(crate) fn detach(&self) {
        let display = self.shown.lock().display.take();
        drop(display);
    }

    /// Whether `cmd` is one of the fbdev ioctls that [`Framebuffer::ioctl`] handles.
    pub(crate) fn handles(cmd: u32) -> bool {
        matches!(
            cmd,
            FBIOGET_VSCREENINFO
                | FBIOPUT_VSCREENINFO
                | FBIOGET_FSCREENINFO
                | FBIOGETCMAP
                | FBIOPUTCMAP
                | FBIOPAN_DISPLAY
                | FBIOBLANK
                | FBIO_WAITFORVSYNC
        )
    }

    /// Handles an fbdev ioctl for a window of `size` bytes. `EBADF`: the ioctl changes what is
    /// shown, and the descriptor is not open for writing.
    pub(crate) fn ioctl(&self, cmd: u32, arg: usize, size: usize, rights: Rights) -> Result<usize> {
        let may_write = if rights.write { Ok(()) } else { Err(EBADF) };
        let user = |len| UserSlice::new(UserPtr::from_addr(arg), len);
        let var_len = size_of::<FbVar>();
        match cmd {
            FBIOGET_VSCREENINFO => user(var_len).writer().write(&self.var())?,
            FBIOPUT_VSCREENINFO => {
                let wanted: FbVar = user(var_len).reader().read()?;
                let answer = self.set_var(&wanted, may_write)?;
                user(var_len).writer().write(&answer)?;
            }
            FBIOGET_FSCREENINFO => {
                let write = |bytes: &[u8]| user(bytes.len()).writer().write_slice(bytes);
                self.fix(size, rights).write(Long::of_caller(), write)?;
            }
            FBIOPAN_DISPLAY => {
                may_write?;
                let wanted: FbVar = user(var_len).reader().read()?;
                // fbdev does not change the request either.
                self.check_offsets(&wanted)?;
                self.pan(wanted.yoffset)?;
            }
            FBIOGETCMAP => {
                FbCmap::read(Long::of_caller(), arg)?;
                // A true-colour display has no colour map that could be read.
                return Err(EINVAL);
            }
            FBIOPUTCMAP => check_cmap(&FbCmap::read(Long::of_caller(), arg)?)?,
            FBIOBLANK => {
                may_write?;
                self.blank(arg)?;
            }
            FBIO_WAITFORVSYNC => {
                let mut shown = self.shown.lock();
                let display = shown.display.as_mut().ok_or(ENOTTY)?;
                display.wait_for_vsync()?;
            }
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }

    /// Does what `fb_set_var()` does for a display with one mode: it returns the current mode, and
    /// does not fail if another one is requested. `may_write`: whether the caller may change what
    /// is shown.
    fn set_var(&self, wanted: &FbVar, may_write: Result) -> Result<FbVar> {
        let is_mode = self.is_mode(wanted);
        if wanted.activate & FB_ACTIVATE_INV_MODE != 0 {
            // The only mode cannot be removed, and no other mode is in the list.
            return if is_mode { Err(EINVAL) } else { Ok(self.var()) };
        }
        if !is_mode {
            return Ok(self.var());
        }
        self.check_offsets(wanted)?;
        if wanted.activate & FB_ACTIVATE_MASK == FB_ACTIVATE_NOW {
            if wanted.yoffset != self.var().yoffset {
                may_write?;
                self.pan(wanted.yoffset)?;
            }
            return Ok(self.var());
        }
        // A request to test a mode, or to set it later, changes nothing.
        Ok(FbVar {
            yoffset: wanted.yoffset,
            activate: wanted.activate,
            ..self.var()
        })
    }

    fn is_mode(&self, var: &FbVar) -> bool {
        let g = &self.geometry;
        var.xres == g.width && var.yres == g.height && var.bits_per_pixel == g.format.bits
    }

    /// The last line at which the visible page can begin.
    fn last_line(&self) -> u32 {
        self.geometry.height * (self.geometry.pages - 1)
    }

    /// Checks the requested offsets. The visible page cannot wrap around the end of the memory.
    fn check_offsets(&self, var: &FbVar) -> Result {
        if var.xoffset != 0 || var.yoffset > self.last_line() || var.vmode & FB_VMODE_YWRAP != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// The first line that is visible.
    pub(crate) fn yoffset(&self) -> u32 {
        self.shown.lock().yoffset
    }

    /// Shows the page that begins at line `yoffset`.
    pub(crate) fn pan(&self, yoffset: u32) -> Result {
        if yoffset > self.last_line() {
            return Err(EINVAL);
        }
        let mut shown = self.shown.lock();
        if !shown.blank && yoffset != shown.yoffset {
            if let Some(display) = &mut shown.display {
                display.show(yoffset)?;
            }
        }
        shown.yoffset = yoffset;
        Ok(())
    }

    fn blank(&self, how: usize) -> Result {
        // fbdev checks all bits of the argument, too.
        if how > FB_BLANK_POWERDOWN {
            return Err(EINVAL);
        }
        let mut shown = self.shown.lock();
        let blank = how != FB_BLANK_UNBLANK;
        let yoffset = shown.yoffset;
        let display = shown.display.as_mut().ok_or(EINVAL)?;
        if blank {
            display.blank()?;
        } else {
            display.show(yoffset)?;
        }
        shown.blank = blank;
        Ok(())
    }

    fn var(&self) -> FbVar {
        let g = &self.geometry;
        let field = |(offset, length): (u32, u32)| FbBitfield {
            offset,
            length,
            msb_right: 0,
        };
        let [red, green, blue, alpha] = g.format.fields;
        FbVar {
            xres: g.width,
            yres: g.height,
            xres_virtual: g.width,
            yres_virtual: g.height * g.pages,
            yoffset: self.yoffset(),
            bits_per_pixel: g.format.bits,
            red: field(red),
            green: field(green),
            blue: field(blue),
            transp: field(alpha),
            // Physical size unknown: fbdev drivers report -1.
            height: u32::MAX,
            width: u32::MAX,
            ..FbVar::default()
        }
    }

    /// The physical address. If the caller may not see addresses, only the offset within the page:
    /// programs add it to the address of their mapping.
    fn smem_start(&self, rights: Rights) -> u64 {
        if rights.addresses {
            self.start
        } else {
            self.start % PAGE_SIZE as u64
        }
    }

    fn fix(&self, size: usize, rights: Rights) -> FbFix {
        let mut id = [0; 16];
        id[..8].copy_from_slice(b"fanlight");
        FbFix {
            id,
            smem_start: self.smem_start(rights),
            smem_len: u32::try_from(size).unwrap_or(u32::MAX - (PAGE_SIZE as u32 - 1)),
            visual: FB_VISUAL_TRUECOLOR,
            ypanstep: if self.geometry.pages > 1 { 1 } else { 0 },
            line_length: self.geometry.stride,
        }
    }
}

/// Handles a colour map as fbdev does for a true-colour display: reads it, without a visible
/// effect.
fn check_cmap(cmap: &FbCmap) -> Result {
    if cmap.len > CMAP_MAX {
        return Err(E2BIG);
    }
    if cmap.len == 0 || i32::try_from(cmap.start).is_err() {
        return Err(EINVAL);
    }
    let [red, green, blue, transp] = cmap.columns;
    let required = [
        Some(red),
        Some(green),
        Some(blue),
        Some(transp).filter(|at| *at != 0),
    ];
    for column in required.into_iter().flatten() {
        let mut left = cmap.len as usize * size_of::<u16>();
        let mut reader = UserSlice::new(UserPtr::from_addr(column), left).reader();
        let mut chunk = [0; 256];
        while left > 0 {
            let part = left.min(chunk.len());
            reader.read_slice(&mut chunk[..part])?;
            left -= part;
        }
    }
    Ok(())
}
