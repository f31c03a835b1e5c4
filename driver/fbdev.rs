// SPDX-License-Identifier: GPL-2.0-only

//! A framebuffer window: what it shows, and the fbdev ioctls that existing programs use.
//!
//! C header: [`include/uapi/linux/fb.h`](srctree/include/uapi/linux/fb.h)

use crate::{
    geometry::Geometry,
    scanout::Scanout,
    sys::{
        abi::{
            FbBitfield,
            FbFix,
            FbVar, //
        },
        file::may_show_addresses,
        PAGE_SIZE, //
    }, //
};
use kernel::{
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
const FBIOPAN_DISPLAY: u32 = 0x4606;
const FBIOBLANK: u32 = 0x4611;

const FB_VISUAL_TRUECOLOR: u32 = 2;
const FB_BLANK_UNBLANK: usize = 0;
const FB_BLANK_POWERDOWN: usize = 4;

/// What is shown now.
struct Shown {
    display: Option<KBox<dyn Scanout>>,
    /// The first line that is visible.
    yoffset: u32,
    blank: bool,
}

/// The picture in a window.
#[pin_data]
pub(crate) struct Framebuffer {
    pub(crate) geometry: Geometry,
    /// Physical address of the first pixel; 0 where there is none.
    start: u64,
    #[pin]
    shown: Mutex<Shown>,
}

impl Framebuffer {
    /// A picture that nothing shows yet.
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

    /// Shows the first screen on `display`.
    pub(crate) fn attach(&self, mut display: KBox<dyn Scanout>) -> Result {
        display.show(0)?;
        self.shown.lock().display = Some(display);
        Ok(())
    }

    /// Stops showing it.
    pub(crate) fn detach(&self) {
        let display = self.shown.lock().display.take();
        drop(display);
    }

    /// Whether `cmd` is one of fbdev's that this answers.
    pub(crate) fn knows(cmd: u32) -> bool {
        matches!(
            cmd,
            FBIOGET_VSCREENINFO
                | FBIOPUT_VSCREENINFO
                | FBIOGET_FSCREENINFO
                | FBIOPAN_DISPLAY
                | FBIOBLANK
        )
    }

    /// Answers an ioctl of fbdev for a window of `size` bytes.
    pub(crate) fn ioctl(&self, cmd: u32, arg: usize, size: usize) -> Result<usize> {
        let user = |len| UserSlice::new(UserPtr::from_addr(arg), len);
        let var_len = core::mem::size_of::<FbVar>();
        match cmd {
            FBIOGET_VSCREENINFO => user(var_len).writer().write(&self.var())?,
            // As fbdev does for a display with one mode: the mode that is comes back, and it is no error.
            FBIOPUT_VSCREENINFO => {
                let wanted: FbVar = user(var_len).reader().read()?;
                if self.is_mode(&wanted) && wanted.yoffset != self.var().yoffset {
                    self.pan(wanted.yoffset)?;
                }
                user(var_len).writer().write(&self.var())?;
            }
            FBIOGET_FSCREENINFO => {
                let len = core::mem::size_of::<FbFix>();
                user(len).writer().write(&self.fix(size))?;
            }
            FBIOPAN_DISPLAY => {
                let wanted: FbVar = user(var_len).reader().read()?;
                if wanted.xoffset != 0 {
                    return Err(EINVAL);
                }
                self.pan(wanted.yoffset)?;
                user(var_len).writer().write(&self.var())?;
            }
            FBIOBLANK => self.blank(arg)?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }

    fn is_mode(&self, var: &FbVar) -> bool {
        let g = &self.geometry;
        var.xres == g.width
            && var.yres == g.height
            && var.bits_per_pixel == g.format.bits
            && var.xoffset == 0
    }

    fn pan(&self, yoffset: u32) -> Result {
        let last = self.geometry.height * (self.geometry.pages - 1);
        if yoffset > last {
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
            yoffset: self.shown.lock().yoffset,
            bits_per_pixel: g.format.bits,
            red: field(red),
            green: field(green),
            blue: field(blue),
            transp: field(alpha),
            // Not known: as fbdev drivers say it.
            height: u32::MAX,
            width: u32::MAX,
            ..FbVar::default()
        }
    }

    /// The physical address; 0 where it does not fit. Without the right to see it, where the memory
    /// begins in its page is left: programs add that to the address of their mapping.
    fn smem_start(&self) -> u32 {
        if may_show_addresses() {
            u32::try_from(self.start).unwrap_or(0)
        } else {
            (self.start % PAGE_SIZE as u64) as u32
        }
    }

    fn fix(&self, size: usize) -> FbFix {
        let mut id = [0; 16];
        id[..8].copy_from_slice(b"fanlight");
        FbFix {
            id,
            smem_start: self.smem_start(),
            smem_len: size as u32,
            visual: FB_VISUAL_TRUECOLOR,
            ypanstep: if self.geometry.pages > 1 { 1 } else { 0 },
            line_length: self.geometry.stride,
            ..FbFix::default()
        }
    }
}
