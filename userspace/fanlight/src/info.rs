// SPDX-License-Identifier: MIT OR Apache-2.0
//! The driver's description of a window, by its ioctl or in sysfs.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::abi;
use crate::geometry::{Geometry, PixelFormat};

/// Defines an enum of the driver's numbers, with their names in sysfs.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$vdoc:meta])* $variant:ident = $number:path, $text:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// An unknown number: the driver is newer than this library.
            Unknown(u32),
        }

        impl $name {
            fn from_number(number: u32) -> Self {
                match number {
                    $($number => $name::$variant,)*
                    other => $name::Unknown(other),
                }
            }

            fn from_text(text: &str) -> Self {
                match text {
                    $($text => $name::$variant,)*
                    _ => $name::Unknown(0),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($name::$variant => f.pad($text),)*
                    $name::Unknown(number) => f.pad(&format!("unknown({number})")),
                }
            }
        }
    };
}

numbered! {
    /// What a window is.
    ///
    /// ```
    /// assert_eq!(fanlight::Kind::Framebuffer.to_string(), "framebuffer");
    /// ```
    Kind {
        /// Plain memory or registers.
        Memory = abi::KIND_MEMORY, "memory";
        /// A framebuffer, which a display may show.
        Framebuffer = abi::KIND_FRAMEBUFFER, "framebuffer";
        /// A log ring.
        Log = abi::KIND_LOG, "log";
    }
}

numbered! {
    /// The memory of a window.
    ///
    /// ```
    /// assert_eq!(fanlight::Backing::Carveout.to_string(), "carveout");
    /// ```
    Backing {
        /// Reserved memory, SRAM, or registers.
        Carveout = abi::BACKING_CARVEOUT, "carveout";
        /// Contiguous pages of the kernel.
        Contiguous = abi::BACKING_CONTIGUOUS, "contiguous";
        /// Scattered pages of the kernel.
        Vmalloc = abi::BACKING_VMALLOC, "vmalloc";
    }
}

numbered! {
    /// The memory type of a window's mappings.
    ///
    /// ```
    /// assert_eq!(fanlight::Cache::WriteCombine.to_string(), "writecombine");
    /// ```
    Cache {
        /// Not cached; stores may be gathered. Reading is slow.
        WriteCombine = abi::CACHE_WRITECOMBINE, "writecombine";
        /// Device memory: every access is made as in the program, and must be aligned.
        NonCached = abi::CACHE_NONCACHED, "noncached";
        /// Cached, like ordinary memory.
        Cached = abi::CACHE_CACHED, "cached";
    }
}

numbered! {
    /// The display of a framebuffer.
    ///
    /// ```
    /// assert_eq!(fanlight::Scanout::Ramfb.to_string(), "ramfb");
    /// ```
    Scanout {
        /// None: it is memory with a geometry.
        None = abi::SCANOUT_NONE, "none";
        /// QEMU's ramfb device.
        Ramfb = abi::SCANOUT_RAMFB, "ramfb";
        /// The Raspberry Pi's firmware.
        Rpi = abi::SCANOUT_RPI, "rpi";
    }
}

/// The accesses that a window allows; a descriptor's open mode can limit them further.
///
/// ```
/// let rights = fanlight::Rights::default();
/// assert!(!rights.map_write);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// `read()`.
    pub read: bool,
    /// `write()`; to a log: append a record.
    pub write: bool,
    /// Map for reading.
    pub map_read: bool,
    /// Map for writing.
    pub map_write: bool,
}

impl fmt::Display for Rights {
    /// `rw` for read() and write(), then the same for mappings; a dash for an access that is not
    /// allowed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |may: bool, letter: char| if may { letter } else { '-' };
        f.pad(&format!(
            "{}{},{}{}",
            letter(self.read, 'r'),
            letter(self.write, 'w'),
            letter(self.map_read, 'r'),
            letter(self.map_write, 'w')
        ))
    }
}

/// The driver's description of a window.
///
/// ```no_run
/// let info = fanlight::Instance::open(0)?.window("fb")?.info()?;
/// println!("{}: {} bytes of {} memory, {}", info.name, info.size, info.backing, info.cache);
/// # Ok::<(), fanlight::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The driver's version of the ABI; `None` if only sysfs could be read.
    pub abi: Option<u32>,
    /// Its name.
    pub name: String,
    /// The N of /dev/fanlightN.
    pub instance: u32,
    /// Its kind.
    pub kind: Kind,
    /// Its memory.
    pub backing: Backing,
    /// The memory type of its mappings.
    pub cache: Cache,
    /// The accesses that it allows.
    pub rights: Rights,
    /// Its size in bytes.
    pub size: u64,
    /// Offset of its first byte in a mapping, which begins at a page boundary.
    pub offset: u32,
    /// Its physical address, if the node was opened with CAP_SYS_ADMIN.
    pub phys: Option<u64>,
    /// The geometry of a framebuffer.
    pub geometry: Option<Geometry>,
    /// The number of a framebuffer's pages, which follow one another in the memory.
    pub pages: u32,
    /// The display of a framebuffer.
    pub scanout: Scanout,
    /// The required width of accesses to registers, in bytes, if the device tree has one.
    pub reg_io_width: Option<u32>,
}

impl Info {
    /// Converts the structure of the ABI.
    pub(crate) fn from_abi(raw: &abi::Info) -> Self {
        let name = raw.name.split(|byte| *byte == 0).next().unwrap_or_default();
        let right = |bit: u32| raw.rights & bit != 0;
        Self {
            abi: Some(raw.abi),
            name: String::from_utf8_lossy(name).into_owned(),
            instance: raw.instance,
            kind: Kind::from_number(raw.kind),
            backing: Backing::from_number(raw.backing),
            cache: Cache::from_number(raw.cache),
            rights: Rights {
                read: right(abi::RIGHT_READ),
                write: right(abi::RIGHT_WRITE),
                map_read: right(abi::RIGHT_MAP_READ),
                map_write: right(abi::RIGHT_MAP_WRITE),
            },
            size: raw.size,
            offset: raw.offset,
            phys: (raw.phys != 0).then_some(raw.phys),
            geometry: PixelFormat::from_fourcc(raw.format)
                .and_then(|format| Geometry::new(raw.width, raw.height, raw.stride, format)),
            pages: raw.pages,
            scanout: Scanout::from_number(raw.scanout),
            reg_io_width: Some(raw.reg_io_width).filter(|width| [1, 2, 4].contains(width)),
        }
    }

    /// Reads the sysfs attributes of the node's window, which every user may read.
    pub(crate) fn from_sysfs(node: &Path) -> Option<Self> {
        let name = node.file_name()?.to_str()?;
        let instance = node.parent()?.file_name()?.to_str()?;
        let directory = sysfs(node)?;
        let attribute = |name: &str| {
            fs::read_to_string(directory.join(name))
                .map(|text| text.trim_end().to_owned())
                .unwrap_or_default()
        };
        let kind = Kind::from_text(&attribute("kind"));
        // The attribute is about mappings; a log can be appended to by write().
        let writable = attribute("rights").contains('w');
        let appendable = kind == Kind::Log && name == "log";
        Some(Self {
            abi: None,
            name: name.into(),
            instance: instance.strip_prefix("fanlight")?.parse().ok()?,
            kind,
            backing: Backing::from_text(&attribute("backing")),
            cache: Cache::from_text(&attribute("cache")),
            rights: Rights {
                read: true,
                write: writable || appendable,
                map_read: true,
                map_write: writable,
            },
            size: attribute("size").parse().ok()?,
            offset: attribute("offset").parse().unwrap_or(0),
            phys: None,
            geometry: geometry_from_text(&attribute("geometry")),
            pages: 1,
            scanout: Scanout::from_text(&attribute("scanout")),
            reg_io_width: None,
        })
    }
}

/// The sysfs directory of a node.
pub(crate) fn sysfs(node: &Path) -> Option<PathBuf> {
    let name = node.file_name()?.to_str()?;
    let instance = node.parent()?.file_name()?.to_str()?;
    Some(Path::new("/sys/class/misc").join(format!("{instance}-{name}")))
}

/// Reads `1024x600 4096 x8r8g8b8`.
fn geometry_from_text(text: &str) -> Option<Geometry> {
    let mut words = text.split(' ');
    let (width, height) = words.next()?.split_once('x')?;
    let stride = words.next()?.parse().ok()?;
    let format = PixelFormat::from_name(words.next()?)?;
    Geometry::new(width.parse().ok()?, height.parse().ok()?, stride, format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_info_of_a_newer_driver_keeps_the_unknown_numbers() {
        let raw = abi::Info {
            abi: 7,
            kind: 9,
            backing: 1,
            cache: 44,
            rights: 0b0101,
            ..Default::default()
        };
        let info = Info::from_abi(&raw);
        assert_eq!(info.abi, Some(7));
        assert_eq!(info.kind, Kind::Unknown(9));
        assert_eq!(info.cache.to_string(), "unknown(44)");
        assert_eq!(info.rights.to_string(), "r-,r-");
    }

    #[test]
    fn window_geometry_is_read_from_sysfs() {
        let geometry = geometry_from_text("1024x600 4096 x8r8g8b8").unwrap();
        assert_eq!(geometry.to_string(), "1024x600 4096 x8r8g8b8");
        assert_eq!(geometry_from_text(""), None);
        assert_eq!(geometry_from_text("1024x600 4096 nonsense"), None);
    }
}
